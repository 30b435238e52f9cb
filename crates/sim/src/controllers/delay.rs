//! How long things take.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};

/// How long something takes, drawn anew each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Anything between two bounds, each as likely as the other.
    Uniform {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Mostly near the median, and now and then much longer, as images are pulled and processes warm up.
    LogNormal {
        /// Half of the draws are shorter.
        median: Duration,
        /// The standard deviation of the logarithm: at 0.5 one draw in 40 takes 2.7 times the median.
        sigma: f64,
    },
}

impl Delay {
    /// No time at all.
    pub const NONE: Self = Self::Fixed(Duration::ZERO);

    /// Between so many milliseconds.
    #[must_use]
    pub const fn millis(least: u64, most: u64) -> Self {
        Self::Uniform { least: Duration::from_millis(least), most: Duration::from_millis(most) }
    }

    /// Draws one, in whole milliseconds: timers know nothing finer.
    #[must_use]
    pub fn draw(self, rng: &mut StdRng) -> Duration {
        match self {
            Self::Fixed(duration) => duration,
            Self::Uniform { least, most } if least < most => {
                let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                Duration::from_millis(rng.random_range(millis(least)..=millis(most)))
            }
            Self::Uniform { least, .. } => least,
            Self::LogNormal { median, sigma } => {
                let factor = LogNormal::new(0.0, sigma).map_or(1.0, |distribution| distribution.sample(rng));
                let seconds = (median.as_secs_f64() * factor * 1000.0).round() / 1000.0;
                Duration::try_from_secs_f64(seconds).unwrap_or(median)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn a_draw_stays_between_its_bounds(seed: u64, least in 0_u64..500, more in 0_u64..500) {
            let drawn = Delay::millis(least, least + more).draw(&mut StdRng::seed_from_u64(seed));
            prop_assert!(drawn >= Duration::from_millis(least) && drawn <= Duration::from_millis(least + more));
        }
    }

    #[test]
    fn half_of_the_lognormal_draws_are_below_the_median() {
        let (mut rng, median) = (StdRng::seed_from_u64(1), Duration::from_secs(4));
        let delay = Delay::LogNormal { median, sigma: 0.5 };
        let below = (0..10_000).filter(|_| delay.draw(&mut rng) < median).count();
        assert!((4_800..5_200).contains(&below), "{below}");
    }

    #[test]
    fn nonsense_is_drawn_as_the_median() {
        let mut rng = StdRng::seed_from_u64(1);
        for sigma in [f64::NAN, -1.0] {
            let delay = Delay::LogNormal { median: Duration::from_secs(1), sigma };
            assert!(delay.draw(&mut rng) > Duration::ZERO);
        }
    }
}
