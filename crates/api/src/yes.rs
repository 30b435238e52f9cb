//! A person's yes to a gate, as it is written.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::UserInfo;

use super::{approval::Approved, gate::Approval, gate_status::GateStatus, rollout::Rollout};

/// The gate that somebody means, and the version.
#[derive(Debug, Clone, Copy)]
pub struct Yes<'a> {
    /// The version.
    pub revision: &'a str,
    /// The gate's name.
    pub gate: &'a str,
    /// Whose yes it takes.
    pub approval: &'a Approval,
}

impl<'a> Yes<'a> {
    /// The gate that is called `gate`, or else the one that waits; for the version `revision`, or else the one that a gate
    /// waits for, or that is on its way.
    ///
    /// # Errors
    /// There is nothing to approve: a sentence.
    pub fn find(rollout: &'a Rollout, gate: Option<&'a str>, revision: Option<&'a str>) -> Result<Self, String> {
        let status = rollout.status.as_ref();
        let gates = status.map_or(&[][..], |status| &status.gates);
        let is_meant =
            |gate: &&GateStatus| gate.state.is_open() && revision.is_none_or(|revision| gate.revision == revision);
        let open = gates.iter().rfind(is_meant);
        let waits = || {
            let (phase, message) = status.map(|status| (status.phase, status.message.as_str())).unwrap_or_default();
            format!(
                "no gate waits for an approval: name it with --gate, and the version with --revision ({phase:?}: {message})"
            )
        };
        let name = gate.or(open.map(|gate| gate.name.as_str())).ok_or_else(waits)?;
        let canary = status.and_then(|status| status.canary.as_ref()).map(|canary| canary.revision.as_str());
        let revision = revision.or(open.map(|gate| gate.revision.as_str())).or(canary).ok_or_else(waits)?;
        let gate = rollout.spec.all_gates().find(|gate| gate.name == name);
        let gate = gate.ok_or_else(|| format!("the Rollout has no gate called {name}"))?;
        let approval = gate.approval.as_ref().ok_or_else(|| format!("gate {name} does not wait for people"))?;
        let known = status.and_then(|status| status.gate(revision, name));
        if let Some(known) = known.filter(|known| !known.state.is_open()) {
            return Err(format!("gate {name} has been answered: {}", known.message));
        }
        Ok(Self { revision, gate: &gate.name, approval })
    }

    /// Somebody's name, as one word: what separates words separates the parts of an annotation.
    #[must_use]
    pub fn name(who: &UserInfo) -> String {
        let name = who.username.as_deref().unwrap_or_default();
        name.replace(|letter: char| letter.is_whitespace() || matches!(letter, ';' | ','), "-")
    }

    /// What is approved: `7f9c/people`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}/{}", self.revision, self.gate)
    }

    /// Whether the gate takes theirs.
    #[must_use]
    pub fn is_for(&self, who: &UserInfo) -> bool {
        self.approval.takes(&Self::name(who), &self.groups(who))
    }

    /// Whether their approval counts already, and is still there.
    #[must_use]
    pub fn is_given(&self, rollout: &Rollout, who: &UserInfo) -> bool {
        let who = Self::name(who);
        let known = rollout.status.as_ref().and_then(|status| status.gate(self.revision, self.gate));
        let counts = known.is_some_and(|known| known.approvals.iter().any(|known| known.by == who));
        let mut written = Approved::all(rollout.metadata.annotations.as_ref());
        counts && written.any(|entry| self.is_entry(&entry) && entry.by == who)
    }

    /// The annotation with their entry, or without it. What names another version than this one and the one on its way is
    /// over, and goes.
    #[must_use]
    pub fn annotation(&self, rollout: &Rollout, who: &UserInfo, withdraw: bool, at: Timestamp) -> String {
        let name = Self::name(who);
        let known = Approved::all(rollout.metadata.annotations.as_ref());
        let canary = rollout.status.as_ref().and_then(|status| status.canary.as_ref()).map(|canary| &canary.revision);
        let is_alive = |entry: &Approved| entry.revision == self.revision || Some(&entry.revision) == canary;
        let is_theirs = |entry: &Approved| self.is_entry(entry) && entry.by == name;
        let kept = known.filter(|entry| is_alive(entry) && !is_theirs(entry)).map(|entry| entry.text);
        let groups = self.groups(who);
        let of = if groups.is_empty() { String::new() } else { format!(" of {}", groups.join(",")) };
        let own = format!("{} by {name}{of} at {at:.3}", self.target());
        kept.chain((!withdraw).then_some(own)).collect::<Vec<_>>().join("; ")
    }

    fn is_entry(&self, entry: &Approved) -> bool {
        (entry.revision.as_str(), entry.gate.as_str()) == (self.revision, self.gate)
    }

    /// Of their groups, one that the gate asks for: it takes no more.
    fn groups(&self, who: &UserInfo) -> Vec<String> {
        let mut groups = who.groups.iter().flatten();
        groups.find(|group| self.approval.groups.contains(group)).cloned().into_iter().collect()
    }
}
