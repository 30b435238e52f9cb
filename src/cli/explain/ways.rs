//! What a person can do where a Rollout stands: only commands that would be done.

use tidegate_api::{Phase, Rollout, RolloutStatus, condition::reason};

use super::cause;

/// A command, and what it does.
pub struct Way {
    verb: String,
    /// What it does, in one sentence.
    pub does: String,
}

impl Way {
    fn new(verb: impl Into<String>, does: impl Into<String>) -> Self {
        Self { verb: verb.into(), does: does.into() }
    }

    /// As it is typed. A line without a verb is for what no command does.
    pub fn command(&self, rollout: &Rollout, tool: &str) -> String {
        let (verb, flags) = self.verb.split_once(' ').unwrap_or((&self.verb, ""));
        let name = rollout.metadata.name.as_deref().unwrap_or_default();
        let namespace = rollout.metadata.namespace.as_deref().map(|namespace| format!("-n {namespace}"));
        let words = [tool, verb, name, flags].into_iter().map(str::to_owned).chain(namespace);
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// All of them, what goes on before what goes back.
pub fn open(rollout: &Rollout) -> Vec<Way> {
    let status = rollout.status.clone().unwrap_or_default();
    let mut ways = approvals(rollout, &status);
    match status.phase {
        Phase::Progressing | Phase::Held => ways.extend(under_way(rollout, &status)),
        Phase::Reverted => ways.extend(failed(rollout, &status)),
        Phase::Stable => ways.extend(at_rest(rollout, &status)),
        _ => {}
    }
    ways
}

/// A gate that waits for people.
fn approvals(rollout: &Rollout, status: &RolloutStatus) -> Vec<Way> {
    let waiting = status.gates.iter().filter(|known| known.state.is_open());
    let people =
        waiting.filter(|known| rollout.spec.all_gates().any(|gate| gate.name == known.name && gate.approval.is_some()));
    people
        .map(|known| {
            let does = format!("says yes to gate {} about version {}", known.name, known.revision);
            Way::new(format!("approve --gate {}", known.name), does)
        })
        .collect()
}

fn under_way(rollout: &Rollout, status: &RolloutStatus) -> Vec<Way> {
    let stage = status.stage.as_ref().map_or("", |stage| stage.name.as_str());
    let is_inconclusive = status.conditions.iter().any(|one| one.reason == reason::INCONCLUSIVE);
    let may_be_left = !rollout.spec.paused && (status.phase == Phase::Progressing || is_inconclusive);
    let mut ways = Vec::new();
    if rollout.spec.paused {
        ways.push(Way::new("resume", "lets it go on"));
    }
    if may_be_left && !status.rolls_back {
        let does = format!("leaves stage {stage} without its bake, its evidence and the schedule; gates are asked");
        ways.push(Way::new("promote", does));
        if status.stepped_back.is_empty() {
            ways.push(Way::new("promote --full", "leaves all stages that are to come so, too"));
        }
    }
    if !rollout.spec.paused && status.phase == Phase::Progressing {
        ways.push(Way::new("pause", "keeps it in this stage; a failure still goes back"));
    }
    ways.push(Way::new("abort", "takes all traffic back to the stable version, and does not try this one again"));
    ways
}

fn failed(rollout: &Rollout, status: &RolloutStatus) -> Vec<Way> {
    let version = status.taken_back.as_ref().map(|known| known.revision.as_str());
    let version = version.or(cause::failure(status).map(|failed| failed.revision.as_str())).unwrap_or_default();
    let fix = format!(
        "for a fix, change the pod template of Deployment {}: whatever differs from {version} is a new version",
        rollout.spec.workload.name
    );
    vec![
        Way::new("retry", format!("tries version {version} again, from the first stage; {fix}")),
        Way::new("undo", "has the Deployment ask for the stable version again; where Git holds it, revert the commit"),
    ]
}

fn at_rest(rollout: &Rollout, status: &RolloutStatus) -> Vec<Way> {
    let mut ways = Vec::new();
    if let Some(former) = status.former.first() {
        let images = former.images.join(", ");
        let how = if rollout.spec.rollback_window.is_some() { "at once, unjudged" } else { "through all stages" };
        ways.push(Way::new("undo", format!("has version {} ({images}) come back {how}", former.revision)));
    }
    ways.push(match status.restart {
        Some(_) => Way::new("abort", "stops the restart; the pods that are left stay"),
        None => Way::new("restart", "replaces the pods one after another by others of the same version"),
    });
    ways.push(if rollout.spec.paused {
        Way::new("resume", "lets a new version start")
    } else {
        Way::new("pause", "keeps a new version from starting")
    });
    ways
}
