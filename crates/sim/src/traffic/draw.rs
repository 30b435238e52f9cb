//! Counts by chance.

use rand::Rng;
use rand_distr::{Binomial, Distribution, Geometric, Poisson, StandardNormal};

/// From this many expected events on, a normal distribution cannot be told from the exact one.
const LARGE: f64 = 200.0;

/// How many events happen of which `mean` are expected.
pub(super) fn poisson(rng: &mut impl Rng, mean: f64) -> u64 {
    if mean >= LARGE {
        return normal(rng, mean, mean);
    }
    match Poisson::new(mean) {
        Ok(poisson) => rounded(poisson.sample(rng)),
        Err(_) => 0,
    }
}

/// How many of `trials` succeed, each with probability `p`.
pub(super) fn binomial(rng: &mut impl Rng, trials: u64, p: f64) -> u64 {
    if trials == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return trials;
    }
    let mean = trials as f64 * p;
    if mean.min(trials as f64 - mean) >= LARGE {
        return normal(rng, mean, mean * (1.0 - p)).min(trials);
    }
    Binomial::new(trials, p).map_or(0, |binomial| binomial.sample(rng))
}

/// How many of `trials` succeed, each with probability `p`, where they succeed in crowds of `size` on average.
pub(super) fn in_crowds(rng: &mut impl Rng, trials: u64, p: f64, size: f64) -> u64 {
    let crowds = trials as f64 * p / size;
    let count = if crowds >= LARGE {
        // As many as a Poisson draw says, of geometric sizes.
        normal(rng, crowds * size, crowds * (2.0 * size * size - size))
    } else {
        let Ok(more) = Geometric::new(1.0 / size) else { return 0 };
        (0..poisson(rng, crowds)).map(|_| 1 + more.sample(rng)).sum()
    };
    count.min(trials)
}

/// A number around 0 with standard deviation 1.
pub(super) fn gauss(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn normal(rng: &mut impl Rng, mean: f64, variance: f64) -> u64 {
    rounded(mean + variance.sqrt() * gauss(rng))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut off at both ends")]
fn rounded(number: f64) -> u64 {
    number.round().clamp(0.0, 1e15) as u64
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// The mean and the variance of many draws.
    fn moments(mut draw: impl FnMut(&mut StdRng) -> u64) -> (f64, f64) {
        let mut rng = StdRng::seed_from_u64(7);
        let draws: Vec<f64> = (0..20_000).map(|_| draw(&mut rng) as f64).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, variance)
    }

    #[test]
    fn counts_scatter_as_they_should_on_both_sides_of_the_approximation() {
        for mean in [0.3, 20.0, 199.0, 201.0, 5000.0] {
            let (m, v) = moments(|rng| poisson(rng, mean));
            assert!((m / mean - 1.0).abs() < 0.03 && (v / mean - 1.0).abs() < 0.06, "{mean}: {m} {v}");
        }
        for (trials, p) in [(10, 0.5), (600, 0.001), (5000, 0.04), (100_000, 0.3), (100_000, 0.999)] {
            let (mean, variance) = (f64::from(trials) * p, f64::from(trials) * p * (1.0 - p));
            let (m, v) = moments(|rng| binomial(rng, u64::try_from(trials).unwrap(), p));
            assert!((m / mean - 1.0).abs() < 0.03 && (v / variance - 1.0).abs() < 0.06, "{trials} {p}: {m} {v}");
        }
    }

    #[test]
    fn crowds_bring_as_many_and_scatter_by_their_size() {
        for (trials, p, size) in [(5_000, 0.01, 5.0), (1_000_000, 0.01, 20.0)] {
            let mean = f64::from(trials) * p;
            let (m, v) = moments(|rng| in_crowds(rng, u64::try_from(trials).unwrap(), p, size));
            assert!((m / mean - 1.0).abs() < 0.03, "{trials} {p} {size}: {m}");
            assert!((v / (mean * (2.0 * size - 1.0)) - 1.0).abs() < 0.06, "{trials} {p} {size}: {v}");
        }
    }

    #[test]
    fn nothing_comes_of_nothing() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!([poisson(&mut rng, 0.0), poisson(&mut rng, f64::NAN), poisson(&mut rng, -1.0)], [0; 3]);
        assert_eq!((binomial(&mut rng, 0, 0.5), binomial(&mut rng, 9, 0.0), binomial(&mut rng, 9, 1.0)), (0, 0, 9));
    }
}
