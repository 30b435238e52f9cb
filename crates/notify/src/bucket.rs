//! How many notices a receiver takes: a bucket that fills by itself.

use std::time::Duration;

use tokio::time::Instant;

/// So many notices may go at once after a pause: what one release tells in a moment.
const BURST: u32 = 10;

/// What is left of a rate.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: u32,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one, for `rate` notices in a minute.
    #[must_use]
    pub fn new(rate: u32, now: Instant) -> Self {
        Self { rate, left: f64::from(rate.clamp(1, BURST)), at: now }
    }

    /// Takes one out; or says how long it takes until there is one.
    ///
    /// # Errors
    /// How long.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.rate) / 60.0;
        let fallen = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.left = (self.left + fallen).min(f64::from(self.rate.clamp(1, BURST)));
        self.at = now;
        // A wait is a whole number of nanoseconds, and may end a hair too soon.
        if self.left >= 1.0 - 1e-6 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_go_at_once_and_the_others_at_their_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(60, start);
        for _ in 0..10 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        let wait = bucket.take(start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert_eq!(bucket.take(start + wait), Ok(()));
        assert!(bucket.take(start + wait).is_err());
    }

    #[test]
    fn a_long_pause_allows_no_more_than_a_short_one() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, start);
        let later = start + Duration::from_hours(1);
        let taken = (0..5).filter(|_| bucket.take(later).is_ok()).count();
        assert_eq!(taken, 2);
    }
}
