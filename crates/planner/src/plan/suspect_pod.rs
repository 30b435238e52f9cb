//! A pod of the new version that answers the bad requests of a check, alone: it may be replaced, once, before the version
//! fails.

use tidegate_api::{CheckStatus, ReplacedPod, Span, Stage, SuspectPod, condition::reason};
use tidegate_judge::Origin;

use crate::plan::{Planner, outcome::Outcome, split};

/// After so long a pod that was to be deleted and still takes requests is taken for one that cannot be.
const GONE_WITHIN: Span = Span::seconds(60);

/// Where the bad requests of a check come from that fails the version.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// The check.
    pub check: String,
    /// One place, if it is one.
    pub origin: Option<Origin>,
    /// The UID of the pod that it is, if it is one that is there.
    pub uid: Option<String>,
    /// Whether the version's other pods keep to the limit.
    pub spares_others: bool,
    /// Whether the series of the check say which pod of the version they are of.
    pub names_pods: bool,
}

/// Why no pod is replaced: what is added to the sentence that says which check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kept {
    /// Nobody asked for it, or the failing checks do not point at one pod.
    #[error("")]
    NotMeant,
    #[error("; pod {0} was replaced before, and a second one is not")]
    Before(String),
    #[error("; the pod is not replaced, since no other pod of the version is ready")]
    Alone,
    #[error(
        "; suspectPod replaces no pod, since no series of the check has a label pod with the name of one of the version's \
         pods: have Prometheus add it"
    )]
    Nameless,
    #[error("; the pod is not replaced, since the others do not keep to the limit either")]
    OneOfMany,
    #[error("; the pod is not replaced, since it is not among the ready ones any more")]
    Gone,
}

impl Planner<'_> {
    /// What is decided where `failing` speaks against the version.
    pub(super) fn answer_failure(&self, stage: &Stage, failing: &CheckStatus) -> Outcome {
        let message = format!("{}: {}", failing.name, failing.message);
        match self.suspect(stage) {
            Ok(pod) => {
                let version = self.status.canary.clone().unwrap_or_default();
                let name = &pod.name;
                let message = format!(
                    "pod {name} of version {version} is deleted, as suspectPod says, and its requests do not count any \
                     more: {message}"
                );
                Outcome::Replace(pod, message)
            }
            Err(why) => Outcome::Fail(reason::CHECK_FAILED, format!("{message}{why}")),
        }
    }

    /// The one pod that all of the failing checks point at, if it may be replaced; or why not, where there is something to
    /// say about it.
    fn suspect(&self, stage: &Stage) -> Result<ReplacedPod, Kept> {
        let asked = self.rollout.spec.analysis.as_ref().and_then(|analysis| analysis.suspect_pod);
        if asked != Some(SuspectPod::Replace) {
            return Err(Kept::NotMeant);
        }
        let mut suspects = self.failing(stage).map(|check| self.suspect_of(check));
        let first = suspects.next().unwrap_or(Err(Kept::NotMeant))?;
        for other in suspects {
            if other? != first {
                return Err(Kept::NotMeant);
            }
        }
        if let Some(before) = &self.status.replaced_pod {
            return Err(Kept::Before(before.name.clone()));
        }
        if split::ready(self.rollout, &self.status, self.observed).canary < 2 {
            return Err(Kept::Alone);
        }
        let (name, uid) = first;
        Ok(ReplacedPod { name, uid, at: self.now })
    }

    fn suspect_of(&self, check: &CheckStatus) -> Result<(String, String), Kept> {
        // What no pod counts, such as a query, is of all of them.
        let traced = self.traced.iter().find(|traced| traced.check == check.name).ok_or(Kept::NotMeant)?;
        if !traced.names_pods {
            return Err(Kept::Nameless);
        }
        let pod = traced.origin.as_ref().and_then(|origin| origin.pod.clone()).ok_or(Kept::NotMeant)?;
        if !traced.spares_others {
            return Err(Kept::OneOfMany);
        }
        Ok((pod, traced.uid.clone().ok_or(Kept::Gone)?))
    }

    /// Has the pod deleted.
    pub(super) fn replace_pod(&mut self, pod: ReplacedPod, message: String) {
        self.status.replace_pod(pod);
        self.record(reason::SUSPECT_POD_REPLACED, message);
    }

    /// What is decided while the pod that was to be deleted still takes requests: nobody judges them.
    pub(super) fn await_replacement(&mut self) -> Option<Outcome> {
        let ReplacedPod { name, at, .. } = self.status.replaced_pod.clone()?;
        if !self.observed.ready_pods.values().flatten().any(|pod| *pod == name) {
            return None;
        }
        self.wake_after(at, GONE_WITHIN);
        if !self.has_elapsed(at, GONE_WITHIN) {
            return Some(Outcome::Wait(format!("pod {name} goes, as suspectPod says: until then no stage is left")));
        }
        let refused = self.observed.refused.as_ref().map_or(String::new(), |refused| format!(" ({refused})"));
        let message = format!("pod {name} was to be replaced, and still takes requests after {GONE_WITHIN}{refused}");
        Some(Outcome::Fail(reason::CHECK_FAILED, message))
    }
}
