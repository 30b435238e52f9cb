//! How often the operator may write for one Rollout.

use std::time::Duration;

use tokio::time::Instant;

/// So many writes may follow one another at once: more than one honest rollout needs.
const BURST: u32 = 40;
/// From then on there is one in so long.
const PERIOD: Duration = Duration::from_millis(250);

/// A token bucket. Where two write one object in turn (two leaders, each with caches of its own, or a webhook that
/// changes what is written), each write wakes the other at once: without a limit that is a loop without a pause.
#[derive(Debug, Default)]
pub struct TokenBucket {
    /// How many were spent, and when that was counted last.
    spent: Option<(f64, Instant)>,
}

impl TokenBucket {
    /// How long to wait at `now` before the next write; `None` if it may be at once.
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        let excess = self.spent_at(now) + 1.0 - f64::from(BURST);
        // A rest of the division may be too small for a clock: to wait for nothing would be a loop without a pause.
        let pause = PERIOD.mul_f64(excess.max(0.0));
        (!pause.is_zero()).then_some(pause)
    }

    /// Counts a write at `now`.
    pub fn spend(&mut self, now: Instant) {
        self.spent = Some((self.spent_at(now) + 1.0, now));
    }

    fn spent_at(&self, now: Instant) -> f64 {
        self.spent.map_or(0.0, |(spent, at)| (spent - (now - at).div_duration_f64(PERIOD)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_each_period() {
        let start = Instant::now();
        let mut bucket = TokenBucket::default();
        for _ in 0..BURST {
            assert_eq!(bucket.pause(start), None);
            bucket.spend(start);
        }
        assert_eq!(bucket.pause(start), Some(PERIOD));
        assert_eq!(bucket.pause(start + PERIOD), None);
        bucket.spend(start + PERIOD);
        assert_eq!(bucket.pause(start + PERIOD), Some(PERIOD));
        assert_eq!(bucket.pause(start + PERIOD * 100), None);
    }

    #[test]
    fn a_pause_is_never_of_no_length() {
        let start = Instant::now();
        for nanoseconds in 1..20_000 {
            let mut bucket = TokenBucket::default();
            bucket.spend(start);
            let later = start + Duration::from_nanos(nanoseconds * 37);
            (0..BURST).for_each(|_| bucket.spend(later));
            let pause = bucket.pause(later).unwrap_or_default();
            assert_eq!(bucket.pause(later + pause), None, "{nanoseconds}");
        }
    }
}
