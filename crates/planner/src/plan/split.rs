//! Which weight may be given now, and whether it is in force.

use jiff::Timestamp;
use tidegate_api::{Acceptance, Percent, Phase, Rollout, RolloutStatus, RouteMode, StagePart, StageStatus};

use crate::{
    plan::{Guard, Observed, Route, Served, capacity, contention, current_stage, guard, hand_back, pinning, way_back},
    traffic::{Acceptance as Accepted, Names, Router, Sessions, Split, replica_count::Counts},
};

/// What the routes should say now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Goal<'a> {
    /// Nothing that is certain to be better than what they say.
    Leave,
    /// What the user wrote.
    Service,
    /// The stable and the canary Service, and what the canary gets.
    Split(Split<'a>),
}

/// Whether a goal has been reached.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InForce {
    /// Written, and confirmed by the data plane.
    Yes,
    /// Not written yet, or not confirmed: a sentence.
    Waiting(String),
    /// Written, and refused by the data plane: a sentence.
    Rejected(String),
    /// Written, and naming something that the data plane does not find, or not yet: a sentence, and since when, as far as
    /// the data plane tells.
    Unresolved(String, Option<Timestamp>),
}

impl InForce {
    /// Why it is not, if it is not.
    pub(super) fn missing(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Waiting(sentence) | Self::Rejected(sentence) | Self::Unresolved(sentence, _) => Some(sentence),
        }
    }
}

/// The ready pods of each revision, where traffic would reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub stable: i32,
    pub canary: i32,
}

/// Counts the ready pods of each revision: behind its own Service with a route, behind the one Service without.
pub(super) fn ready(rollout: &Rollout, status: &RolloutStatus, observed: &Observed) -> Ready {
    let names = Names::of(&rollout.spec.service);
    let (stable, canary) = if !rollout.spec.is_routed() {
        (names.service.as_str(), names.service.as_str())
    } else if status.route == RouteMode::Promoted {
        (names.canary.as_str(), names.stable.as_str())
    } else {
        (names.stable.as_str(), names.canary.as_str())
    };
    let behind = |service, revision: &Option<tidegate_api::RevisionStatus>| {
        revision.as_ref().map_or(0, |revision| observed.ready_behind(service, &revision.replica_set))
    };
    let new = status.canary.as_ref().and_then(|canary| observed.replica_set(&canary.replica_set));
    let seasoned = |ready| new.map_or(ready, |set| set.seasoned(ready));
    Ready { stable: behind(stable, &status.stable), canary: seasoned(behind(canary, &status.canary)) }
}

/// What a stage gives the canary, as it was committed.
pub(super) fn of_stage(stage: &StageStatus) -> Split<'_> {
    let StageStatus { weight, matches, mirror, draw, .. } = stage;
    Split { weight: *weight, matches, mirror: mirror.unwrap_or_default(), sessions: draw.as_ref().map(Sessions::of) }
}

/// What the canary still has from the stage before, while it does not have all of its new one.
fn of_stage_before<'a>(rollout: &'a Rollout, status: &RolloutStatus, stage: &'a StageStatus) -> Option<Split<'a>> {
    let weight = stage.own_weight();
    let begun = status.begun.last().filter(|begun| begun.stage != stage.name);
    let stages = rollout.spec.stages.as_deref().unwrap_or_default();
    let before = begun.and_then(|begun| stages.iter().position(|stage| stage.name == begun.stage));
    let split = before.and_then(|place| Split::of_stages(&rollout.spec).get(place).copied());
    // Where it has lost all of its pods, it gets nothing back with the first of them.
    let split = split.filter(|split| split.weight == weight)?;
    let draw = stage.draw.as_ref().map(|draw| draw.id.as_str());
    Some(Split { sessions: split.sessions.zip(draw).map(|(known, draw)| Sessions { draw, ..known }), ..split })
}

