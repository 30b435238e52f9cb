//! What must be true after every write, whatever happened before.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::{
    Acceptance, CheckStatus, DrillState, OnFailure, OnInconclusive, Percent, Phase, RevisionStatus, Rollout,
    RolloutStatus, RouteMode, Span, Stage, StageStatus, Transition, Verdict, condition::reason,
};

use super::cluster::{Cluster, backends, share};
use crate::{
    plan::{Effect, Observed, after, capacity, current_stage},
    traffic::RouteId,
    workload::{ReplicaSet, naming},
};

/// The longest status that may be written.
const LONGEST_STATUS: usize = 16 * 1024;

/// Judges one effect by the cluster before and after it.
pub fn of_effect(rollout: &Rollout, before: &Cluster, effect: &Effect, after: &Cluster) -> Result<(), String> {
    let status = rollout.status.clone().unwrap_or_default();
    match effect {
        Effect::ReplaceRoute(..) => route(rollout, &status, before, after),
        Effect::PatchReplicaSet(name, _) => {
            let (old, new) = (&before.replica_sets[name], &after.replica_sets[name]);
            match new.replicas().cmp(&old.replicas()) {
                Ordering::Less => scaled_down(rollout, &status, after, new),
                Ordering::Greater => {
                    check(after.has_what_is_read_by(new), || format!("starts pods of {name} that lack their copies"))?;
                    within_surge(rollout, &status, after, name)?;
                    one_canary(&status, after, name)
                }
                Ordering::Equal => Ok(()),
            }
        }
        Effect::CreateReplicaSet(set) => {
            check(set.replicas() == 0 || after.has_what_is_read_by(set), || {
                format!("starts pods of {} that lack their copies", set.name())
            })?;
            within_surge(rollout, &status, after, set.name())?;
            one_canary(&status, after, set.name())
        }
        Effect::DeleteReplicaSet { name, .. } => {
            let empty = before.pods.get(name).is_none_or(Vec::is_empty);
            check(empty, || format!("deletes ReplicaSet {name} with its pods"))
        }
        Effect::DeletePod { name, .. } => {
            if status.restart.is_some() {
                return restarted(rollout, &status, before, name);
            }
            let set = status.canary.as_ref().and_then(|canary| before.pods.get(&canary.replica_set));
            let is_canary = set.is_some_and(|pods| pods.iter().any(|pod| pod.name == *name));
            let is_decided = status.replaced_pod.as_ref().is_some_and(|pod| pod.name == *name);
            check(is_canary && is_decided, || format!("deletes pod {name}, which is not the suspect"))
        }
        // What leaves it with the same pods takes nothing away.
        Effect::PatchService(name, _)
            if after.replica_sets.values().all(|set| before.selects(name, set) == after.selects(name, set)) =>
        {
            Ok(())
        }
        Effect::DeleteService { name, .. } | Effect::PatchService(name, _) => {
            let harmless = !before.carries_weight(name) || before.endpoints.get(name).is_none_or(Vec::is_empty);
            check(harmless, || format!("takes Service {name} from under a route that gives it traffic"))?;
            let last = before.last_weight.get(name);
            let drained = last.is_none_or(|last| self::after(*last, rollout.spec.drain()) <= before.now);
            let stays = matches!(effect, Effect::PatchService(..));
            check(stays || drained || no_longer_waits(rollout, before.now), || {
                format!("deletes Service {name} before requests to it have drained")
            })
        }
        _ => Ok(()),
    }
}

fn check(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}

