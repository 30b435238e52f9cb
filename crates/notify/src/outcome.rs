//! What became of one try to tell somebody.

use std::time::Duration;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// The receiver has no word for it, so that there was nothing to send.
    Skipped,
    /// The receiver will never take it.
    Refused(String),
    /// Not now.
    Later {
        /// Why not.
        why: String,
        /// It is not about what is sent, but about who sends: people have to act.
        is_unwelcome: bool,
        /// What it asked for in `Retry-After`.
        after: Option<Duration>,
    },
}

impl Outcome {
    /// Not now, and nobody knows for how long.
    #[must_use]
    pub fn later(why: String) -> Self {
        Self::Later { why, is_unwelcome: false, after: None }
    }

    /// Not before people have acted.
    #[must_use]
    pub fn unwelcome(why: String) -> Self {
        Self::Later { why, is_unwelcome: true, after: None }
    }

    /// What an answer over HTTP means. `said` is the beginning of its body.
    #[must_use]
    pub fn of_status(status: u16, said: &str, after: Option<Duration>) -> Self {
        let why = if said.is_empty() { format!("it answers {status}") } else { format!("it answers {status}: {said}") };
        match status {
            200..=299 => Self::Delivered,
            // The address or the credentials are wrong: whatever is sent fares the same, until somebody mends that.
            300..=399 => {
                Self::unwelcome(format!("it redirects (HTTP {status}); configure the address that it redirects to"))
            }
            401 | 403 | 404 | 405 | 407 | 410 => Self::Later { why, is_unwelcome: true, after },
            408 | 425 | 429 => Self::Later { why, is_unwelcome: false, after },
            400..=499 => Self::Refused(why),
            _ => Self::Later { why, is_unwelcome: false, after },
        }
    }
}

/// How often something happened to notices of a receiver, by one word of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It was delivered.
    Delivered,
    /// There was nothing to send.
    Skipped,
    /// A try failed, and another one follows.
    Failed,
    /// The receiver will never take it.
    Refused,
    /// It was tried for too long.
    GivenUp,
    /// There was no place for it, and its Rollout has forgotten it by now.
    Lost,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Delivered, Self::Skipped, Self::Failed, Self::Refused, Self::GivenUp, Self::Lost];

    /// The value of the label `outcome`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Lost => "lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_taken_is_not_sent_again_and_what_may_be_is() {
        assert_eq!(Outcome::of_status(202, "", None), Outcome::Delivered);
        assert_eq!(Outcome::of_status(400, "bad", None), Outcome::Refused("it answers 400: bad".to_owned()));
        assert!(matches!(Outcome::of_status(422, "", None), Outcome::Refused(_)));
        let wait = Some(Duration::from_secs(7));
        for status in [408, 429, 500, 503] {
            let later = Outcome::Later { why: format!("it answers {status}"), is_unwelcome: false, after: wait };
            assert_eq!(Outcome::of_status(status, "", wait), later);
        }
    }

    #[test]
    fn whoever_is_not_let_in_waits_for_people() {
        for status in [301, 401, 403, 404, 410] {
            let outcome = Outcome::of_status(status, "", None);
            assert!(matches!(outcome, Outcome::Later { is_unwelcome: true, .. }), "{status}");
        }
    }
}
