//! How long a watch that broke waits before it is begun again.

use std::time::Duration;

use kube::runtime::utils::Backoff as Reset;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);
/// A watch that lasted so long after its last failure begins to wait from the start again. One that breaks down just
/// after each list does not: that would ask the API server for everything, again and again.
const SOUND: Duration = Duration::from_mins(2);

/// Pauses that double from 0.8 s to 30 s.
///
/// kube's own has the same figures, but counts by the system's clock, and takes a part of each pause by chance: a
/// simulation could not repeat it. One process has a handful of watches, which need not be kept apart.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    failed_at: Option<Instant>,
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.failed_at.is_some_and(|failed_at| now - failed_at > SOUND) {
            self.failures = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        Some(pause)
    }
}

impl Reset for Backoff {
    /// Called for every event that arrives, which by itself is no sign of health.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_to_half_a_minute_and_begin_anew_after_two_good_ones() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = backoff.by_ref().take(8).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        tokio::time::advance(SOUND + FIRST).await;
        assert_eq!(backoff.next(), Some(FIRST));
    }
}
