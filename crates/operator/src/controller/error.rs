//! What can go wrong while a Rollout is reconciled, and what is done about it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// What went wrong: what was being done to which object, and the API server's answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the API server failed.
    #[error("{doing}: {source}")]
    Api {
        /// What was being done, such as `scale ReplicaSet shop/checkout-7f9c6b54d`.
        doing: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// Somebody wrote the Rollout, or a route of it, while a decision was on its way to the cluster; it is taken again.
    #[error("{0} changed while it was being worked on; deciding anew")]
    Changed(String),
    /// Everything that is written is written over at once, by somebody with the same rights.
    #[error(
        "the objects of Rollout {0} are written over as soon as they are written; going on slowly: look for a second \
         operator with leader election off, or a webhook that changes them"
    )]
    Quarrel(String),
    /// Another operator leads now.
    #[error("leadership was lost before {0}")]
    NotLeading(String),
}

/// What is done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It will pass by itself, at once or nearly so: somebody else was faster.
    Wait,
    /// It may pass: tried again with growing pauses.
    Retry,
    /// It will not pass until somebody acts.
    User,
}

impl Error {
    /// A failed call, with what was being done.
    pub fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Api { doing, source: Box::new(source) }
    }

    /// What is done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Changed(_) | Self::Quarrel(_) | Self::NotLeading(_) => Class::Wait,
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => match status.code {
                    404 | 409 | 410 => Class::Wait,
                    400 | 401 | 403 | 413 | 415 | 422 => Class::User,
                    _ => Class::Retry,
                },
                _ => Class::Retry,
            },
        }
    }

    /// For metrics: one word of few.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self.class() {
            Class::Wait => "conflict",
            Class::Retry => "error",
            Class::User => "refused",
        }
    }

    /// How long to wait before the next attempt, after so many failures in a row: doubling from a fifth of a second to
    /// a minute; what passes by itself, from a tenth to five seconds. Up to a quarter of it differs by `whose` failures
    /// they are, so that those of many Rollouts do not come back at once.
    #[must_use]
    pub fn pause(&self, failures: u32, whose: &str) -> Duration {
        let base = match self.class() {
            Class::Wait => Duration::from_millis(50).saturating_mul(1 << failures.min(9)).min(Duration::from_secs(5)),
            Class::Retry | Class::User => {
                Duration::from_millis(200).saturating_mul(1 << failures.min(9)).min(Duration::from_mins(1))
            }
        };
        let mut hash = DefaultHasher::new();
        (whose, failures).hash(&mut hash);
        base.mul_f64(1.0 + (hash.finish() % 1024) as f64 / 4096.0)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> Error {
        let status = Status { code, ..Status::default() };
        Error::api("scale ReplicaSet shop/checkout-1")(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_conflict_is_waited_for_and_a_refusal_needs_a_person() {
        assert_eq!(answer(409).class(), Class::Wait);
        assert_eq!(answer(500).class(), Class::Retry);
        assert_eq!(answer(429).class(), Class::Retry);
        assert_eq!(answer(403).class(), Class::User);
        assert_eq!(answer(422).class(), Class::User);
    }

    #[test]
    fn many_that_fail_at_once_do_not_come_back_at_once() {
        assert_ne!(answer(500).pause(3, "shop/checkout"), answer(500).pause(3, "shop/search"));
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        assert!(answer(500).pause(1, "a") < answer(500).pause(5, "a"));
        assert!(answer(500).pause(40, "a") <= Duration::from_secs(75));
        assert!(answer(409).pause(1, "a") <= Duration::from_millis(125));
        assert!(answer(409).pause(40, "a") <= Duration::from_millis(6_250));
    }
}
