//! What is left of the times that a stage has.

use jiff::Timestamp;
use tidegate_api::{Stage, StageStatus};

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
