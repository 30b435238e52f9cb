//! Gates: who or what else has to say yes before a version goes on. Asked one after another, in the order of the spec; what one
//! has said about a version stays said. Only going on waits for them.

use tidegate_api::{
    FailedRevision, Gate, GateState, GateStatus, OnTimeout, Phase, RevisionStatus, Span, Stage, condition::reason,
};

use crate::plan::{GateAnswer, Planner, Refusal, Reply, outcome::Outcome};

/// How often it is looked whether other Rollouts are where they have to be: nobody says when they are.
const LOOKED_AT: Span = Span::seconds(10);

/// What all gates between a stage and the next one say together.
enum Passage {
    Open,
    Waits(String),
    TimedOut(OnTimeout, String),
    Stopped(String),
}

impl Planner<'_> {
    /// What is decided about a stage that may be left, if a gate does not let it be left now.
    pub(super) fn held_by_gates(&mut self, stage: &Stage) -> Option<Outcome> {
        let canary = self.status.canary.clone()?;
        Some(match self.pass_gates(Some(&self.left_for_good(stage)), &canary) {
            Passage::Open => return None,
            Passage::Waits(message) => {
                Outcome::Wait(format!("stage {} may be left and waits for {message}", stage.name))
            }
            Passage::TimedOut(OnTimeout::Hold, message) => Outcome::Hold(Refusal::new(reason::GATE_TIMED_OUT, message)),
            Passage::TimedOut(OnTimeout::Revert, message) => Outcome::Fail(reason::GATE_TIMED_OUT, message),
            Passage::Stopped(message) => Outcome::Fail(reason::GATE_STOPPED, message),
        })
    }

    /// What the gate that waits decides about a stage, whatever else keeps that from being left: its yes is noted, so that it
    /// stays one, and a no is a failure, as time that is up is where it says so.
    pub(super) fn hear_gate(&mut self, stage: &Stage) -> Option<Outcome> {
        let canary = self.status.canary.clone().filter(|_| !self.status.rolls_back)?;
        match self.hear(Some(&self.left_for_good(stage)), &canary) {
            Passage::TimedOut(OnTimeout::Revert, message) => Some(Outcome::Fail(reason::GATE_TIMED_OUT, message)),
            Passage::Stopped(message) => Some(Outcome::Fail(reason::GATE_STOPPED, message)),
            Passage::Open | Passage::Waits(_) | Passage::TimedOut(OnTimeout::Hold, _) => None,
        }
    }

    /// The same in front of the start. Whether the version is turned away.
    pub(super) fn is_turned_away(&mut self, version: &RevisionStatus) -> bool {
        match self.hear(None, version) {
            Passage::TimedOut(OnTimeout::Revert, message) => self.never_start(version, reason::GATE_TIMED_OUT, message),
            Passage::Stopped(message) => self.never_start(version, reason::GATE_STOPPED, message),
            Passage::Open | Passage::Waits(_) | Passage::TimedOut(OnTimeout::Hold, _) => return false,
        }
        true
    }

    /// What a pause keeps from happening: the time of a gate is up that turns the traffic back.
    pub(super) fn told_of_late_gate(&self) -> String {
        let mut open = self.status.gates.iter().filter(|known| known.state.is_open());
        let late = open.find(|known| {
            let gate = self.rollout.spec.all_gates().find(|gate| gate.name == known.name);
            let timeout = gate.filter(|gate| gate.on_timeout == Some(OnTimeout::Revert)).and_then(|gate| gate.timeout);
            timeout.is_some_and(|timeout| self.has_elapsed(known.since, timeout))
        });
        late.map(|known| {
            format!("; the time of gate {} is up: unless it says yes before, all traffic goes back then", known.name)
        })
        .unwrap_or_default()
    }

    /// Whether `version` may start, as far as gates are asked; says why not.
    pub(super) fn may_start(&mut self, version: &RevisionStatus) -> bool {
        match self.pass_gates(None, version) {
            Passage::Open => return true,
            Passage::Waits(message) => {
                self.status.enter_phase(Phase::Stable);
                self.say(format!("a new version waits for {message}"));
            }
            Passage::TimedOut(OnTimeout::Hold, message) => {
                self.status.enter_phase(Phase::Stable);
                let message = format!("a new version waits: {message}");
                self.say(message.clone());
                self.refusal = Some(Refusal::new(reason::GATE_TIMED_OUT, message));
            }
            Passage::TimedOut(OnTimeout::Revert, message) => self.never_start(version, reason::GATE_TIMED_OUT, message),
            Passage::Stopped(message) => self.never_start(version, reason::GATE_STOPPED, message),
        }
        false
    }

    /// A version that was not let in counts as failed, before anything of it is there.
    fn never_start(&mut self, version: &RevisionStatus, reason: &'static str, message: String) {
        self.status.enter_phase(Phase::Reverted);
        self.record(reason, format!("version {version} does not start: {message}"));
        self.status.record_failure(FailedRevision {
            revision: version.revision.clone(),
            replica_set: version.replica_set.clone(),
            at: self.now,
            message,
        });
    }

    /// `revision` is the version that starts, or waits to: what gates said before was about another one.
    pub(super) fn begin_gates(&mut self, revision: &str) {
        let before = self.approvals_of_others(Some(revision));
        self.status.ask_gates_about(revision, before);
    }

    /// A rollout is over. What a gate said against a version that failed stays to be read, and an approval of the version that
    /// comes next counts.
    pub(super) fn end_gates(&mut self) {
        if self.status.canary.as_ref().is_some_and(|canary| self.failed(canary).is_some()) {
            return self.status.close_gates();
        }
        let next = self.waiting();
        self.forget_gates_but_of(next.as_ref().map(|next| next.revision.as_str()));
    }

    /// Gates are asked anew, if any was.
    pub(super) fn forget_gates(&mut self) {
        self.forget_gates_but_of(None);
    }

    fn forget_gates_but_of(&mut self, revision: Option<&str>) {
        if !self.status.gates.is_empty() {
            let before = self.approvals_of_others(revision);
            self.status.forget_gates(before);
        }
    }

    /// Takes the answer of the gate that waits after `left`, or before the start. No other one is asked.
    fn hear(&mut self, left: Option<&Stage>, version: &RevisionStatus) -> Passage {
        let revision = &version.revision;
        let state = |gate: &Gate| self.status.gate(revision, &gate.name).map(|known| known.state);
        let mut gates = self.gates_after(left).into_iter().map(|(_, gate)| gate);
        let first = gates.find(|gate| state(gate) != Some(GateState::Passed));
        let Some(gate) = first.filter(|gate| state(gate).is_some_and(GateState::is_open)) else {
            return Passage::Open;
        };
        let reply = self.reply_of(&gate, version);
        self.take_reply(&gate, version, reply, false)
    }

    /// Asks the gates that stand after `left`, or before the start.
    fn pass_gates(&mut self, left: Option<&Stage>, version: &RevisionStatus) -> Passage {
        let gates = self.gates_after(left);
        let asked = gates.iter().map(|(_, gate)| gate.name.clone()).find(|name| {
            let known = self.status.gate(&version.revision, name);
            known.is_none_or(|known| known.state != GateState::Passed)
        });
        self.status.ask_no_other_gate(&version.revision, asked.as_deref());
        for (place, gate) in gates {
            let known = self.status.gate(&version.revision, &gate.name).cloned();
            match &known {
                Some(known) if known.state == GateState::Passed => continue,
                Some(known) if known.state == GateState::Stopped => {
                    return Passage::Stopped(said_no(&gate.name, &known.message));
                }
                _ => {}
            }
            if known.is_none() {
                self.status.open_gate(GateStatus {
                    name: gate.name.clone(),
                    revision: version.revision.clone(),
                    place,
                    since: self.now,
                    ..GateStatus::default()
                });
            }
            let reply = self.reply_of(&gate, version);
            match self.take_reply(&gate, version, reply, known.is_none()) {
                Passage::Open => {}
                held => return held,
            }
        }
        Passage::Open
    }

    /// The gates in front of whatever comes after `left`, each with its place.
    fn gates_after(&self, left: Option<&Stage>) -> Vec<(String, Gate)> {
        let spec = &self.rollout.spec;
        let stages = spec.stages();
        let whole = spec.gates.clone().unwrap_or_default();
        let at = |place: String, gates: Vec<Gate>| gates.into_iter().map(move |gate| (place.clone(), gate));
        let before = |stage: &Stage| at(format!("before {}", stage.name), stage.before.clone());
        let Some(left) = left else {
            return at("start".to_owned(), whole.start).chain(stages.first().into_iter().flat_map(before)).collect();
        };
        let next = stages.iter().skip_while(|stage| stage.name != left.name).nth(1);
        let after = at(format!("after {}", left.name), left.after.clone());
        match next {
            Some(next) => after.chain(before(next)).collect(),
            None => after.chain(at("promote".to_owned(), whole.promote)).collect(),
        }
    }

    /// What `gate` says now.
    pub(super) fn reply_of(&mut self, gate: &Gate, version: &RevisionStatus) -> Reply {
        if let Some(approval) = &gate.approval {
            return self.approved(gate, approval, version);
        }
        if let Some(others) = &gate.rollouts {
            self.wake_after(self.now, LOOKED_AT);
            return self.where_others_are(others, version);
        }
        let known = self.status.gate(&version.revision, &gate.name);
        let Some(answer) = known.and_then(|known| self.answer_to(known)) else {
            return Reply::Wait("it is being asked".to_owned());
        };
        if matches!(answer.reply, Reply::Wait(_)) {
            self.wake_at(answer.again.max(self.now));
        }
        answer.reply.clone()
    }

    /// Writes down what a gate said, and tells of it when that is news.
    fn take_reply(&mut self, gate: &Gate, version: &RevisionStatus, reply: Reply, is_new: bool) -> Passage {
        let (revision, name) = (&version.revision, &gate.name);
        match reply {
            Reply::Go(said) => {
                self.status.answer_gate(revision, name, GateState::Passed, &said, Some(self.now));
                self.record(reason::GATE_PASSED, format!("gate {name} lets version {version} pass: {said}"));
                Passage::Open
            }
            Reply::Stop(said) => {
                self.status.answer_gate(revision, name, GateState::Stopped, &said, Some(self.now));
                Passage::Stopped(said_no(name, &said))
            }
            Reply::Wait(said) => {
                let since = self.status.gate(revision, name).map_or(self.now, |known| known.since);
                // Who pauses wants nothing to happen by itself, and least of all by a clock.
                let is_up = |timeout: &Span| self.has_elapsed(since, *timeout) && !self.is_paused();
                if let Some(timeout) = gate.timeout.filter(is_up) {
                    self.status.answer_gate(revision, name, GateState::TimedOut, &said, None);
                    let message = format!("gate {name} has waited for longer than {timeout}: {said}");
                    return Passage::TimedOut(gate.on_timeout.unwrap_or_default(), message);
                }
                if let Some(timeout) = gate.timeout {
                    self.wake_after(since, timeout);
                }
                self.status.answer_gate(revision, name, GateState::Waiting, &said, None);
                if is_new {
                    self.record(reason::GATE_WAITS, format!("version {version} waits for gate {name}: {said}"));
                }
                Passage::Waits(format!("gate {name}: {said}"))
            }
        }
    }
}

impl<'a> Planner<'a> {
    /// What the operator was answered for a gate, as it stands in the status.
    fn answer_to(&self, known: &GateStatus) -> Option<&'a GateAnswer> {
        self.gate_answer.filter(|answer| {
            answer.gate == known.name && answer.revision == known.revision && answer.since == known.since
        })
    }
}

fn said_no(gate: &str, why: &str) -> String {
    format!("gate {gate} says no: {why}")
}
