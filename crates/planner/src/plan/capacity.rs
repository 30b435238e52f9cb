//! How many pods each revision should have, and what they carry.
//!
//! A revision with *r* ready pods, where *n* are wanted, carries the part *r/n* of the traffic. Pods come before the
//! weight that needs them, and go after the weight that frees them is in force and its requests have drained.

use tidegate_api::{Percent, Phase, RevisionStatus, Rollout, RolloutStatus, RouteMode, Stage};

use crate::{
    plan::{Guard, Observed, current_stage, guard, split},
    traffic::{
        Router,
        replica_count::{self, Counts, ReplicaCount},
    },
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

/// How many pods each revision should have in `stage`: with a route stable's are those of a [`Capacity::Full`] one.
///
/// A stage that asks for fewer new pods than its weight needs gets those: its user knows better what a pod can do.
/// Without a route that is another share, and never fewer than `spec.replicas` in all.
///
/// [`Capacity::Full`]: tidegate_api::Capacity::Full
#[must_use]
pub fn in_stage(rollout: &Rollout, stage: &Stage) -> Counts {
    let total = wanted(rollout);
    let asked = stage.replicas.map(|replicas| replicas.of(total));
    if rollout.spec.is_routed() {
        // A copy is as much work as a request.
        let load = Percent::new(stage.weight.percent() + stage.mirror.unwrap_or_default().percent());
        return Counts { stable: total, canary: asked.unwrap_or_else(|| load.of(total)) };
    }
    let router = by_count(rollout);
    let counts = router.counts(stage.weight);
    let Some(canary) = asked else { return counts };
    let most = router.surge.map_or(i32::MAX, |surge| total.saturating_add(surge).saturating_sub(canary));
    Counts { stable: counts.stable.min(most).max(total - canary), canary }
}

/// The split without a route.
pub(super) fn by_count(rollout: &Rollout) -> ReplicaCount {
    let total = wanted(rollout);
    ReplicaCount { total, surge: rollout.spec.max_surge.map(|surge| surge.of(total)) }
}

/// Whether so many ready pods carry `share` of the traffic.
pub(super) fn carry(rollout: &Rollout, ready: i32, share: Percent) -> bool {
    share <= Percent::ZERO || ready >= share.of(wanted(rollout))
}

/// The part of the traffic that the new version has to keep on the way back, since stable's ready pods do not carry
/// it: in whole percents, which every route can say.
///
/// Where all ready pods together do not carry everything, each gets an equal part: with none ready, the new version
/// has nothing to keep.
pub(super) fn kept_while_reverting(rollout: &Rollout, ready: split::Ready) -> Percent {
    if !rollout.may_lack_stable_pods() || !guard::stands(Guard::CarriedWeight) {
        // All of stable's pods are there, or on their way: one that is missing is no reason to stay with a bad version.
        return Percent::ZERO;
    }
    let total = f64::from(wanted(rollout).max(1));
    let missing = Percent::new(100.0 - f64::from(ready.stable) * 100.0 / total);
    let equal = replica_count::share(ready.stable, ready.canary);
    Percent::new((missing.lower(equal).percent() - 1e-6).ceil())
}

/// How many pods each revision should have now; `None` for the canary leaves it as it is.
///
/// `drained`: the routes say what they should, the data plane has confirmed it, and whatever was under way to pods that
/// lost traffic by it has had its time.
pub(super) fn now(rollout: &Rollout, observed: &Observed, drained: bool) -> (i32, Option<i32>) {
    let total = wanted(rollout);
    let status = rollout.status.clone().unwrap_or_default();
    let routed = rollout.spec.is_routed();
    if matches!(status.phase, Phase::Progressing | Phase::Held) {
        let Some(stage) = current_stage(rollout) else { return (total, None) };
        let (stable, canary) = if routed {
            let counts = in_stage(rollout, &stage);
            let present = asked_of(observed, status.canary.as_ref());
            // What the spec says anew of the stage is not in force until it is committed.
            let drained = drained && status.stage.as_ref().is_some_and(|known| known.weight == stage.weight);
            let canary = if drained { counts.canary } else { counts.canary.max(present) };
            (beside_a_route(rollout, observed, &status, drained), canary)
        } else {
            by_pods(rollout, observed, &status, &stage)
        };
        return (stable, Some(canary));
    }
    if routed {
        let kept = status.stage.filter(|_| status.route == RouteMode::Split).map(|stage| stage.weight);
        let kept = kept.filter(|weight| *weight > Percent::ZERO).map_or(0, |weight| weight.of(total));
        return (total + surge(rollout), drained.then_some(kept));
    }
    // Without a route the canary's pods can only go as fast as stable's come back.
    let ready = observed.ready_behind(&rollout.spec.service, stable_set(&status));
    (total + surge(rollout), Some((total - ready).max(0)))
}

/// How many pods stable has beyond those that are wanted, while they are replaced.
fn surge(rollout: &Rollout) -> i32 {
    let restart = rollout.status.as_ref().and_then(RolloutStatus::restart_under_way);
    restart.map_or(0, |restart| restart.surge)
}

fn stable_set(status: &RolloutStatus) -> &str {
    status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str())
}

