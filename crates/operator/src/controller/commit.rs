//! Commits what was decided: the status is the write-ahead log.

use std::time::Duration;

use kube::{Api, ResourceExt, api::PostParams, runtime::reflector::ObjectRef};
use tidegate_api::{Phase, Rollout, RolloutStatus, Transition, Verdict, metadata::field_manager::STATUS_MANAGER};
use tidegate_planner::plan::Next;

use super::{Context, error::Error};

/// How soon it is shown that a check does not pass any more, or not yet. That it passes can wait: nobody has to act.
const REFRESH_VERDICTS: Duration = Duration::from_secs(5);
/// How soon it is shown that a check passes now.
const REFRESH_PASSES: Duration = Duration::from_secs(15);
/// How often numbers that decide nothing are refreshed while a rollout is under way.
const REFRESH_UNDER_WAY: Duration = Duration::from_mins(1);
/// The same at rest, where they hardly change.
const REFRESH_AT_REST: Duration = Duration::from_secs(10);

/// What became of a decision.
pub enum Committed {
    /// The status says so already.
    Unchanged,
    /// Only numbers for people changed; they are written after this pause.
    Later(Duration),
    /// Written: the Rollout as it now stands, and what to tell people.
    Written(Box<Rollout>, Vec<Transition>),
}

/// Commits `next` under the resourceVersion that it was decided at.
pub async fn commit(context: &Context, rollout: &Rollout, next: Next) -> Result<Committed, Error> {
    let before = rollout.status.clone().unwrap_or_default();
    if before == next.status && rollout.status.is_some() {
        return Ok(Committed::Unchanged);
    }
    if !is_urgent(&before, &next.status) {
        let period = match next.status.phase {
            _ if news(&before, &next.status) || answered(&before) != answered(&next.status) => REFRESH_VERDICTS,
            _ if verdicts(&before) != verdicts(&next.status) => REFRESH_PASSES,
            Phase::Progressing => REFRESH_UNDER_WAY,
            // What a gate in front of the start waits for.
            _ if next.status.gates.iter().any(|gate| gate.state.is_open()) => REFRESH_UNDER_WAY,
            // A version that is watched, for days maybe.
            _ if next.status.watch.is_some() => REFRESH_UNDER_WAY,
            _ => REFRESH_AT_REST,
        };
        if let Some(elapsed) = context.memory.since_commit(rollout).filter(|elapsed| *elapsed < period) {
            return Ok(Committed::Later(period.saturating_sub(elapsed)));
        }
    }
    if let Some(pause) = context.memory.pause_before_commit(rollout) {
        return Ok(Committed::Later(pause));
    }
    let (namespace, name) = (rollout.namespace().unwrap_or_default(), rollout.name_any());
    let doing = format!("commit the status of Rollout {namespace}/{name}");
    if !context.leadership.is_leader() {
        return Err(Error::NotLeading { rollout: ObjectRef::from_obj(rollout), doing });
    }
    let api: Api<Rollout> = Api::namespaced(context.client.clone(), &namespace);
    let wanted = Rollout { status: Some(next.status), ..rollout.clone() };
    let params = PostParams { field_manager: Some(STATUS_MANAGER.to_owned()), ..PostParams::default() };
    let written = api.replace_status(&name, &params, &wanted).await.map_err(Error::api(doing))?;
    context.memory.committed(&written);
    for transition in &next.transitions {
        tracing::info!(rollout = %format!("{namespace}/{name}"), reason = %transition.reason, "{}", transition.message);
    }
    Ok(Committed::Written(Box::new(written), next.transitions))
}

/// Whether anything changed that decides, or that tools wait for: all but counts, sentences and measurements.
fn is_urgent(before: &RolloutStatus, after: &RolloutStatus) -> bool {
    decisive(before) != decisive(after)
}

/// Whether a check says something that it did not say before, other than that all is well.
fn news(before: &RolloutStatus, after: &RolloutStatus) -> bool {
    let known = verdicts(before);
    verdicts(after).iter().any(|said| (said.1 != Verdict::Pass || said.2) && !known.contains(said))
}

/// What gates that wait say, whatever numbers are in it: those change with every look.
fn answered(status: &RolloutStatus) -> Vec<String> {
    let open = status.gates.iter().filter(|gate| gate.state.is_open());
    open.map(|gate| gate.message.chars().filter(|letter| !letter.is_ascii_digit()).collect()).collect()
}

/// What each check says; where it says nothing, also why.
fn verdicts(status: &RolloutStatus) -> Vec<(&str, Verdict, bool, &str)> {
    let checks = status.checks.iter().map(|check| {
        let why = if check.verdict == Verdict::NoData { check.reason.as_str() } else { "" };
        (check.name.as_str(), check.verdict, check.warning, why)
    });
    checks.collect()
}

fn decisive(status: &RolloutStatus) -> RolloutStatus {
    let mut status = status.clone();
    status.message.clear();
    status.checks.clear();
    status.replicas = 0;
    for revision in [&mut status.stable, &mut status.canary].into_iter().flatten() {
        (revision.replicas, revision.ready) = (0, 0);
    }
    if let Some(stage) = &mut status.stage {
        (stage.weight_measured, stage.weight_range) = (None, None);
    }
    if let Some(stage) = &mut status.stage
        && stage.since.is_some()
        && stage.disturbance.is_none()
        && stage.weight_in_force.percent() > 0.0
    {
        // By pods, the share moves with every pod that comes and goes.
        stage.weight_in_force = stage.weight;
    }
    for gate in status.gates.iter_mut().filter(|gate| gate.state.is_open()) {
        gate.message.clear();
    }
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    status
}
