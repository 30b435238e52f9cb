//! Lets simulated time pass in step with real time.

use std::{convert::Infallible, thread, time::Duration};

use tokio::time::Instant;

/// How much real time passes between two looks at the clock: short enough for people to take it as flowing.
const STEP: Duration = Duration::from_millis(10);

/// When simulated time has fallen behind this far, the machine slept: the rest is not caught up with.
const ASLEEP: Duration = Duration::from_secs(1);

/// Holds simulated time back to `speed` times real time, for as long as it is polled.
///
/// On a paused runtime time jumps to the next timer as soon as nobody has anything to do. This adds a timer at every
/// step and, when its turn comes, keeps the thread until real time has come as far: between two steps everything
/// happens in the order and at the very instants that a simulation without any real time would give it.
pub async fn hold_back(speed: f64) -> Infallible {
    let mut real = std::time::Instant::now();
    let mut simulated = Instant::now();
    loop {
        tokio::time::sleep(STEP.mul_f64(speed)).await;
        let due = real + simulated.elapsed().div_f64(speed);
        simulated = Instant::now();
        let now = std::time::Instant::now();
        match due.checked_duration_since(now) {
            Some(early) => {
                thread::sleep(early);
                real = due;
            }
            None => real = if now.duration_since(due) > ASLEEP { now } else { due },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_minute_takes_a_sixtieth_of_a_second_at_3600_times_its_speed() {
        let began = std::time::Instant::now();
        tokio::select! {
            never = hold_back(3600.0) => match never {},
            () = tokio::time::sleep(Duration::from_mins(1)) => {}
        }
        // How much longer it takes depends on the machine; shorter it must not be, but for the last step.
        assert!(began.elapsed() + STEP >= Duration::from_mins(1) / 3600);
    }
}
