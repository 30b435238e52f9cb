//! Which weight may be given now.

use tidegate_api::{Percent, Phase, Rollout, RolloutStatus, RouteMode, StageStatus};

use crate::{
    plan::{
        Guard, Observed, capacity, current_stage, guard, pinning,
        split::{self, Goal, Ready},
        stepwise_revert,
    },
    traffic::{Sessions, Split},
};

/// What the routes should say now, by the committed status: never more than the ready pods can carry.
pub(super) fn goal<'a>(rollout: &'a Rollout, observed: &Observed) -> Goal<'a> {
    let Some(status) = &rollout.status else { return Goal::Leave };
    let ready = split::ready(rollout, status, observed);
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
        RouteMode::Split => Goal::Split(stepwise_revert::kept(rollout, status, observed).into()),
    }
}

/// `asked`, unless stable would get more by it than its ready pods carry: then what the routes say, until they do.
fn carried(rollout: &Rollout, observed: &Observed, status: &RolloutStatus, asked: Percent, ready: Ready) -> Percent {
    let alone = ready.canary == 0 || !rollout.may_lack_stable_pods() || !guard::stands(Guard::CarriedWeight);
    let (Some(written), Some(stage)) = (split::written(rollout, observed), &status.stage) else { return asked };
    // Not what somebody else wrote, beyond anything that a stage gave.
    let given = [stage.weight, stage.own_weight()].iter().any(|given| written.percent() <= given.percent() + 1e-6);
    if alone || !given || written <= asked || capacity::carry(rollout, ready.stable, asked.rest()) {
        return asked;
    }
    written
}

fn canary_split<'a>(rollout: &'a Rollout, observed: &Observed, status: &'a RolloutStatus, ready: i32) -> Split<'a> {
    let (Some(stage), Some(spec)) = (&status.stage, current_stage(rollout)) else { return Split::NONE };
    if ready == 0 && guard::stands(Guard::ReadyBackends) {
        Split::NONE
    } else if stage.since.is_some()
        // To have less takes no pods: it does not wait for those that were lost meanwhile.
        || stage.weight < stage.own_weight()
        || ready >= capacity::in_stage(rollout, &spec).canary
        || !guard::stands(Guard::CarriedWeight)
    {
        split::of_stage(stage)
    } else if capacity::carry(rollout, ready, stage.own_weight()) {
        of_stage_before(rollout, status, stage).unwrap_or(stage.own_weight().into())
    } else {
        // What was taken away when its pods were lost does not come back with the first of them.
        split::written(rollout, observed).map_or(stage.own_weight(), |written| stage.own_weight().lower(written)).into()
    }
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
    let generation = stage.session_generation.as_ref().map(|generation| generation.id.as_str());
    Some(Split {
        sessions: split.sessions.zip(generation).map(|(known, generation)| Sessions { generation, ..known }),
        ..split
    })
}