/// Weight only for Services whose recorded revision has ready pods; never more for the canary than its stage says.
fn route(rollout: &Rollout, status: &RolloutStatus, before: &Cluster, after: &Cluster) -> Result<(), String> {
    let names = after.service_names();
    let promoted = status.route == RouteMode::Promoted;
    let recorded: [(&str, Option<&RevisionStatus>); 2] = [
        (&names.stable, status.stable.as_ref()),
        (&names.canary, if promoted { status.stable.as_ref() } else { status.canary.as_ref() }),
    ];
    let better = recorded.iter().any(|(service, revision)| before.ready_behind(service, *revision) > 0);
    for (service, revision) in recorded {
        let ready = before.ready_behind(service, revision);
        let was = before.weight_of(service);
        let is = after.weight_of(service);
        check(is == Percent::ZERO || ready > 0 || (was > Percent::ZERO && !better), || {
            format!("gives {is} to {service}, behind which no pod of its revision is ready")
        })?;
        let mentioned = backends(&after.routes["checkout"]).any(|backend| backend["name"] == *service);
        check(!mentioned || before.services.contains_key(service), || {
            format!("names Service {service}, which does not exist")
        })?;
    }
    let allowed = match status.phase {
        _ if under_way(status) => current_stage(rollout).map_or(Percent::ZERO, |stage| stage.weight),
        _ if promoted => Percent::FULL,
        _ => Percent::ZERO,
    };
    let (was, is) = (before.canary_weight(), after.canary_weight());
    check(is <= allowed || is <= was, || {
        format!("the canary's weight rises from {was} to {is}; {allowed} is allowed")
    })?;
    carried(rollout, status, [recorded[0].1, recorded[1].1].map(Option::<&RevisionStatus>::cloned), before, after)
}

/// No weight rises beyond what the ready pods of its revision carry. Where all that are ready carry less than
/// everything, it may rise to an equal part for each.
fn carried(
    rollout: &Rollout,
    status: &RolloutStatus,
    [stable, canary]: [Option<RevisionStatus>; 2],
    before: &Cluster,
    after: &Cluster,
) -> Result<(), String> {
    let names = after.service_names();
    if status.route != RouteMode::Split || !rollout.may_lack_stable_pods() {
        return Ok(());
    }
    let wanted = capacity::wanted(rollout);
    let ready = |service: &str, revision: &Option<RevisionStatus>| before.ready_behind(service, revision.as_ref());
    let (ready_stable, ready_canary) = (ready(&names.stable, &stable), ready(&names.canary, &canary));
    let equal = |one: usize| Percent::new(one as f64 * 100.0 / (ready_stable + ready_canary) as f64);
    let in_force = status.stage.as_ref().filter(|stage| stage.since.is_some()).map(|stage| stage.weight);
    for (service, ready) in [(&names.stable, ready_stable), (&names.canary, ready_canary)] {
        let (was, is) = (before.weight_of(service), after.weight_of(service));
        // What somebody else took away may come back.
        let given = match in_force {
            Some(weight) if *service == names.canary => is <= weight,
            Some(weight) => is <= weight.rest(),
            None => false,
        };
        let carries = ready >= usize::try_from(is.of(wanted)).unwrap() || is <= equal(ready);
        check(is <= was || carries || given, || {
            format!("{service} rises from {was} to {is}, which {ready} of {wanted} ready pods do not carry")
        })?;
    }
    Ok(())
}

/// A version comes up only as far as `maxSurge` leaves room beside the one that serves.
fn within_surge(rollout: &Rollout, status: &RolloutStatus, after: &Cluster, name: &str) -> Result<(), String> {
    let is_canary = status.canary.as_ref().is_some_and(|canary| canary.replica_set == name);
    let Some(surge) = rollout.spec.max_surge.filter(|_| is_canary && status.phase != Phase::Reverting) else {
        return Ok(());
    };
    let wanted = capacity::wanted(rollout);
    let most = wanted + surge.of(wanted);
    let sets = [&status.stable, &status.canary].map(|revision| revision.as_ref().map(|it| it.replica_set.as_str()));
    let asked: i32 =
        after.replica_sets.values().filter(|set| sets.contains(&Some(set.name()))).map(ReplicaSet::replicas).sum();
    check(asked <= most, || format!("{asked} pods are asked for, more than the {most} that maxSurge allows"))
}

