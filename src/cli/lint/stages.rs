//! Settings of stages and checks that contradict each other: what can never be reached, never be seen, never matter.

use std::time::Duration;

use tidegate_api::{Check, OnInconclusive, Percent, Replicas, Rollout, RolloutSpec, Span, Stage, StageCheck};
use tidegate_judge::{Question, Tolerance, ValueLimits, question};
use tidegate_planner::{plan::capacity, traffic::replica_count};

use super::finding::{Finding, LocatedDocument};

/// What the stages and checks of `rollout` have wrong, whatever the traffic.
pub fn check(written: &LocatedDocument, rollout: &Rollout) -> Vec<Finding> {
    let (spec, mut findings) = (&rollout.spec, Vec::new());
    findings.extend(nothing_decides(written, spec));
    findings.extend(never_inconclusive(written, spec));
    let stages = spec.stages();
    findings.extend(equal_weights(written, &stages));
    for (index, stage) in stages.iter().enumerate() {
        findings.extend(without_requests(written, index, stage));
        findings.extend(waits_for_nothing(written, spec, index, stage));
        findings.extend(coarse(written, rollout, index, stage));
        findings.extend(too_few_pods(written, rollout, index, stage));
    }
    for asked in questions(spec, &stages) {
        findings.extend(limits(written, &asked));
        findings.extend(too_patient(written, &asked));
    }
    findings
}

/// What a check asks in one stage.
pub struct Asked<'a> {
    pub stage: &'a Stage,
    pub check: &'a Check,
    pub question: Question,
    /// Where the limits stand: the stage's own, or the check's.
    pub path: String,
    /// Whether this is the first stage that asks so.
    pub first: bool,
}

/// What every check asks in every stage, with the path of its limits.
pub fn questions<'a>(spec: &'a RolloutSpec, stages: &'a [Stage]) -> Vec<Asked<'a>> {
    let mut asked = Vec::new();
    for (index, check) in spec.analysis.iter().flat_map(|analysis| &analysis.checks).enumerate() {
        let own = format!("spec.analysis.checks[{index}].{}", form(check));
        let mut told = false;
        for (number, stage) in met(stages) {
            let over = stage.override_of(&check.name);
            let is_it = |written: &StageCheck| matches!(written, StageCheck::Override(it) if it.name == check.name);
            let changed = stage.checks.iter().flatten().position(is_it);
            let path = changed.map_or(own.clone(), |changed| format!("spec.stages[{number}].checks[{changed}]"));
            // A limit in another form than the check's own is found by the rules.
            let Ok(question) = question(check, over) else { continue };
            let first = over.is_some() || !told;
            told |= over.is_none();
            asked.push(Asked { stage, check, question, path, first });
        }
    }
    for (number, stage) in met(stages) {
        for (index, written) in stage.checks.iter().flatten().enumerate() {
            let StageCheck::Own(check) = written else { continue };
            let Ok(question) = question(check, None) else { continue };
            let path = format!("spec.stages[{number}].checks[{index}].{}", form(check));
            asked.push(Asked { stage, check, question, path, first: true });
        }
    }
    asked
}

/// The stages in which something is asked: where anybody meets the new version.
fn met(stages: &[Stage]) -> impl Iterator<Item = (usize, &Stage)> {
    stages.iter().enumerate().filter(|(_, stage)| stage.gives_requests())
}

/// The field that says what `check` asks.
fn form(check: &Check) -> &'static str {
    if check.error_rate.is_some() {
        "errorRate"
    } else if check.latency.is_some() {
        "latency"
    } else {
        "query"
    }
}

fn nothing_decides(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let Some(analysis) = &spec.analysis else {
        let message = "without analysis nothing is asked: a new version goes on as soon as its pods are ready and time has passed";
        return Some(rollout.warning("spec", message));
    };
    let stages = spec.stages();
    let decides = questions(spec, &stages).iter().any(|asked| asked.question.decides());
    let message = "no check has max or min in any stage: they only warn, and a bad version is promoted all the same";
    (!decides && !analysis.checks.is_empty()).then(|| rollout.warning("spec.analysis.checks", message))
}

fn never_inconclusive(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let matters = spec.on_inconclusive.is_some_and(|answer| answer != OnInconclusive::Hold);
    let deadlines = spec.stages().iter().any(|stage| stage.deadline.is_some());
    let message = "no stage has a deadline, so onInconclusive never applies: give a stage a deadline";
    (matters && !deadlines).then(|| rollout.warning("spec.onInconclusive", message))
}

fn equal_weights(rollout: &LocatedDocument, stages: &[Stage]) -> Vec<Finding> {
    let pairs = stages.windows(2).enumerate();
    let equal = pairs.filter_map(|(index, pair)| {
        let [before, after] = pair else { return None };
        let same = (before.weight, &before.matches, before.mirror) == (after.weight, &after.matches, after.mirror);
        same.then(|| {
            let message = format!(
                "stage {} has the same weight as stage {} before it: it moves no traffic",
                after.name, before.name
            );
            rollout.warning(format!("spec.stages[{}].weight", index + 1), message)
        })
    });
    equal.collect()
}

/// Where nobody meets the new version, no check decides.
fn without_requests(rollout: &LocatedDocument, index: usize, stage: &Stage) -> Option<Finding> {
    let overrides = stage.checks.as_ref().filter(|_| !stage.gives_requests())?;
    (!overrides.is_empty()).then(|| {
        let message = format!(
            "stage {} gives the new version no requests, so no check decides in it: leave its checks out",
            stage.name
        );
        rollout.warning(format!("spec.stages[{index}].checks"), message)
    })
}

