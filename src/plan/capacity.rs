//! How many pods each revision should have.

use crate::{
    api::{Percent, Phase, Replicas, Rollout, Stage},
    plan::{Guard, Observed, current_stage, guard},
    traffic::replica_count::{self, Counts},
};

/// How many pods the version that serves should have.
///
/// While a new version is on its way an autoscaler may raise the number but not lower it: what looks like idle
/// capacity then is the way back.
#[must_use]
pub fn wanted(rollout: &Rollout) -> i32 {
    let status = rollout.status.as_ref();
    let adopted = status.and_then(|status| status.adoption.as_ref()).map(|adoption| adoption.replicas);
    let asked = rollout.spec.replicas.or(adopted).unwrap_or(1);
    asked.max(status.and_then(|status| status.replicas_floor).unwrap_or(0))
}

/// A number of pods as a sentence has it: `1 pod`, `10 pods`.
pub(super) fn pods(count: i32) -> String {
    format!("{count} pod{}", if count == 1 { "" } else { "s" })
}

/// How many pods each revision should have in `stage`: stable stays full as long as its share needs it.
#[must_use]
pub fn in_stage(rollout: &Rollout, stage: &Stage) -> Counts {
    let total = wanted(rollout);
    let asked = stage.replicas.map(|replicas| match replicas {
        Replicas::Count(count) => count,
        Replicas::Share(share) => portion(total, share),
    });
    if !rollout.spec.is_routed() {
        let counts = replica_count::counts(total, stage.weight);
        return Counts { canary: asked.unwrap_or(counts.canary), ..counts };
    }
    Counts { stable: total, canary: asked.unwrap_or_else(|| portion(total, stage.weight)) }
}

/// The part of `total` that `share` stands for, rounded up; at least one pod, where there are any.
fn portion(total: i32, share: Percent) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a part of an i32 is an i32")]
    let part = (f64::from(total) * share.fraction()).ceil() as i32;
    part.max(1).min(total)
}

/// How many pods each revision should have now; `None` for the canary leaves it as it is.
pub(super) fn now(rollout: &Rollout, observed: &Observed, cleared: bool) -> (i32, Option<i32>) {
    let total = wanted(rollout);
    let status = rollout.status.clone().unwrap_or_default();
    let routed = rollout.spec.is_routed();
    match status.phase {
        Phase::Progressing | Phase::Held => {
            let Some(stage) = current_stage(rollout) else { return (total, None) };
            let counts = in_stage(rollout, &stage);
            if routed {
                return (total, Some(counts.canary));
            }
            let canary = status.canary.as_ref().map_or("", |canary| canary.replica_set.as_str());
            let ready = observed.ready_behind(&rollout.spec.service, canary);
            if ready >= counts.canary || !guard::stands(Guard::StableCapacity) {
                (counts.stable, Some(counts.canary))
            } else {
                // The canary first: until its pods are ready, stable keeps what the stage before left it.
                (before(rollout, &stage).stable, Some(counts.canary))
            }
        }
        _ if routed => (total, cleared.then_some(0)),
        _ => {
            // Without a route the canary's pods can only go as fast as stable's come back.
            let stable = status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
            let ready = observed.ready_behind(&rollout.spec.service, stable);
            (total, Some((total - ready).max(0)))
        }
    }
}

fn before(rollout: &Rollout, stage: &Stage) -> Counts {
    let stages = rollout.spec.stages();
    let place = stages.iter().position(|candidate| candidate.name == stage.name).unwrap_or(0);
    match place.checked_sub(1).and_then(|place| stages.get(place)) {
        Some(previous) => in_stage(rollout, previous),
        None => Counts { stable: wanted(rollout), canary: 0 },
    }
}
