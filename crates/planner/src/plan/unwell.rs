//! A stage that waits since the stable version itself is unwell: told once when that begins, and once when it is over.

use tidegate_api::{CheckStatus, Span, Stage, Verdict, condition::reason};

use crate::plan::Planner;

/// For so long a stage waits at least. The newest samples may look worse than what then settles, and nobody should be told
/// each time.
const AT_LEAST: Span = Span::seconds(60);

impl Planner<'_> {
    /// Takes in whether the checks wait for stable. While they have no numbers nobody knows, and a version that fails waits
    /// for nobody.
    pub(super) fn note_stable(&mut self, stage: &Stage) {
        let waiting = self.deciding(stage).find(|check| check.reason == reason::STABLE_UNWELL).map(sentence);
        let waited = self.status.stage.as_ref().and_then(|stage| stage.stable_unwell_since);
        let is_known = |check: &CheckStatus| matches!(check.verdict, Verdict::Pass | Verdict::NeedMoreData);
        match (waiting, waited) {
            (Some(why), None) => {
                self.note_since(Some(self.now));
                self.record(reason::STABLE_UNWELL, format!("stage {} waits: {why}", stage.name));
            }
            (None, Some(since)) if !self.checks.is_empty() && self.deciding(stage).all(is_known) => {
                self.wake_after(since, AT_LEAST);
                if !self.has_elapsed(since, AT_LEAST) {
                    return;
                }
                self.note_since(None);
                let now: Vec<_> = self.deciding(stage).map(sentence).collect();
                let message = format!("stage {} waits for stable no longer ({})", stage.name, now.join("; "));
                self.record(reason::STABLE_UNWELL_OVER, message);
            }
            _ => {}
        }
    }

    /// Whether the stage waits for a stable version that is unwell, or was a moment ago.
    pub(super) fn is_stable_unwell(&self) -> bool {
        self.status.stage.as_ref().is_some_and(|stage| stage.stable_unwell_since.is_some())
    }

    fn deciding<'b>(&'b self, stage: &'b Stage) -> impl Iterator<Item = &'b CheckStatus> {
        self.checks.iter().filter(|check| self.decides(stage, &check.name))
    }

    fn note_since(&mut self, since: Option<jiff::Timestamp>) {
        self.status.note_unwell(since);
    }
}

fn sentence(check: &CheckStatus) -> String {
    format!("{}: {}", check.name, check.message)
}
