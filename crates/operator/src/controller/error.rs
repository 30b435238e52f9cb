//! What can go wrong while a Rollout is reconciled, and what is done about it.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use kube::runtime::reflector::ObjectRef;
use tidegate_api::{Causes, Rollout};
use tidegate_planner::traffic::RouteId;

/// What went wrong: what was being done to which object, and the API server's answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the API server failed.
    #[error("{doing}")]
    Api {
        /// What was being done, such as `delete ReplicaSet checkout-7f9c6b54d`.
        doing: String,
        /// Why it failed.
        source: CallError,
    },
    /// Somebody wrote the Rollout while a decision was on its way to the cluster; it is taken again.
    #[error("Rollout {} changed while it was being worked on; deciding anew", named(.0))]
    Changed(ObjectRef<Rollout>),
    /// The same of a route of it.
    #[error("{route} of Rollout {} changed while it was being worked on; deciding anew", named(rollout))]
    RouteChanged {
        /// Of which Rollout.
        rollout: ObjectRef<Rollout>,
        /// Which one.
        route: RouteId,
    },
    /// The same for the pods behind its Services: some that were ready no longer are.
    #[error("pods of Rollout {} that carry traffic are no longer ready; deciding anew", named(.0))]
    PodsChanged(ObjectRef<Rollout>),
    /// Everything that is written is written over at once, by somebody with the same rights.
    #[error(
        "the objects of Rollout {} are written over as soon as they are written; going on slowly: look for a second \
         operator with leader election off, or a webhook that changes them", named(.0)
    )]
    Quarrel(ObjectRef<Rollout>),
    /// Another operator leads now.
    #[error("leadership was lost, and not done for Rollout {}: {doing}", named(rollout))]
    NotLeading {
        /// For which Rollout.
        rollout: ObjectRef<Rollout>,
        /// What was about to be done, as in [`Self::Api`].
        doing: String,
    },
}

/// Why a call to the API server failed, in its own words and without those of the client around them.
#[derive(Debug)]
pub struct CallError(Box<kube::Error>);

impl CallError {
    /// The HTTP status code, if there was an answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.0.as_ref() {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        }
    }
}

impl CallError {
    /// What such an error says.
    #[must_use]
    pub fn words(error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) if status.message.is_empty() => {
                format!("the API server answers HTTP {} {}", status.code, status.reason)
            }
            kube::Error::Api(status) => status.message.clone(),
            error => Causes(error).to_string(),
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::words(&self.0))
    }
}

/// All of its causes are in its text.
impl std::error::Error for CallError {}

fn named(rollout: &ObjectRef<Rollout>) -> String {
    format!("{}/{}", rollout.namespace.as_deref().unwrap_or_default(), rollout.name)
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
        move |error| Self::Api { doing, source: error.into() }
    }

    /// What is done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Changed(_)
            | Self::RouteChanged { .. }
            | Self::PodsChanged(_)
            | Self::Quarrel(_)
            | Self::NotLeading { .. } => Class::Wait,
            Self::Api { source, .. } => match source.code() {
                Some(404 | 409 | 410) => Class::Wait,
                Some(400 | 401 | 403 | 413 | 415 | 422) => Class::User,
                _ => Class::Retry,
            },
        }
    }

    /// Says it in the log, once, where it came up: what passes by itself only to those who look for it. A quarrel does not,
    /// and says what to look for.
    pub fn log(&self, rollout: &Rollout) {
        let rollout = ObjectRef::from_obj(rollout);
        if self.class() == Class::Wait && !matches!(self, Self::Quarrel(_)) {
            tracing::debug!(rollout = %named(&rollout), "{}", Causes(self));
        } else {
            tracing::warn!(rollout = %named(&rollout), "{}", Causes(self));
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
        Error::api("delete ReplicaSet checkout-1")(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn people_read_the_api_servers_sentence_and_not_the_clients_dump_of_it() {
        let status =
            Status { message: "quota exceeded".to_owned(), reason: "Forbidden".to_owned(), ..Status::default() };
        let error = Error::api("create Service checkout-canary")(kube::Error::Api(Box::new(status)));
        assert_eq!(Causes(&error).to_string(), "create Service checkout-canary: quota exceeded");
    }

    #[test]
    fn an_answer_without_a_sentence_is_told_by_its_code() {
        let told = Causes(&answer(503)).to_string();
        assert!(told.starts_with("delete ReplicaSet checkout-1: the API server answers HTTP 503"), "{told}");
    }

    #[test]
    fn a_call_that_does_not_come_through_is_told_with_what_was_in_its_way() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = Error::api("create Service checkout-canary")(kube::Error::ReadEvents(refused));
        let told = "create Service checkout-canary: Error reading events stream: connection refused";
        assert_eq!(Causes(&error).to_string(), told);
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
