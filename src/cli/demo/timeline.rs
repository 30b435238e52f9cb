//! What happens to the Rollouts, in words: one line for each step and for each check that changes its mind.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidegate_api::{CheckStatus, Phase, Rollout, RolloutStatus, Transition, Verdict, condition::reason};

/// How many characters the whole traffic is wide.
const BAR: usize = 20;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It goes on as it should.
    Plain,
    /// Somebody may be glad.
    Good,
    /// Somebody may be worried.
    Bad,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it is meant.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

/// What has been told of each Rollout.
#[derive(Debug)]
pub struct Timeline {
    beginning: Timestamp,
    told: BTreeMap<String, Told>,
}

#[derive(Debug, Default)]
struct Told {
    newest: Option<Transition>,
    verdicts: BTreeMap<String, Verdict>,
}

impl Timeline {
    /// A timeline that counts from `beginning`.
    pub fn new(beginning: Timestamp) -> Self {
        Self { beginning, told: BTreeMap::new() }
    }

    /// A line of the demo's own.
    pub fn say(&self, now: Timestamp, name: &str, text: &str) -> Line {
        Line { tone: Tone::Plain, text: format!("{}  {name:9} {:width$}  {text}", self.time(now), "", width = BAR + 6) }
    }

    /// What is new about `rollout`, oldest first: what the checks say, and then what followed from it.
    pub fn observe(&mut self, now: Timestamp, rollout: &Rollout) -> Vec<Line> {
        let name = rollout.metadata.name.clone().unwrap_or_default();
        let Some(status) = &rollout.status else { return Vec::new() };
        let before = self.told.remove(&name).unwrap_or_default();
        let head = |at| format!("{}  {name:9} {}", self.time(at), weight(status));
        let mut lines = Vec::new();
        for check in &status.checks {
            let known = before.verdicts.get(&check.name);
            // A check that waits for requests says so in its stage's own words; only an answer is news.
            if known != Some(&check.verdict) && matches!(check.verdict, Verdict::Pass | Verdict::Fail) {
                lines.push(Line { tone: verdict_tone(check), text: format!("{}  {}", head(now), verdict(check)) });
            }
        }
        let new = status.history.iter().take_while(|step| Some(*step) != before.newest.as_ref());
        for step in new.collect::<Vec<_>>().into_iter().rev() {
            lines.push(Line { tone: tone(&step.reason), text: format!("{}  {}", head(step.at), step.message) });
        }
        let verdicts = status.checks.iter().map(|check| (check.name.clone(), check.verdict)).collect();
        self.told.insert(name, Told { newest: status.history.first().cloned(), verdicts });
        lines
    }

    /// Where `rollout` stands, in less than 80 characters.
    pub fn summary(rollout: &Rollout) -> String {
        let name = rollout.metadata.name.as_deref().unwrap_or_default();
        let Some(status) = &rollout.status else { return format!("{name:9}") };
        let stage = match &status.stage {
            Some(stage) => format!("{} {}/{}", stage.name, stage.index, stage.of),
            None => format!("{:?}", status.phase),
        };
        let checks = status.checks.iter().map(|check| match check.verdict {
            Verdict::Pass => format!("{} ok", check.name),
            Verdict::Fail => format!("{} FAILED", check.name),
            Verdict::NeedMoreData => format!("{} ...", check.name),
            Verdict::NoData => format!("{} no data", check.name),
        });
        let text = format!("{name:9} {}  {stage:12}  {}", weight(status), checks.collect::<Vec<_>>().join("  "));
        text.chars().take(78).collect()
    }

    /// Minutes and seconds of simulated time since the beginning.
    pub fn time(&self, now: Timestamp) -> String {
        let seconds = now.duration_since(self.beginning).max(SignedDuration::ZERO).as_secs();
        format!("{:3}:{:02}", seconds / 60, seconds % 60)
    }
}

/// The new version's share of the traffic as a bar and a number; blank when no version is on its way.
fn weight(status: &RolloutStatus) -> String {
    let percent = match &status.stage {
        Some(stage) => stage.weight_in_force.percent(),
        None if status.phase == Phase::Promoting => 100.0,
        None => return format!("{:width$}", "", width = BAR + 6),
    };
    // A percentage is between 0 and 100.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let filled = (percent / 100.0 * BAR as f64).round() as usize;
    format!("{}{} {:>5}", "█".repeat(filled), "░".repeat(BAR.saturating_sub(filled)), format!("{percent:.0}%"))
}

fn tone(reason: &str) -> Tone {
    match reason {
        reason::PROMOTED | reason::CAME_BACK | reason::STAGE_PASSED => Tone::Good,
        reason::CHECK_FAILED | reason::REVERTED | reason::INCONCLUSIVE | reason::PROGRESS_DEADLINE_EXCEEDED => {
            Tone::Bad
        }
        _ => Tone::Plain,
    }
}

fn verdict_tone(check: &CheckStatus) -> Tone {
    if check.verdict == Verdict::Fail { Tone::Bad } else { Tone::Good }
}

fn verdict(check: &CheckStatus) -> String {
    let word = if check.verdict == Verdict::Fail { "fails" } else { "passes" };
    format!("check {} {word}: {}", check.name, check.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(status: serde_json::Value) -> Rollout {
        let spec = json!({"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"});
        let mut object = json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "checkout"}, "spec": spec});
        object["status"] = status;
        serde_json::from_value(object).unwrap()
    }

    fn step(second: u32, reason: &str) -> serde_json::Value {
        json!({"at": format!("2026-03-02T09:00:{second:02}Z"), "reason": reason, "message": format!("so much for {reason}"), "revision": "r"})
    }

    fn timeline() -> Timeline {
        Timeline::new("2026-03-02T09:00:00Z".parse().unwrap())
    }

    fn told(timeline: &mut Timeline, status: serde_json::Value) -> Vec<String> {
        let lines = timeline.observe("2026-03-02T09:01:00Z".parse().unwrap(), &rollout(status));
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn every_step_is_told_once_and_in_order() {
        let mut timeline = timeline();
        let [first, second, third] = [step(1, "Adopted"), step(2, "RolloutStarted"), step(3, "StageEntered")];
        let lines = told(&mut timeline, json!({"history": [second.clone(), first.clone()]}));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  0:01  checkout ") && lines[0].ends_with("so much for Adopted"), "{lines:?}");
        let lines = told(&mut timeline, json!({"history": [third, second, first]}));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("so much for StageEntered"), "{lines:?}");
    }

    #[test]
    fn a_check_is_told_when_it_changes_its_mind() {
        let mut timeline = timeline();
        let check = |verdict: &str| json!({"checks": [{"name": "errors", "verdict": verdict, "reason": "", "message": "0% of 127 requests failed"}]});
        assert_eq!(told(&mut timeline, check("NeedMoreData")), [""; 0]);
        let lines = told(&mut timeline, check("Pass"));
        assert!(lines[0].ends_with("check errors passes: 0% of 127 requests failed"), "{lines:?}");
        assert_eq!(told(&mut timeline, check("Pass")), [""; 0]);
        assert!(told(&mut timeline, check("Fail"))[0].contains("check errors fails"));
    }

    #[test]
    fn the_weight_is_a_bar() {
        let stage = json!({"name": "quarter", "index": 2, "of": 3, "weight": "25%", "weightInForce": "25%", "enteredAt": "2026-03-02T09:00:00Z"});
        let rollout = rollout(json!({"phase": "Progressing", "stage": stage}));
        assert_eq!(Timeline::summary(&rollout), "checkout  █████░░░░░░░░░░░░░░░   25%  quarter 2/3   ");
    }
}
