//! Cadences of stages that never come into their own, or see a failure later than its check is meant to.

use tidegate_api::{Rollout, Span, Stage};
use tidegate_judge::Question;

use super::{
    finding::{Finding, LocatedDocument},
    stages::questions,
};

/// What the cadences of `rollout` have wrong.
pub fn check(written: &LocatedDocument, rollout: &Rollout) -> Vec<Finding> {
    let stages = rollout.spec.stages();
    let each = stages.iter().enumerate().flat_map(|(index, stage)| {
        let steps = steps(written, rollout, index, stage);
        steps.into_iter().chain(too_late(written, rollout, index, stage))
    });
    each.chain(of_watch(written, rollout)).collect()
}

/// Steps of a watch that begin when it is over, or that look for the first time then.
fn of_watch(written: &LocatedDocument, rollout: &Rollout) -> Vec<Finding> {
    let Some(watch) = &rollout.spec.watch else { return Vec::new() };
    let lasting = watch.lasting;
    // That it is over at once is told where it says so.
    let steps = watch.cadence.iter().flatten().enumerate().filter(|_| !lasting.duration().is_zero());
    let each = steps.filter_map(|(place, step)| {
        let path = format!("spec.watch.cadence[{place}]");
        let (every, after) = (step.every, step.after.unwrap_or_default());
        if after >= lasting {
            let message = format!("the watch lasts for {lasting}, and this begins {after} into it: it never comes");
            return Some(written.warning(format!("{path}.after"), message));
        }
        let message = format!(
            "the watch lasts for {lasting}, and with a look every {every} there is none before it ends: look more often, or watch for longer"
        );
        let is_rare = step.after() + every.duration() > lasting.duration();
        is_rare.then(|| written.warning(format!("{path}.every"), message))
    });
    each.collect()
}

/// Steps that begin after the bake, that look for the first time after it, or that are shorter than an interval.
fn steps(written: &LocatedDocument, rollout: &Rollout, index: usize, stage: &Stage) -> Vec<Finding> {
    let (name, bake) = (&stage.name, stage.bake());
    let interval = rollout.spec.analysis.as_ref().and_then(|analysis| analysis.interval).unwrap_or(Span::seconds(10));
    let each = stage.cadence.iter().flatten().enumerate().filter_map(|(place, step)| {
        let path = format!("spec.stages[{index}].cadence[{place}]");
        let (every, after) = (step.every, step.after.unwrap_or_default());
        if after >= bake {
            let message = format!(
                "stage {name} bakes for {bake}, and this begins {after} into it: it only comes where checks or gates hold the stage for longer"
            );
            return Some(written.warning(format!("{path}.after"), message));
        }
        if step.after() + every.duration() > bake.duration() {
            let message = format!(
                "stage {name} bakes for {bake}, and with a look every {every} there is none before the bake ends: look more often, or bake longer"
            );
            return Some(written.warning(format!("{path}.every"), message));
        }
        let message =
            format!("queries and blocks of requests are {interval} apart (analysis.interval): a look every {every} sees no more");
        (every < interval).then(|| written.warning(format!("{path}.every"), message))
    });
    each.collect()
}

/// A query that is to fail after a time beyond its limit, in a stage that is looked at more rarely than that from the first.
fn too_late(written: &LocatedDocument, rollout: &Rollout, index: usize, stage: &Stage) -> Option<Finding> {
    let first = stage.cadence.as_ref()?.first().filter(|step| step.after().is_zero())?;
    let asked = questions(&rollout.spec, std::slice::from_ref(stage));
    let (check, lasting) = asked.iter().find_map(|asked| {
        let Question::Value(limits) = &asked.question else { return None };
        let is_hasty = !limits.lasting.is_zero() && limits.lasting < first.every.duration();
        is_hasty.then_some((&asked.check.name, Span::from(limits.lasting)))
    })?;
    let message = format!(
        "check {check} fails after {lasting} beyond its limit, and stage {} is looked at every {} from its beginning: a failure is seen as late as that",
        stage.name, first.every
    );
    Some(written.warning(format!("spec.stages[{index}].cadence[0].every"), message))
}