/// What the routes should say now, by the committed status: never more than the ready pods can carry.
pub(super) fn goal<'a>(rollout: &'a Rollout, observed: &Observed) -> Goal<'a> {
    let Some(status) = &rollout.status else { return Goal::Leave };
    let ready = ready(rollout, status, observed);
    match status.route {
        RouteMode::Service => Goal::Service,
        _ if ready.stable == 0 && guard::stands(Guard::ReadyBackends) => Goal::Leave,
        RouteMode::Split if pinning::is_premature(rollout, status, observed, ready) => Goal::Leave,
        RouteMode::Promoted => Goal::Split(Percent::FULL.into()),
        RouteMode::Split if matches!(status.phase, Phase::Progressing | Phase::Held) => {
            let asked = canary_split(rollout, observed, status, ready.canary);
            let weight = carried(rollout, observed, status, asked.weight, ready);
            Goal::Split(Split { weight, ..asked })
        }
        RouteMode::Split => Goal::Split(way_back::kept(rollout, status, observed).into()),
    }
}

/// `asked`, unless stable would get more by it than its ready pods carry: then what the routes say, until they do.
fn carried(rollout: &Rollout, observed: &Observed, status: &RolloutStatus, asked: Percent, ready: Ready) -> Percent {
    let alone = ready.canary == 0 || !rollout.spec.is_progressive() || !guard::stands(Guard::CarriedWeight);
    let (Some(written), Some(stage)) = (written(rollout, observed), &status.stage) else { return asked };
    // Not what somebody else wrote, beyond anything that a stage gave.
    let given = [stage.weight, stage.own_weight()].iter().any(|given| written.percent() <= given.percent() + 1e-6);
    if alone || !given || written <= asked || capacity::carry(rollout, ready.stable, asked.rest()) {
        return asked;
    }
    written
}

/// The canary's weight as the routes say it, whoever wrote it: the lowest of them, and nothing where none says any.
///
/// What is neither the stage's weight nor the one in force comes in whole percents, rounded down: every route can say
/// those.
pub(super) fn written(rollout: &Rollout, observed: &Observed) -> Option<Percent> {
    let names = Names::of(&rollout.spec.service);
    let share = |route: &Route| route.router(rollout, &names).canary_share(route.object.as_ref()?);
    let shares = observed.routes.iter().filter_map(share);
    let lowest = shares.reduce(Percent::lower)?.percent();
    let stage = rollout.status.as_ref().and_then(|status| status.stage.as_ref());
    let mut given = stage.into_iter().flat_map(|stage| [stage.weight, stage.own_weight()]);
    let known = given.find(|given| (given.percent() - lowest).abs() < 1e-6);
    Some(known.unwrap_or_else(|| Percent::new((lowest + 1e-6).floor())))
}

/// Since when the stage's weight has been in force, and nobody else's; nothing where somebody wrote another since. That
/// gave the pods that the stage had freed requests again, and when those ended, nobody knows.
pub(super) fn undisturbed_since(rollout: &Rollout, status: &RolloutStatus) -> Option<Timestamp> {
    let stage = status.stage.as_ref().filter(|stage| stage.disturbance.is_none())?;
    let resumed = status.begun.last().filter(|begun| begun.part == Some(StagePart::Resumed)).map(|begun| begun.since);
    let since = resumed.into_iter().fold(stage.since?, Timestamp::max);
    contention::last_change(rollout, &status.contentions).is_none_or(|last| last < since).then_some(since)
}

/// Without a route: the part of the traffic that the new version gets, which is that of all ready pods behind the one
/// Service. A pod that has not been ready for long enough gets its part, and so does one that is nobody's.
pub(super) fn share_of_pods(rollout: &Rollout, status: &RolloutStatus, observed: &Observed) -> Percent {
    let service = &rollout.spec.service;
    let all = observed.ready_pods.get(service).map_or(0, Vec::len);
    let canary = status.canary.as_ref().map_or(0, |canary| observed.ready_behind(service, &canary.replica_set));
    let counts = Counts { stable: i32::try_from(all).unwrap_or(i32::MAX).saturating_sub(canary), canary };
    capacity::by_count(rollout).canary_share(&counts).unwrap_or_default()
}

