//! How traffic is split now: what the routes say, and which pods they lead to.

use tidegate_api::{Percent, Rollout, RolloutStatus, RouteMode, StageStatus};

use crate::{
    plan::{Observed, Route},
    traffic::{Names, Sessions, Split},
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
    let StageStatus { weight, matches, mirror, session_generation, .. } = stage;
    Split {
        weight: *weight,
        matches,
        mirror: mirror.unwrap_or_default(),
        sessions: session_generation.as_ref().map(Sessions::of),
    }
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
