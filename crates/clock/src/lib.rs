//! What time it is: read in one place, so that simulated days can pass in milliseconds.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The system's.
    System,
    /// Tokio's, counted from an agreed beginning: it stands still and jumps where the runtime's time does.
    Virtual {
        /// The time of day at `start`.
        origin: Timestamp,
        /// When the clock was started.
        start: Instant,
    },
}

impl Clock {
    /// A clock that shows `origin` now, and from then on goes with tokio's time.
    #[must_use]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self::Virtual { origin, start: Instant::now() }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual { origin, start } => {
                let elapsed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
                origin.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_week_passes_at_once() {
        let origin: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin);
        tokio::time::sleep(Duration::from_hours(7 * 24)).await;
        assert_eq!(clock.now().duration_since(origin).as_hours(), 7 * 24);
    }
}
