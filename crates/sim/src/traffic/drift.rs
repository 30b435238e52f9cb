//! A factor that wanders slowly around 1, so that one minute is like the minute before it.

use rand::Rng;

use super::draw::gauss;

/// How long it takes until a factor has forgotten most of where it was, in seconds.
const MEMORY: f64 = 900.0;

/// A factor that wanders around 1: the logarithm is an Ornstein-Uhlenbeck process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drift {
    /// In standard deviations.
    level: f64,
    at: f64,
}

impl Drift {
    /// The factor at `offset` seconds, with that standard deviation.
    pub(super) fn look(&mut self, rng: &mut impl Rng, offset: f64, deviation: f64) -> f64 {
        if deviation <= 0.0 {
            return 1.0;
        }
        let kept = (-(offset - self.at).max(0.0) / MEMORY).exp();
        self.level = kept * self.level + (1.0 - kept * kept).sqrt() * gauss(rng);
        self.at = offset;
        // So that the mean, not the median, is 1.
        (deviation * self.level - deviation * deviation / 2.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_minute_is_like_the_minute_before_it_and_a_day_is_not() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut drift = Drift::default();
        let path: Vec<f64> = (0..100_000).map(|step| drift.look(&mut rng, f64::from(step) * 60.0, 0.2)).collect();
        let mean = path.iter().sum::<f64>() / path.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let apart = |lag: usize| {
            let pairs = path.iter().zip(path.iter().skip(lag));
            pairs.map(|(one, other)| (one - other).abs()).sum::<f64>() / path.len() as f64
        };
        assert!(apart(1) < apart(1440) / 2.0, "{} {}", apart(1), apart(1440));
    }
}
