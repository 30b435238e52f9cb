//! Why requests fail.

use std::{collections::BTreeMap, fmt};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A pod answered with an error. It behaves like this version of the scenario.
    Answered(String),
    /// It was sent to a pod that was gone, which the data plane did not know yet.
    PodGone,
    /// The Service had no pod that was ready.
    NoReadyPod,
    /// There was no backend to send it to: no such Service, or none with a weight.
    NoBackend,
    /// No route was in force that it could come in by.
    NoRoute,
}

/// How many requests failed, by why.
pub type Causes = BTreeMap<Cause, u64>;

impl Cause {
    /// Why a gateway answers by itself with that status code.
    #[must_use]
    pub fn of_gateway(code: u16) -> Self {
        match code {
            404 => Self::NoRoute,
            503 => Self::NoReadyPod,
            _ => Self::NoBackend,
        }
    }

    /// The one word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "Answered",
            Self::PodGone => "PodGone",
            Self::NoReadyPod => "NoReadyPod",
            Self::NoBackend => "NoBackend",
            Self::NoRoute => "NoRoute",
        }
    }
}

/// What became of such requests, as the end of a sentence.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(version) => write!(f, "answered with an error by pods that behave like {version}"),
            Self::PodGone => f.write_str("sent to pods that were gone before the data plane knew"),
            Self::NoReadyPod => f.write_str("answered by nobody: the Service had no ready pod (503)"),
            Self::NoBackend => f.write_str(
                "answered by nobody: they came to a Service that does not exist, or no backend had a weight (500)",
            ),
            Self::NoRoute => f.write_str("answered by nobody: no route was in force that led to the application (404)"),
        }
    }
}