/// Stable's pods while weights split the traffic: all of them, or those that its share needs, or those that are kept warm
/// where it has none.
///
/// Its share is the highest of what its stage leaves it, what is in force and what the routes say: a weight that falls
/// finds stable's pods ready, and one that somebody else wrote does not overload them for long. One pod stays even
/// where the new version has everything, so that the way back begins with something that runs. Where none is ready at
/// all, all of them come: one of few is soon lost, and what is lost is no way back any more.
fn beside_a_route(rollout: &Rollout, observed: &Observed, status: &RolloutStatus, drained: bool) -> i32 {
    let total = wanted(rollout);
    let Some(stage) = status.stage.as_ref().filter(|_| rollout.may_lack_stable_pods()) else { return total };
    let written = split::written(rollout, observed).unwrap_or(Percent::ZERO);
    let least = [stage.weight, stage.weight_in_force, written].into_iter().fold(Percent::FULL, Percent::lower);
    if split::ready(rollout, status, observed).stable == 0 {
        return total;
    }
    let kept_warm = stage.stable_replicas.filter(|_| least == Percent::FULL);
    let needed = match kept_warm {
        Some(replicas) => replicas.of(total).min(total),
        None if rollout.spec.is_progressive() => least.rest().of(total),
        None => total,
    };
    if drained { needed } else { needed.max(asked_of(observed, status.stable.as_ref()).min(total)) }
}

/// Both revisions' pods while their number splits the traffic.
fn by_pods(rollout: &Rollout, observed: &Observed, status: &RolloutStatus, stage: &Stage) -> (i32, i32) {
    let (total, counts) = (wanted(rollout), in_stage(rollout, stage));
    let canary = status.canary.as_ref().map_or("", |canary| canary.replica_set.as_str());
    let ready = observed.ready_behind(&rollout.spec.service, canary);
    if !guard::stands(Guard::StableCapacity) {
        return (counts.stable, counts.canary);
    }
    // Where the weight falls, new pods go only as fast as stable's come back.
    let missing = total - observed.ready_behind(&rollout.spec.service, stable_set(status));
    let canary_asked = asked_of(observed, status.canary.as_ref());
    let counts = Counts { canary: counts.canary.max(missing.min(canary_asked)), ..counts };
    if let Some(surge) = rollout.spec.max_surge {
        // Step by step: stable leaves as many as stand in for it, and the canary takes the room that stable leaves.
        let stable = counts.stable.max(total - ready.min(counts.canary));
        // Stable's pods may be about to become more, since more are asked for in all.
        let taken = present(observed, status.stable.as_ref()).max(stable);
        let room = total.saturating_add(surge.of(total)).saturating_sub(taken);
        let room = if guard::stands(Guard::MaxSurge) { room } else { i32::MAX };
        let canary = counts.canary.min(room.max(canary_asked));
        return (stable, canary);
    }
    if ready >= counts.canary {
        return (counts.stable, counts.canary);
    }
    // The canary first: until its pods are ready, stable keeps what the stage before left it, and what it has beyond that
    // where the version comes from another one, as after a drill.
    let kept = (total - ready).min(asked_of(observed, status.stable.as_ref()));
    (before(rollout, stage).stable.max(kept), counts.canary)
}

fn before(rollout: &Rollout, stage: &Stage) -> Counts {
    let stages = rollout.spec.stages();
    let place = stages.iter().position(|candidate| candidate.name == stage.name).unwrap_or(0);
    match place.checked_sub(1).and_then(|place| stages.get(place)) {
        Some(previous) => in_stage(rollout, previous),
        None => Counts { stable: wanted(rollout), canary: 0 },
    }
}

/// How many pods a revision's ReplicaSet asks for.
pub(super) fn asked_of(observed: &Observed, revision: Option<&RevisionStatus>) -> i32 {
    let set = revision.and_then(|revision| observed.replica_set(&revision.replica_set));
    set.map_or(0, |set| set.replicas())
}

/// How many pods a revision has, or is about to have.
fn present(observed: &Observed, revision: Option<&RevisionStatus>) -> i32 {
    let set = revision.and_then(|revision| observed.replica_set(&revision.replica_set));
    set.map_or(0, |set| set.replicas().max(set.status.replicas))
}

/// Without a route: the part of the traffic that the new version gets, which is that of all ready pods behind the one
/// Service. A pod that has not been ready for long enough gets its part, and so does one that is nobody's.
pub(super) fn share_of_pods(rollout: &Rollout, status: &RolloutStatus, observed: &Observed) -> Percent {
    let service = &rollout.spec.service;
    let all = observed.ready_pods.get(service).map_or(0, Vec::len);
    let canary = status.canary.as_ref().map_or(0, |canary| observed.ready_behind(service, &canary.replica_set));
    let counts = Counts { stable: i32::try_from(all).unwrap_or(i32::MAX).saturating_sub(canary), canary };
    by_count(rollout).canary_share(&counts).unwrap_or_default()
}