/// No pod is taken from a revision that needs it for the traffic that it has.
fn scaled_down(rollout: &Rollout, status: &RolloutStatus, after: &Cluster, set: &ReplicaSet) -> Result<(), String> {
    let (name, new, wanted) = (set.name(), set.replicas(), capacity::wanted(rollout));
    let is = |revision: &Option<RevisionStatus>| revision.as_ref().is_some_and(|known| known.replica_set == name);
    if !rollout.spec.is_routed() {
        let ready = |set: &ReplicaSet| {
            after
                .endpoints
                .get("checkout")
                .into_iter()
                .flatten()
                .filter(|pod| naming::is_pod_of(set.name(), pod))
                .count()
        };
        let others: usize = after.replica_sets.values().filter(|other| other.name() != name).map(ready).sum();
        let left = others + ready(set).min(usize::try_from(new).unwrap());
        let enough = usize::try_from(wanted).unwrap().min(others + ready(set));
        return check(left >= enough || (is(&status.stable) && new >= wanted), || {
            format!("{name} to {new} leaves {left} of {wanted} pods")
        });
    }
    if rollout.may_lack_stable_pods() && status.route == RouteMode::Split && !no_longer_waits(rollout, after.now) {
        let drain = jiff::SignedDuration::try_from(rollout.spec.drain().duration()).unwrap();
        let share = Percent::new(f64::from(after.share_since(name, after.now - drain)) / 10.0);
        let warm = status.stage.as_ref().and_then(|stage| stage.stable_replicas).filter(|_| is(&status.stable));
        let needed = match warm {
            Some(_) if share > Percent::ZERO && !rollout.spec.is_progressive() => wanted,
            Some(warm) if share == Percent::ZERO => warm.of(wanted).min(wanted),
            _ if share > Percent::ZERO => share.of(wanted),
            _ => 0,
        };
        check(new >= needed || (is(&status.canary) && new >= asked_for(rollout)), || {
            format!("{name} to {new}, where its share of {share} needs {needed}")
        })?;
        if under_way(status) && is(&status.stable) {
            return Ok(());
        }
    }
    if is(&status.stable) {
        // Handed back by a second ReplicaSet, the Deployment serves with as many pods of its own.
        let handed_back = status.phase == Phase::HandingBack
            && after.deployment.as_ref().is_some_and(|deployment| deployment.status.available_replicas >= wanted);
        return check(new >= wanted || handed_back, || format!("stable {name} to {new}, where {wanted} are wanted"));
    }
    if no_longer_waits(rollout, after.now) {
        return Ok(());
    }
    let share = after.share(name);
    let routed = status.route != RouteMode::Service || after.services.contains_key(&after.service_names().canary);
    check(new > 0 || share == 0.0 || !routed, || format!("{name} to 0 while a route gives it {share} %"))?;
    let had = after.last_traffic.iter().filter(|((set, _), _)| set == name).map(|(_, last)| *last).max();
    let drained = had.is_none_or(|last| self::after(last, rollout.spec.drain()) <= after.now);
    check(new > 0 || drained || !routed, || format!("{name} to 0 before its requests have drained"))
}

/// A pod that is replaced is one of stable, and leaves as many ready as are wanted.
fn restarted(rollout: &Rollout, status: &RolloutStatus, before: &Cluster, name: &str) -> Result<(), String> {
    check(matches!(status.phase, Phase::Stable | Phase::Reverted), || {
        format!("replaces pod {name} while it is {:?}", status.phase)
    })?;
    let set = status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
    let ready: Vec<_> = before.endpoints.get("checkout").into_iter().flatten().collect();
    let left = ready.iter().filter(|pod| naming::is_pod_of(set, pod) && **pod != name).count();
    let wanted = usize::try_from(capacity::wanted(rollout)).unwrap();
    let serves = ready.iter().any(|pod| *pod == name);
    check(naming::is_pod_of(set, name) && (!serves || left >= wanted), || {
        format!("pod {name} goes, which leaves {left} of {wanted} ready")
    })
}

fn under_way(status: &RolloutStatus) -> bool {
    matches!(status.phase, Phase::Progressing | Phase::Held)
}

/// How many pods the stage asks for in so many words, though its weight needs more.
fn asked_for(rollout: &Rollout) -> i32 {
    let stage = current_stage(rollout);
    let asked = stage.and_then(|stage| stage.replicas).map(|asked| asked.of(capacity::wanted(rollout)));
    asked.unwrap_or(i32::MAX)
}

/// A Rollout that is deleted does not wait without end for a gateway that does not answer.
fn no_longer_waits(rollout: &Rollout, now: Timestamp) -> bool {
    let deleted = rollout.metadata.deletion_timestamp.as_ref().map(|time| time.0);
    deleted.is_some_and(|deleted| after(deleted, rollout.spec.progress_deadline()) <= now)
}

