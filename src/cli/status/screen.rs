//! The screen: a pure function of the Rollout and the time.

use jiff::Timestamp;
use tidegate_api::{
    CheckStatus, DegradeState, GateStatus, Phase, RevisionStatus, Rollout, RolloutStatus, Schedule, Stage, StageStatus,
    Transition, condition::kind,
};

use crate::cli::{columns::aligned, hours, moments, stage_clock};

/// So many transitions are shown; `tidegate history` has all.
const LAST: usize = 4;

/// All of it, the most important first.
pub fn told(rollout: &Rollout, now: Timestamp) -> String {
    let status = rollout.status.clone().unwrap_or_default();
    let (namespace, name) = (rollout.metadata.namespace.as_deref(), rollout.metadata.name.as_deref());
    let name = [namespace, name].into_iter().flatten().collect::<Vec<_>>().join("/");
    let paused = if rollout.spec.paused { ", paused" } else { "" };
    let head = format!("Rollout {name}: {:?}{paused}\n{}\n", status.phase, sentence(&status));
    let parts = [
        head,
        aligned(&facts(rollout, &status, now)),
        table(&["CHECK", "VERDICT", "VALUE", "LIMIT", "STABLE", "REQUESTS", "NEEDS"], status.checks.iter().map(check)),
        gates(&status, now),
        history(&status, LAST, now),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The sentence of the status.
pub fn sentence(status: &RolloutStatus) -> &str {
    if status.message.is_empty() { "the operator has not looked at it yet" } else { &status.message }
}

/// What there is to know besides the tables, each with its name.
pub fn facts(rollout: &Rollout, status: &RolloutStatus, now: Timestamp) -> Vec<Vec<String>> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, told: Option<String>| facts.extend(told.map(|told| vec![name.to_owned(), told]));
    fact("stable", status.stable.as_ref().map(version));
    fact("new", status.canary.as_ref().map(version));
    let stages = rollout.spec.stages();
    if let Some(stage) = &status.stage {
        let spec = stages.iter().find(|spec| spec.name == stage.name);
        if status.phase == Phase::Reverting {
            fact("stage", Some(way_back(stage)));
            fact("why", status.history.first().map(|step| step.message.clone()));
        } else {
            fact("stage", Some(where_it_is(stage, spec, now)));
            fact("bake", Some(stage_clock::bake(stage, spec, now)));
            fact("deadline", spec.and_then(|spec| stage_clock::deadline(stage, spec, now)));
        }
        fact("measured", measured(stage));
    }
    for taken in &status.presets {
        fact("preset", Some(format!("auto of {} stands for {}, which {}", taken.check, taken.preset, taken.reason)));
    }
    for back in &status.stepped_back {
        let checks = if back.checks.is_empty() { String::new() } else { format!(": {}", back.checks.join(", ")) };
        let told = format!("from {} to {}, {} ago{checks}", back.stage, back.to, moments::since(back.at, now));
        fact("stepped back", Some(told));
    }
    if let Some(degraded) = &status.degraded {
        let waiting = if degraded.state == DegradeState::InVain { "did not help" } else { "is asked to help" };
        let since = degraded.since.map_or(waiting.to_owned(), |since| {
            format!("helped; judged anew since {} ago", moments::since(since, now))
        });
        let (stage, checks) = (&degraded.stage, degraded.checks.join(", "));
        fact("degraded", Some(format!("{checks} failed in stage {stage}; {} {since}", degraded.by)));
    }
    if let Some(drill) = &status.drill {
        let told = drill.back_at.map_or("the traffic is on its way back".to_owned(), |back| {
            format!("back in {:.1}s", back.duration_since(drill.at).as_secs_f64())
        });
        fact("drill", Some(format!("of stage {}: {told}", drill.stage)));
    }
    let failed = status.failed.first().filter(|_| status.canary.is_none());
    fact("failed", failed.map(|it| format!("{}, {} ago: {}", it.revision, moments::since(it.at, now), it.message)));
    fact("schedule", rollout.spec.schedule.as_ref().map(|it| schedule(it, status, now)));
    let warnings = status.conditions.iter().filter(|one| one.type_ == kind::WARNING && one.status == "True");
    for warning in warnings {
        fact("warning", Some(warning.message.clone()));
    }
    facts
}

fn version(revision: &RevisionStatus) -> String {
    format!("{revision}, {} of {} pods ready", revision.ready, revision.replicas)
}

/// `canary, 1 of 3: 5% in force for 12m`.
fn where_it_is(stage: &StageStatus, spec: Option<&Stage>, now: Timestamp) -> String {
    let place = format!("{}, {} of {}", stage.name, stage.index, stage.of);
    let asked = spec.map_or_else(|| format!("{} of the traffic", stage.weight), Stage::gives);
    let in_force = stage.weight_in_force;
    match stage.since {
        Some(since) if stage.disturbance.is_none() => {
            format!("{place}: {asked}, {in_force} in force for {}", moments::since(since, now))
        }
        _ => format!("{place}: {asked}, {in_force} in force; entered {} ago", moments::since(stage.entered_at, now)),
    }
}

/// `canary, 1 of 3: on the way back, 5% still in force`.
fn way_back(stage: &StageStatus) -> String {
    format!(
        "{}, {} of {}: on the way back, {} still in force",
        stage.name, stage.index, stage.of, stage.weight_in_force
    )
}

fn measured(stage: &StageStatus) -> Option<String> {
    let range = stage.weight_range.as_ref().map(|range| format!(" ({range})")).unwrap_or_default();
    let off = if stage.weight_off_since.is_some() { ", which is not what the stage asks for" } else { "" };
    stage.weight_measured.as_ref().map(|share| format!("{share} of the requests{range}{off}"))
}

/// The hours that the next step waits for, or would.
fn schedule(schedule: &Schedule, status: &RolloutStatus, now: Timestamp) -> String {
    if status.canary.is_some() {
        format!("hours for leaving a stage {}", hours::told(schedule, &schedule.advance, now))
    } else {
        format!("hours for a new version {}", hours::told(schedule, &schedule.start, now))
    }
}

fn check(check: &CheckStatus) -> Vec<String> {
    let cell = |text: &Option<String>| text.clone().unwrap_or_default();
    let warns = if check.warning { " (warns)" } else { "" };
    vec![
        check.name.clone(),
        format!("{:?}{warns}", check.verdict),
        cell(&check.value),
        cell(&check.limit),
        cell(&check.stable),
        check.sample.map(|sample| sample.to_string()).unwrap_or_default(),
        needs(check),
    ]
}

/// How many requests a check needs besides, and how long that takes.
pub fn needs(check: &CheckStatus) -> String {
    match (check.more_requests, check.more_time) {
        (Some(requests), Some(time)) => format!("{requests} more, {time}"),
        (Some(requests), None) => format!("{requests} more"),
        (None, Some(time)) => time.to_string(),
        (None, None) => String::new(),
    }
}

/// The gates, as a table; nothing where there are none.
pub fn gates(status: &RolloutStatus, now: Timestamp) -> String {
    table(&["GATE", "WHERE", "STATE", "SINCE", "SAYS"], status.gates.iter().map(|known| gate(known, now)))
}

/// The last `most` steps, as a table, the newest first; nothing where there are none.
pub fn history(status: &RolloutStatus, most: usize, now: Timestamp) -> String {
    let step = |step: &Transition| {
        vec![format!("{} ago", moments::since(step.at, now)), step.reason.clone(), step.message.clone()]
    };
    table(&["WHEN", "WHAT", "WHY"], status.history.iter().take(most).map(step))
}

fn gate(gate: &GateStatus, now: Timestamp) -> Vec<String> {
    let since = format!("{} ago", moments::since(gate.answered_at.unwrap_or(gate.since), now));
    vec![gate.name.clone(), gate.place.clone(), format!("{:?}", gate.state), since, gate.message.clone()]
}

/// Rows below their heads; nothing where there are none.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let heads = heads.iter().map(|&head| head.to_owned()).collect();
    aligned(&[vec![heads], rows].concat())
}
