//! Whose yes a gate has. Each entry of the annotation is decided on once: it counts, waits for its gate, or is ignored with
//! a sentence.

use tidegate_api::{Approval, ApprovalStatus, Approved, Gate, Phase, RevisionStatus, condition::reason};

use crate::plan::{Planner, Reply, configuration};

impl Planner<'_> {
    /// Ignores what cannot count, and says so.
    pub(super) fn take_approvals(&mut self) {
        let entries: Vec<_> = Approved::all(self.rollout.metadata.annotations.as_ref()).collect();
        let annotations = self.rollout.metadata.annotations.as_ref();
        self.status.forget_spent(|text| Approved::is_written(annotations, text));
        let mut counted: Vec<Approved> = Vec::new();
        for entry in entries {
            // One that is written twice in the same words is one: to ignore the second would ignore the first.
            let is_written_again = counted.iter().any(|known| known.text == entry.text);
            if is_written_again || self.status.spent_approvals.contains(&entry.text) {
                continue;
            }
            let says = |known: &Approved| {
                (&known.revision, &known.gate, &known.by) == (&entry.revision, &entry.gate, &entry.by)
            };
            let is_said = counted.iter().any(says);
            let twice = || is_said.then(|| format!("{} has approved already, and counts once", entry.by));
            match self.cannot_count(&entry).or_else(twice) {
                Some(why) => self.ignore_approval(entry.text, &why),
                None => counted.push(entry),
            }
        }
        for text in Approved::malformed(annotations).collect::<Vec<_>>() {
            self.ignore_approval(text, "it is none: write REVISION/GATE by NAME, and perhaps of GROUP behind it");
        }
    }

    /// An entry counts for nothing, which is said once.
    fn ignore_approval(&mut self, text: String, why: &str) {
        if self.status.spent_approvals.contains(&text) {
            return;
        }
        self.record_aside(reason::COMMAND_IGNORED, format!("approval {text} is ignored: {why}"));
        self.status.spend_approval(text);
    }

    /// What the people say who have to approve.
    pub(super) fn approved(&mut self, gate: &Gate, approval: &Approval, version: &RevisionStatus) -> Reply {
        let mut people: Vec<String> = Vec::new();
        for entry in Approved::all(self.rollout.metadata.annotations.as_ref()) {
            let is_meant = entry.revision == version.revision && entry.gate == gate.name;
            let is_spent = self.status.spent_approvals.contains(&entry.text);
            if is_meant && !is_spent && approval.takes(&entry.by, &entry.groups) && !people.contains(&entry.by) {
                people.push(entry.by);
            }
        }
        let known = self.status.gate(&version.revision, &gate.name).map(|known| known.approvals.clone());
        let known = known.unwrap_or_default();
        let since = |by: &str| known.iter().find(|known| known.by == by).map_or(self.now, |known| known.at);
        let approvals: Vec<_> = people.iter().map(|by| ApprovalStatus { by: by.clone(), at: since(by) }).collect();
        self.status.note_approvals(&version.revision, &gate.name, approvals);
        let by = people.join(" and ");
        if people.len() >= approval.count() {
            return Reply::Go(format!("approved by {by} ({})", self.account()));
        }
        // Of the last one, whoever hears that the gate has passed is told.
        for by in people.iter().filter(|by| !known.iter().any(|known| known.by == **by)) {
            let account = self.account();
            self.record_aside(
                reason::APPROVED,
                format!("{by} ({account}) approves of version {version} at gate {}", gate.name),
            );
        }
        let so_far = match (people.is_empty(), approval.count()) {
            (true, 1) => "an approval".to_owned(),
            (true, count) => format!("{count} approvals"),
            (false, count) => format!("{} of {count} approvals (there is one by {by})", count - people.len()),
        };
        Reply::Wait(format!("{so_far} by {}", may_approve(approval)))
    }

    /// Who vouches for the names.
    fn account(&self) -> &'static str {
        if self.observed.are_approvals_verified { "as the cluster knows them" } else { "by their own account" }
    }

    /// The approvals there are of rollouts before the one of `revision`, if there is one. What came for a version while it
    /// waited to start counts for it.
    pub(super) fn approvals_of_others(&self, revision: Option<&str>) -> Vec<String> {
        let annotations = self.rollout.metadata.annotations.as_ref();
        let is_spent = |text: &String| self.status.spent_approvals.contains(text);
        let others = Approved::all(annotations)
            .filter(|entry| revision != Some(entry.revision.as_str()) || is_spent(&entry.text))
            .map(|entry| entry.text);
        others.chain(Approved::malformed(annotations)).collect()
    }

    /// Whether an approval is about the version on its way, or one that waits to be, for whatever it waits; nothing while it is
    /// not known what is asked for.
    fn is_about_a_release(&self, entry: &Approved) -> Option<bool> {
        let under_way = matches!(self.status.phase, Phase::Progressing | Phase::Held);
        let canary = self.status.canary.as_ref().filter(|_| under_way);
        if canary.is_some_and(|canary| canary.revision == entry.revision) {
            return Some(true);
        }
        configuration::asked(self.observed)?;
        Some(self.waiting().is_some_and(|waiting| waiting.revision == entry.revision))
    }

    /// The version that is asked for and may start by and by: it does not serve, is not on its way, and has not failed.
    pub(super) fn waiting(&self) -> Option<RevisionStatus> {
        if self.serves_what_is_asked() {
            return None;
        }
        let asked = self.revision_of(&configuration::asked(self.observed)?.template)?;
        let has_begun = self.status.canary.as_ref().is_some_and(|canary| canary.revision == asked.revision);
        (!has_begun && self.failed(&asked).is_none()).then_some(asked)
    }

    /// Why an approval counts for nothing, if it does.
    fn cannot_count(&self, entry: &Approved) -> Option<String> {
        let known = self.status.gate(&entry.revision, &entry.gate);
        if known.is_some_and(|known| known.approvals.iter().any(|known| known.by == entry.by)) {
            // It has counted, and stands there until somebody clears it away.
            return None;
        }
        if !self.is_about_a_release(entry)? {
            return Some(format!("version {} is not on its way", entry.revision));
        }
        let gate = self.rollout.spec.all_gates().find(|gate| gate.name == entry.gate);
        let Some(approval) = gate.and_then(|gate| gate.approval.as_ref()) else {
            return Some(format!("no gate called {} waits for approval", entry.gate));
        };
        if known.is_some_and(|known| !known.state.is_open()) {
            return Some(format!("gate {} has been answered", entry.gate));
        }
        (!approval.takes(&entry.by, &entry.groups))
            .then(|| format!("{} is not one of {}", entry.by, may_approve(approval)))
    }
}

/// Whose approval counts, in a few words.
fn may_approve(approval: &Approval) -> String {
    let users = (!approval.users.is_empty()).then(|| approval.users.join(", "));
    let groups = (!approval.groups.is_empty()).then(|| format!("group {}", approval.groups.join(", ")));
    let both: Vec<_> = users.into_iter().chain(groups).collect();
    if both.is_empty() { "anybody who may annotate the Rollout".to_owned() } else { both.join(" or ") }
}