/// A canary comes up only when no other has pods.
fn one_canary(status: &RolloutStatus, after: &Cluster, name: &str) -> Result<(), String> {
    let stable = status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
    if name == stable {
        return Ok(());
    }
    let rollout = after.rollout.as_ref().and_then(|rollout| rollout.metadata.uid.as_deref());
    let other = after.replica_sets.values().find(|set| {
        set.holder() == rollout
            && ![stable, name].contains(&set.name())
            && (set.replicas() > 0 || after.pods.get(set.name()).is_some_and(|pods| !pods.is_empty()))
    });
    check(other.is_none(), || format!("{name} comes up while {} still has pods", other.map_or("", |set| set.name())))
}

/// The stable version has been down for a minute: there is nothing to judge a new one against, and no way back.
fn stable_is_lost(status: &RolloutStatus, observed: &Observed, now: Timestamp) -> bool {
    let stable = status.stable.as_ref().and_then(|stable| observed.replica_set(&stable.replica_set));
    stable.is_none_or(|set| set.status.ready_replicas == 0)
        && status.stable_lost_since.is_some_and(|since| self::after(since, Span::seconds(60)) <= now)
}

/// Judges one decision, taken on the cluster as it was `seen`.
pub fn of_commit(
    rollout: &Rollout,
    seen: &Cluster,
    observed: &Observed,
    next: &RolloutStatus,
    checks: &[CheckStatus],
    now: Timestamp,
) -> Result<(), String> {
    let size = serde_json::to_vec(next).map_or(usize::MAX, |status| status.len());
    check(size < LONGEST_STATUS, || format!("the status has {size} bytes"))?;
    let before = rollout.status.clone().unwrap_or_default();
    let lost = next.stable.is_none() && before.stable.is_some() && next.adoption.is_some();
    check(!lost, || "forgets which version is stable".to_owned())?;
    starts(rollout, &before, next)?;
    clock(rollout, &before, seen, next, now)?;
    leaves(rollout, &before, observed, next, checks, now)
}

/// Every word for why has an explanation, and one that says so where events tell of it.
pub fn of_words(status: &RolloutStatus, transitions: &[Transition]) -> Result<(), String> {
    let known = |word: &str| reason::ALL.iter().find(|reason| reason.word == word);
    if let Some(condition) = status.conditions.iter().find(|condition| known(&condition.reason).is_none()) {
        return Err(format!("nobody explains what the condition {} means by {}", condition.type_, condition.reason));
    }
    let unexplained = transitions.iter().find(|step| known(&step.reason).and_then(|reason| reason.event).is_none());
    unexplained.map_or(Ok(()), |step| Err(format!("nobody explains that an event tells of {}", step.reason)))
}

/// A version that failed never starts again, and none while the Rollout is paused.
fn starts(rollout: &Rollout, before: &RolloutStatus, next: &RolloutStatus) -> Result<(), String> {
    let name = |revision: &Option<RevisionStatus>| revision.as_ref().map(|known| known.revision.clone());
    let canary = name(&next.canary).filter(|_| name(&next.canary) != name(&before.canary));
    let stable = name(&next.stable).filter(|_| name(&next.stable) != name(&before.stable));
    // Somebody may have asked for another try.
    let failed_now = |version: &String| next.failed.iter().any(|failed| failed.revision == *version);
    let failed = |version: &String| {
        [before, next].iter().all(|status| status.failed.iter().any(|failed| failed.revision == *version))
    };
    if let Some(version) = canary.iter().chain(&stable).find(|version| failed(version)) {
        return Err(format!("version {version} starts, though it failed before"));
    }
    let flees = next.rolls_back && name(&next.stable).as_ref().is_some_and(failed_now);
    check(canary.is_none() || !rollout.spec.paused || flees, || "starts a version while it is paused".to_owned())?;
    let was_stable = before.former.iter().any(|former| Some(&former.revision) == canary.as_ref());
    check(!next.rolls_back || before.rolls_back || was_stable, || "takes a version for one that was stable".to_owned())
}