fn canary_split<'a>(rollout: &'a Rollout, observed: &Observed, status: &'a RolloutStatus, ready: i32) -> Split<'a> {
    let (Some(stage), Some(spec)) = (&status.stage, current_stage(rollout)) else { return Split::NONE };
    if ready == 0 && guard::stands(Guard::ReadyBackends) {
        Split::NONE
    } else if stage.since.is_some()
        || ready >= capacity::in_stage(rollout, &spec).canary
        || !guard::stands(Guard::CarriedWeight)
    {
        of_stage(stage)
    } else if capacity::carry(rollout, ready, stage.own_weight()) {
        of_stage_before(rollout, status, stage).unwrap_or(stage.own_weight().into())
    } else {
        // What was taken away when its pods were lost does not come back with the first of them.
        written(rollout, observed).map_or(stage.own_weight(), |written| stage.own_weight().lower(written)).into()
    }
}

/// Whether every route says `goal` and the data plane has confirmed it.
pub(super) fn in_force(rollout: &Rollout, observed: &Observed, goal: Goal<'_>) -> InForce {
    let names = Names::of(&rollout.spec.service);
    let is_under_way =
        rollout.status.as_ref().is_some_and(|status| status.canary.is_some() || status.route != RouteMode::Service);
    for route in &observed.routes {
        // A server that does not know the kind at this moment says nothing of where those lead that were split.
        if route.kind != Served::Yes && is_under_way {
            return InForce::Waiting(format!("the cluster does not serve {}s to the operator", route.id.kind));
        }
        let Some(object) = &route.object else { continue };
        if !says(rollout, &names, route, goal) {
            return InForce::Waiting(format!("{} does not carry the weight yet", route.id));
        }
        if is_ignored(rollout, route) || !guard::stands(Guard::Acceptance) {
            continue;
        }
        match route.router(rollout, &names).acceptance(object) {
            Accepted::Accepted => {}
            Accepted::Waiting(sentence) => return InForce::Waiting(sentence),
            Accepted::Rejected(sentence) => return InForce::Rejected(sentence),
            Accepted::Unresolved(sentence, since) => return InForce::Unresolved(sentence, since),
        }
    }
    InForce::Yes
}

/// The same at `now`, where the Rollout is deleted and the gateway has had its time to answer: then what is written
/// counts.
pub(super) fn in_force_at(rollout: &Rollout, observed: &Observed, goal: Goal<'_>, now: Timestamp) -> InForce {
    let names = Names::of(&rollout.spec.service);
    let said = |route: &Route| says(rollout, &names, route, goal);
    if !hand_back::waits_for_the_gateway(rollout, now) && observed.routes.iter().all(said) {
        return InForce::Yes;
    }
    in_force(rollout, observed, goal)
}

/// Whether a route says `goal`. One that is not there says nothing else.
pub(super) fn says(rollout: &Rollout, names: &Names, route: &Route, goal: Goal<'_>) -> bool {
    let Some(object) = &route.object else { return true };
    let router = route.router(rollout, names);
    match goal {
        Goal::Leave => true,
        Goal::Service => router.is_whole(object),
        Goal::Split(split) => router.is_split(object, split),
    }
}

/// Whether its gateway is not waited for.
fn is_ignored(rollout: &Rollout, route: &Route) -> bool {
    let gateway = rollout.spec.traffic.as_ref().and_then(|traffic| traffic.gateway_api.as_ref());
    let acceptance = gateway.and_then(|gateway| gateway.acceptance);
    route.id.kind.is_of_gateway_api() && acceptance == Some(Acceptance::Ignored)
}
