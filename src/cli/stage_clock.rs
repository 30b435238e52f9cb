//! What is left of the times that a stage has.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_api::{Phase, Rollout, Span, Stage, StageStatus};

use super::moments;

/// The stage's bake, in words.
pub fn bake(stage: &StageStatus, spec: Option<&Stage>, now: Timestamp) -> String {
    if stage.disturbance.is_some() {
        return "stands still: other weights than the stage's are in force".to_owned();
    }
    let lasts = spec.map(|spec| format!("{}, ", spec.bake())).unwrap_or_default();
    let Some(since) = stage.since else {
        return format!("{lasts}not begun: the weight of the stage is not in force yet");
    };
    let until = stage.until.or_else(|| spec.map(|spec| moments::after(since, spec.bake())));
    match until.map(|until| (until, moments::until(until, now))) {
        Some((until, Some(left))) => format!("{lasts}{left} left, until {until:.0}"),
        Some((until, None)) => format!("{lasts}over for {}", moments::since(until, now)),
        None => "of a length that is not known".to_owned(),
    }
}

/// The stage's deadline, in words, if it has one and its clock runs.
pub fn deadline(stage: &StageStatus, spec: &Stage, now: Timestamp) -> Option<String> {
    let at = moments::after(stage.since?, spec.deadline?);
    Some(match moments::until(at, now) {
        Some(left) => format!("{left} left, until {at:.0}"),
        None => format!("over for {}", moments::since(at, now)),
    })
}

/// How long it takes at least until the version on its way serves alone: what is left of its stage's bake, or what a check needs
/// where that is longer, and the bakes of the stages to come. Nothing where none is on its way, or it waits for people.
pub fn left(rollout: &Rollout, now: Timestamp) -> Option<Span> {
    let status = rollout.status.as_ref().filter(|status| status.phase == Phase::Progressing)?;
    let (at, stages) = (status.stage.as_ref()?, rollout.spec.stages());
    let place = stages.iter().position(|stage| stage.name == at.name)?;
    let here = stages.get(place)?;
    let until = at.until.or_else(|| at.since.map(|since| moments::after(since, here.bake())));
    let bake = until.map_or(here.bake(), |until| moments::until(until, now).unwrap_or(Span::seconds(0)));
    let longest = status.checks.iter().filter_map(|check| check.more_time).fold(bake, Span::max);
    let ahead = stages.iter().skip(place + 1).map(|stage| stage.bake().duration());
    let all = ahead.fold(longest.duration(), Duration::saturating_add);
    Some(Span::from(all))
}
