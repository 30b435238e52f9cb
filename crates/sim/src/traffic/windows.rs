//! Times that come and go at random.

use rand::Rng;

/// Times of two kinds in turn, quiet ones and others, each as long as a geometric draw of seconds.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    quiet: f64,
    length: f64,
    /// Whether it is not quiet until `until`.
    on: bool,
    until: f64,
}

impl Windows {
    /// Windows of that mean length with that mean pause between them, both in seconds; it is quiet at first.
    pub(super) fn new(rng: &mut impl Rng, quiet: f64, length: f64, from: f64) -> Self {
        let mut windows = Self { quiet, length, on: false, until: from };
        windows.until += windows.stretch(rng);
        windows
    }

    /// Whether there is a window at `offset` seconds.
    pub(super) fn look(&mut self, rng: &mut impl Rng, offset: f64) -> bool {
        while self.until <= offset {
            self.on = !self.on;
            self.until += self.stretch(rng);
        }
        self.on
    }

    /// Geometric, with the mean of what comes now: whole seconds, at least one.
    fn stretch(&self, rng: &mut impl Rng) -> f64 {
        let mean = if self.on { self.length } else { self.quiet };
        if mean <= 1.0 {
            return 1.0;
        }
        let uniform: f64 = rng.random::<f64>().max(f64::MIN_POSITIVE);
        (uniform.ln() / (-1.0 / mean).ln_1p()).ceil().max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn windows_take_their_share_of_the_time() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut windows = Windows::new(&mut rng, 1800.0, 120.0, 0.0);
        let on = (0..2_000_000).filter(|second| windows.look(&mut rng, f64::from(*second))).count();
        let share = on as f64 / 2e6;
        assert!((share / (120.0 / 1920.0) - 1.0).abs() < 0.15, "{share}");
    }
}