/// The clock of a stage starts when the data plane has its weight, and at that instant.
fn clock(
    rollout: &Rollout,
    before: &RolloutStatus,
    seen: &Cluster,
    next: &RolloutStatus,
    now: Timestamp,
) -> Result<(), String> {
    let since = |status: &RolloutStatus| status.stage.as_ref().and_then(|stage| stage.since);
    let (Some(stage), Some(started)) = (&next.stage, since(next)) else { return Ok(()) };
    if since(before) == Some(started) {
        return Ok(());
    }
    let name = &stage.name;
    check(started == now, || format!("the clock of stage {name} starts at {started}"))?;
    let reports = rollout.spec.traffic.as_ref().and_then(|traffic| traffic.gateway_api.as_ref()?.acceptance);
    let names = seen.service_names();
    let has = |route: &Value| share(route, &names, &names.canary) == stage.weight;
    let taken_over =
        rollout.spec.routes().iter().all(|route| seen.programmed.get(&RouteId::of(route, "").name).is_some_and(has));
    check(taken_over || reports == Some(Acceptance::Ignored), || {
        format!("the clock of stage {name} starts before the gateway has its weight")
    })
}

/// A stage is left for the next one, by its gate. Nothing else makes its weight grow but its own spec.
fn leaves(
    rollout: &Rollout,
    before: &RolloutStatus,
    observed: &Observed,
    next: &RolloutStatus,
    checks: &[CheckStatus],
    now: Timestamp,
) -> Result<(), String> {
    let (Some(stage), Some(spec)) = (&before.stage, current_stage(rollout)) else { return Ok(()) };
    if !matches!(before.phase, Phase::Progressing | Phase::Held) {
        return Ok(());
    }
    let promoted = next.phase == Phase::Promoting;
    let entered = next.stage.as_ref().filter(|next| next.name != stage.name && next.name != spec.name);
    if !promoted && entered.is_none() {
        return next.stage.as_ref().map_or(Ok(()), |next| same_stage(rollout, stage, next));
    }
    let stages = rollout.spec.stages();
    let place = |name: &str| stages.iter().position(|stage| stage.name == name);
    let back = entered.filter(|entered| !promoted && place(&entered.name) < place(&spec.name));
    if let Some(back) = back.filter(|_| before.drill.is_none() && next.drill.is_some()) {
        gate(rollout, &spec, stage.since, checks, now)?;
        return drills(rollout, before, (&spec, back));
    }
    if let Some(back) = back {
        return steps_back(rollout, before, (&spec, back));
    }
    let after_drill = back_from_drill(rollout, before, next, &spec)?;
    let (left, spec) = (after_drill.clone().unwrap_or_else(|| spec.clone()), spec);
    // The version that serves failed after its promotion, and the one before it comes back.
    let flees = before.rolls_back
        && before.stable.as_ref().is_some_and(|stable| before.failed.iter().any(|it| it.revision == stable.revision));
    check(!rollout.spec.paused || flees, || "leaves a stage while it is paused".to_owned())?;
    let is_skipped = next.history.first().is_some_and(|step| step.reason == reason::STAGE_SKIPPED);
    let is_asked_for =
        is_skipped || next.commands.iter().any(|known| known.command == "promote" && known.done && known.at == now);
    if !(is_asked_for || before.rolls_back || promoted && stable_is_lost(before, observed, now)) {
        let has_baked = after_drill.is_some();
        let spec = if has_baked { Stage { bake: Some(Span::seconds(0)), ..spec } } else { spec };
        gate(
            rollout,
            &spec,
            next.begun.last().map(|begun| begun.since).filter(|_| has_baked).or(stage.since),
            checks,
            now,
        )?;
    }
    let name = entered.map_or("", |next| next.name.as_str());
    let following = place(&left.name).map(|place| place + 1) == place(name);
    check(promoted || following, || format!("goes from stage {} to {name}", left.name))
}

