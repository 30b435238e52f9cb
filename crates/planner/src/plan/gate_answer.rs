//! What a gate that the operator asks has answered.

use jiff::Timestamp;
use tidegate_api::{Gate, GateStatus, Rollout};

/// An answer, for the gate and the revision that it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateAnswer {
    /// The gate.
    pub gate: String,
    /// The revision.
    pub revision: String,
    /// Since when the gate had been waiting.
    pub since: Timestamp,
    /// What it says.
    pub reply: Reply,
    /// When it is asked again, where it says to wait.
    pub again: Timestamp,
}

/// What a gate says, with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Go on.
    Go(String),
    /// Not yet.
    Wait(String),
    /// No.
    Stop(String),
}

/// The gate that waits for its answer, by the committed status, and as the spec has it now.
#[must_use]
pub fn open_gate(rollout: &Rollout) -> Option<(&Gate, &GateStatus)> {
    let mut open = rollout.status.as_ref()?.gates.iter().rev().filter(|gate| gate.state.is_open());
    let of_spec = |name: &str| rollout.spec.all_gates().find(|gate| gate.name == name);
    open.find_map(|status| Some((of_spec(&status.name)?, status)))
}
