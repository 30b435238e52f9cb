//! `status.gates` and `status.spentApprovals`: what gates said about the version on its way, or the one that waits to be.

use jiff::Timestamp;
use tidegate_api::{ApprovalStatus, GateState, GateStatus};

use super::Draft;

impl Draft {
    /// Gates are asked about `revision` from now on. Where they were about another one, or none was, `present` are approvals
    /// of some earlier rollout.
    pub(in crate::plan) fn ask_gates_about(&mut self, revision: &str, present: Vec<String>) {
        if self.0.gates.iter().all(|gate| gate.revision != revision) {
            self.forget_gates(present);
        }
    }

    /// Whatever gates said, and whoever approved, was about a rollout that is over.
    pub(in crate::plan) fn forget_gates(&mut self, present: Vec<String>) {
        self.0.gates.clear();
        self.0.spent_approvals = present;
    }

    /// Of the gates that wait, this one alone is asked, if any: another may have been taken out of the spec, or moved behind it.
    pub(in crate::plan) fn ask_no_other_gate(&mut self, revision: &str, name: Option<&str>) {
        let is_asked = |gate: &GateStatus| gate.revision == revision && Some(gate.name.as_str()) == name;
        self.0.gates.retain(|gate| !gate.state.is_open() || is_asked(gate));
    }

    /// No gate is asked any more; what they have answered stays.
    pub(in crate::plan) fn close_gates(&mut self) {
        self.0.gates.retain(|gate| !gate.state.is_open());
    }

    /// A gate is asked.
    pub(in crate::plan) fn open_gate(&mut self, gate: GateStatus) {
        self.0.gates.push(gate);
    }

    /// What a gate says.
    pub(in crate::plan) fn answer_gate(
        &mut self,
        revision: &str,
        name: &str,
        state: GateState,
        message: &str,
        at: Option<Timestamp>,
    ) {
        let gate = self.0.gates.iter_mut().find(|gate| gate.revision == revision && gate.name == name);
        if let Some(gate) = gate {
            (gate.state, gate.answered_at) = (state, at);
            message.clone_into(&mut gate.message);
        }
    }

    /// Who has approved.
    pub(in crate::plan) fn note_approvals(&mut self, revision: &str, name: &str, approvals: Vec<ApprovalStatus>) {
        let gate = self.0.gates.iter_mut().find(|gate| gate.revision == revision && gate.name == name);
        if let Some(gate) = gate {
            gate.approvals = approvals;
        }
    }

    /// An approval counts for nothing.
    pub(in crate::plan) fn spend_approval(&mut self, text: String) {
        self.0.spent_approvals.push(text);
    }

    /// Forgets spent approvals that are not `present` any more.
    pub(in crate::plan) fn forget_spent(&mut self, present: impl Fn(&str) -> bool) {
        self.0.spent_approvals.retain(|text| present(text));
    }
}
