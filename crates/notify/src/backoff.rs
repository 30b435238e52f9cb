//! How long to wait before the next try.

use std::time::Duration;

use rand::Rng;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// After the first answer that refuses whoever asks, and not what is sent: people have to act.
const FIRST_UNWELCOME: Duration = Duration::from_mins(1);
/// However often it failed.
const LONGEST: Duration = Duration::from_mins(10);
/// Whatever a receiver asks for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How long to wait after so many failures in a row. `asked` is what the receiver said in `Retry-After`.
#[must_use]
pub fn pause(failures: u32, is_unwelcome: bool, asked: Option<Duration>) -> Duration {
    let first = if is_unwelcome { FIRST_UNWELCOME } else { FIRST };
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST);
    // Receivers that fell together do not have to be asked together.
    let own = doubled.mul_f64(rand::rng().random_range(0.75..1.0));
    asked.map_or(own, |asked| asked.min(LONGEST_ASKED).max(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_about_twice_the_one_before_up_to_ten_minutes() {
        let seconds = |failures| pause(failures, false, None).as_secs_f64();
        assert!((0.75..=1.0).contains(&seconds(1)));
        assert!((6.0..=8.0).contains(&seconds(4)));
        assert!((450.0..=600.0).contains(&seconds(11)) && (450.0..=600.0).contains(&seconds(u32::MAX)));
    }

    #[test]
    fn no_try_comes_before_the_receiver_wants_it_unless_it_wants_too_much() {
        assert_eq!(pause(1, false, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(pause(1, false, Some(Duration::from_hours(9))), Duration::from_hours(1));
        assert!(pause(9, false, Some(Duration::ZERO)) > Duration::from_mins(2));
    }

    #[test]
    fn whoever_is_not_let_in_does_not_hammer_at_the_door() {
        assert!(pause(1, true, None) >= Duration::from_secs(45));
    }
}