/// The stage that a drill left for `spec`, where it is over and the version goes on: it was back in time.
fn back_from_drill(
    rollout: &Rollout,
    before: &RolloutStatus,
    next: &RolloutStatus,
    spec: &Stage,
) -> Result<Option<Stage>, String> {
    let Some(drill) =
        next.drill.as_ref().filter(|_| before.drill.as_ref().is_some_and(|it| it.state != DrillState::Over))
    else {
        return Ok(None);
    };
    let stages = rollout.spec.stages();
    let place = stages.iter().position(|stage| stage.name == spec.name);
    let left = place.and_then(|place| stages.get(place + 1)).filter(|left| left.name == drill.stage).cloned();
    let within = left.as_ref().and_then(|left| Some(left.drill.as_ref()?.within()));
    let in_time = drill.back_at.zip(within).is_some_and(|(back, within)| back <= after(drill.at, within));
    check(in_time, || format!("goes on after a drill that was not back in time: {drill:?}"))?;
    Ok(left)
}

/// One stage back where the spec asks for a drill, once for a version.
fn drills(rollout: &Rollout, before: &RolloutStatus, (from, back): (&Stage, &StageStatus)) -> Result<(), String> {
    let name = &from.name;
    check(from.drill.is_some() && before.drill.is_none(), || format!("drills stage {name}, and nobody asked for it"))?;
    one_back(rollout, before, (from, back))
}

/// One stage back where the spec says so, once for each stage, and never to more of the traffic.
fn steps_back(rollout: &Rollout, before: &RolloutStatus, (from, back): (&Stage, &StageStatus)) -> Result<(), String> {
    let (name, to) = (&from.name, &back.name);
    let asked = from.on_failure.or(rollout.spec.on_failure) == Some(OnFailure::StepBack);
    check(asked, || format!("goes back from stage {name} to {to}, and nobody asked for it"))?;
    one_back(rollout, before, (from, back))?;
    let again = before.stepped_back.iter().any(|known| known.stage == *name || known.to == *name);
    check(!again, || format!("goes back from stage {name} once more"))
}

/// To the stage before, and never to more of the traffic.
fn one_back(rollout: &Rollout, before: &RolloutStatus, (from, back): (&Stage, &StageStatus)) -> Result<(), String> {
    let stages = rollout.spec.stages();
    let place = |name: &str| stages.iter().position(|stage| stage.name == name);
    let (name, to) = (&from.name, &back.name);
    check(place(to).map(|place| place + 1) == place(name), || format!("goes back from stage {name} to {to}"))?;
    let in_force = before.stage.as_ref().map(|stage| stage.weight_in_force);
    check(in_force == Some(back.weight_in_force), || {
        format!("forgets at stage {name} what is in force: {in_force:?}")
    })?;
    check(back.weight <= from.weight, || format!("goes back to more of the traffic: {}", back.weight))
}

/// Without a gate the weight is what the spec says of the stage by its name, or no more than it was; where every
/// stage of the spec asks for more, the first.
fn same_stage(rollout: &Rollout, before: &StageStatus, next: &StageStatus) -> Result<(), String> {
    let stages = rollout.spec.stages();
    let own = stages.iter().any(|stage| stage.name == before.name && stage.weight == next.weight);
    let lightest = stages.iter().all(|stage| stage.weight >= next.weight);
    check(own || lightest || next.weight <= before.weight, || {
        format!("the weight grows from {} to {} without a gate", before.weight, next.weight)
    })
}

fn gate(
    rollout: &Rollout,
    stage: &Stage,
    since: Option<Timestamp>,
    checks: &[CheckStatus],
    now: Timestamp,
) -> Result<(), String> {
    let name = &stage.name;
    let since = since.ok_or_else(|| format!("leaves stage {name} before its weight is in force"))?;
    check(now >= after(since, stage.bake()), || format!("leaves stage {name} before its bake is over"))?;
    let deciding = rollout.spec.checks_in(stage).filter(|check| check.decides(stage.override_of(&check.name)));
    if !stage.gives_requests() {
        return Ok(());
    }
    let passes = |name: &str| checks.iter().any(|answer| answer.name == name && answer.verdict == Verdict::Pass);
    let late = stage.deadline.is_some_and(|deadline| now >= after(since, deadline));
    let decided = deciding.into_iter().all(|check| passes(&check.name));
    check(decided || (late && rollout.spec.on_inconclusive == Some(OnInconclusive::Advance)), || {
        format!("leaves stage {name} without a Pass of every check: {checks:?}")
    })
}
