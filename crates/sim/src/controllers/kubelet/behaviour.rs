//! How pods behave.

use std::time::Duration;

use crate::controllers::Delay;

/// How the pods of an image behave. It may change while they run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PodBehaviour {
    /// Whether the image can be pulled.
    pub pulls: bool,
    /// From the choice of a node until the containers run.
    pub starts_after: Delay,
    /// From then on until they are ready; nothing for pods that never are.
    pub ready_after: Option<Delay>,
    /// From their start until they crash; nothing for pods that go on.
    pub crashes_after: Option<Delay>,
    /// From their start until they have done what they are for, and how that ends; nothing for pods that go on.
    pub completes: Option<(Delay, Ending)>,
    /// From the signal to end until they have ended, though never longer than their grace period.
    pub ends_after: Delay,
}

impl Default for PodBehaviour {
    /// A service that starts in a few seconds and lasts; when it ends it finishes what it has at hand.
    fn default() -> Self {
        Self {
            pulls: true,
            starts_after: Delay::millis(300, 1_500),
            ready_after: Some(Delay::LogNormal { median: Duration::from_secs(2), sigma: 0.3 }),
            crashes_after: None,
            completes: None,
            ends_after: Delay::millis(1_000, 3_000),
        }
    }
}

/// How a pod ends that is not started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Success,
    /// With an exit code, and a few words about it.
    Failure,
}

impl PodBehaviour {
    /// Pods of a Job, which end in a few seconds.
    #[must_use]
    pub fn ending(ending: Ending) -> Self {
        Self { completes: Some((Delay::millis(2_000, 5_000), ending)), ..Self::default() }
    }

    /// Pods that start, but are never ready.
    #[must_use]
    pub fn never_ready() -> Self {
        Self { ready_after: None, ..Self::default() }
    }

    /// Pods that crash so long after each start.
    #[must_use]
    pub fn crashing_after(delay: Delay) -> Self {
        Self { crashes_after: Some(delay), ..Self::default() }
    }

    /// Pods whose image is not there.
    #[must_use]
    pub fn without_image() -> Self {
        Self { pulls: false, ..Self::default() }
    }
}