fn waits_for_nothing(rollout: &LocatedDocument, spec: &RolloutSpec, index: usize, stage: &Stage) -> Option<Finding> {
    stage.deadline?;
    let decides = questions(spec, std::slice::from_ref(stage)).iter().any(|asked| asked.question.decides());
    let message = format!(
        "no check decides in stage {}, so it is left after its bake and its deadline never applies",
        stage.name
    );
    (!decides).then(|| rollout.warning(format!("spec.stages[{index}].deadline"), message))
}

/// The share of the traffic that a stage really gives to the new version: without a route, that of its pods, as far
/// as their number is known.
pub fn reached(rollout: &Rollout, stage: &Stage) -> Percent {
    if rollout.spec.is_routed() || rollout.spec.replicas.is_none() {
        return stage.weight;
    }
    let counts = capacity::in_stage(rollout, stage);
    replica_count::share(counts.stable, counts.canary)
}

/// Few pods make a coarse split.
fn coarse(written: &LocatedDocument, rollout: &Rollout, index: usize, stage: &Stage) -> Option<Finding> {
    let reached = reached(rollout, stage).percent();
    let message = format!(
        "without spec.traffic the share of pods is the share of traffic: stage {} gets {reached:.0}% instead of {}",
        stage.name, stage.weight
    );
    let twice = stage.weight.percent() > 0.0 && reached >= 2.0 * stage.weight.percent();
    twice.then(|| written.warning(format!("spec.stages[{index}].weight"), message))
}

/// A stage that asks for fewer pods than its weight needs. It gets them, with the traffic of more.
fn too_few_pods(written: &LocatedDocument, rollout: &Rollout, index: usize, stage: &Stage) -> Option<Finding> {
    let asked = stage.replicas?;
    // A percentage says enough by itself; a count only beside the number of all.
    let total = match asked {
        Replicas::Count(_) => rollout.spec.replicas?,
        Replicas::Share(_) => rollout.spec.replicas.unwrap_or(100),
    };
    let (pods, needed) = (asked.of(total), stage.weight.of(total));
    let carried = Percent::new((f64::from(pods) * 100.0 / f64::from(total.max(1))).round());
    let message = if rollout.spec.routes().is_empty() {
        format!(
            "stage {} has too few new pods for {}: without spec.traffic stable's stay beside them, and the new version gets no more than about {carried}; leave out replicas",
            stage.name, stage.weight
        )
    } else {
        format!(
            "stage {} gives {} of the traffic to pods that carry about {carried} of it, if as many as serve today are needed: leave out replicas, or raise it",
            stage.name, stage.weight
        )
    };
    (total > 0 && pods < needed).then(|| written.warning(format!("spec.stages[{index}].replicas"), message))
}

/// Limits that can never be passed, never be exceeded, or never warn before they fail.
fn limits(rollout: &LocatedDocument, asked: &Asked<'_>) -> Vec<Finding> {
    if !asked.first {
        return Vec::new();
    }
    let name = &asked.check.name;
    let at = |limit: &str| format!("{}.{limit}", asked.path);
    let mut findings = Vec::new();
    match &asked.question {
        Question::Proportion { max, warn, .. } => {
            if let (Some(max), Some(warn)) = (max, warn)
                && !warns_first(max, warn)
            {
                let message = format!("check {name} fails before it warns: warn must be below max");
                findings.push(rollout.warning(at("warn"), message));
            }
            if asked.check.error_rate.is_some() {
                findings.extend(
                    max.iter()
                        .filter_map(|max| never(name, max.boundary.margin))
                        .map(|m| rollout.warning(at("max"), m)),
                );
            }
        }
        Question::Value(limits) => {
            if value_fails_first(limits) {
                let side = if limits.min.is_some() { "above min" } else { "below max" };
                let message = format!("check {name} fails before it warns: warn must be {side}");
                findings.push(rollout.warning(at("warn"), message));
            }
        }
    }
    findings
}

fn warns_first(max: &Tolerance, warn: &Tolerance) -> bool {
    use tidegate_judge::Indicator::SlowerThan;
    match (max.subject, warn.subject) {
        (SlowerThan(max, _), SlowerThan(warn, _)) => warn < max,
        _ => warn.boundary.margin < max.boundary.margin,
    }
}

fn value_fails_first(limits: &ValueLimits) -> bool {
    let Some(warn) = limits.warn else { return false };
    limits.max.is_some_and(|max| warn >= max) || limits.min.is_some_and(|min| warn <= min)
}

/// An error rate that no version can exceed, or none can keep.
fn never(name: &str, share: f64) -> Option<String> {
    if share >= 1.0 {
        Some(format!("check {name} can never fail: no more than 100% of the requests can fail"))
    } else if share <= 0.0 {
        Some(format!(
            "check {name} can never pass: no number of requests shows that none will ever fail; give it a limit such as 0.1%"
        ))
    } else {
        None
    }
}

/// A query that may be beyond its limit for longer than the stage has time for evidence.
fn too_patient(rollout: &LocatedDocument, asked: &Asked<'_>) -> Option<Finding> {
    let Question::Value(limits) = &asked.question else { return None };
    let deadline = asked.stage.deadline?;
    if limits.lasting < deadline.duration() || limits.lasting == Duration::ZERO {
        return None;
    }
    let message = format!(
        "check {} fails only after {} beyond its limit, but the deadline of stage {} is {deadline}: it can never fail there",
        asked.check.name,
        Span::from(limits.lasting),
        asked.stage.name
    );
    let stage = rollout.document.value().pointer("/spec/stages")?.as_array()?;
    let index = stage.iter().position(|stage| stage.get("name").is_some_and(|name| *name == *asked.stage.name))?;
    Some(rollout.warning(format!("spec.stages[{index}].deadline"), message))
}
