//! The CEL rules of the CRD, each at the field that breaks it.

use serde_json::Value;
use tidegate_api::{
    BrokenRule, Culprit, Percent, broken_rules,
    manifest::{field, item},
    nearest::did_you_mean,
};

use super::finding::{Finding, LocatedDocument};

/// The rules that `rollout` breaks.
pub fn check(rollout: &LocatedDocument) -> Vec<Finding> {
    let object = without_nulls(rollout.document.value());
    let mut findings = Vec::new();
    for BrokenRule { field, sentence, culprit } in broken_rules(&object) {
        let culprits = culprits(&object, &field, culprit);
        let places = if culprits.is_empty() { vec![field] } else { culprits };
        findings.extend(places.into_iter().map(|place| {
            let near = if culprit == Culprit::UnknownOverrides { meant(&object, &place) } else { String::new() };
            rollout.error(place, format!("{sentence}{near}"))
        }));
    }
    findings
}

/// The fields that break a rule which is reported for `path`.
fn culprits(object: &Value, path: &str, culprit: Culprit) -> Vec<String> {
    let at = at(object, path);
    let has = |name: &&str| at.is_some_and(|at| at.get(name).is_some());
    match culprit {
        Culprit::Itself => Vec::new(),
        Culprit::AllButFirst(names) => names.iter().copied().filter(has).skip(1).map(|it| field(path, it)).collect(),
        Culprit::AnyOf(names) => names.iter().copied().filter(has).map(|it| field(path, it)).collect(),
        Culprit::FallingWeights => falling(at, path),
        Culprit::FallingCadence => no_later(at, path),
        Culprit::LastWeight => {
            let last = at.and_then(Value::as_array).and_then(|stages| stages.len().checked_sub(1));
            last.map(|last| field(&item(path, last), "weight")).into_iter().collect()
        }
        Culprit::DrillAtAnEnd => {
            let stages = at.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let ends = [0, stages.len().saturating_sub(1)];
            let drills =
                (0..stages.len()).filter(|place| ends.contains(place) && stages[*place].get("drill").is_some());
            drills.map(|place| field(&item(path, place), "drill")).collect()
        }
        Culprit::RoutelessRequests => of_stages(at, path, |stage| {
            ["match", "mirror"].into_iter().filter(|name| stage.get(name).is_some()).collect()
        }),
        Culprit::RoutelessNothing => of_stages(at, path, |stage| {
            let weight = stage
                .get("weight")
                .and_then(Value::as_str)
                .filter(|weight| weight.trim_end_matches('%').parse() == Ok(0.0));
            weight.map(|_| "weight").into_iter().chain(stage.get("preview").map(|_| "preview")).collect()
        }),
        Culprit::RoutelessWarmth => {
            of_stages(at, path, |stage| stage.get("stableReplicas").map(|_| "stableReplicas").into_iter().collect())
        }
        Culprit::PreviewedService => of_stages(at, path, |stage| {
            let text = |value: &'_ Value, pointer| {
                value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let (service, name) = (text(object, "/spec/service"), text(stage, "/preview/service"));
            let own = ["", "-stable", "-canary"].map(|suffix| format!("{service}{suffix}"));
            own.contains(&name).then_some("preview").into_iter().collect()
        }),
        Culprit::UnknownOverrides => {
            overrides(object, path, |own, check| (check.is_none() && !asks(own)).then_some("name"))
        }
        Culprit::OwnChecks => {
            let is_asked = object.pointer("/spec/analysis").is_some();
            overrides(object, path, |own, check| (asks(own) && (check.is_some() || !is_asked)).then_some("name"))
        }
        Culprit::OverriddenMins => overrides(object, path, |own, check| {
            let query = asks(own) || check.is_some_and(|check| check.get("query").is_some());
            (own.get("min").is_some() && !query).then_some("min")
        }),
        Culprit::OverriddenMaxes => overrides(object, path, |own, check| {
            let misfit = own.get("max").zip(check).is_some_and(|(max, check)| !fits(max, check));
            misfit.then_some("max")
        }),
    }
}

/// The fields of stages that are in the wrong.
fn of_stages(stages: Option<&Value>, path: &str, wrong: impl Fn(&Value) -> Vec<&'static str>) -> Vec<String> {
    let stages = stages.and_then(Value::as_array).into_iter().flatten().enumerate();
    let asked =
        stages.flat_map(|(index, stage)| wrong(stage).into_iter().map(move |name| field(&item(path, index), name)));
    asked.collect()
}

/// The fields of overrides in the stages at `path` that `misfit` finds, given an override and the check that it is of.
fn overrides(
    object: &Value,
    path: &str,
    misfit: impl Fn(&Value, Option<&Value>) -> Option<&'static str>,
) -> Vec<String> {
    let checks = list(object.pointer("/spec/analysis"), "checks");
    let check = |name: Option<&Value>| {
        let mut checks = checks.into_iter().flatten();
        checks.find(|check| name.is_some() && check.get("name") == name)
    };
    let mut culprits = Vec::new();
    for (stage, value) in at(object, path).and_then(Value::as_array).into_iter().flatten().enumerate() {
        for (index, own) in list(Some(value), "checks").into_iter().flatten().enumerate() {
            let place = item(&field(&item(path, stage), "checks"), index);
            culprits.extend(misfit(own, check(own.get("name"))).map(|name| field(&place, name)));
        }
    }
    culprits
}

/// Whether what a stage has is a check of its own.
fn asks(check: &Value) -> bool {
    ["errorRate", "latency", "query"].into_iter().any(|name| check.get(name).is_some())
}

fn list<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Vec<Value>> {
    value?.get(name)?.as_array()
}

/// Whether a limit has the form of the check's own.
fn fits(limit: &Value, check: &Value) -> bool {
    let text = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
    if check.get("errorRate").is_some() {
        text.parse::<Percent>().is_ok()
    } else if check.get("latency").is_some() {
        text.parse::<tidegate_api::Span>().is_ok()
    } else {
        text.parse::<f64>().is_ok()
    }
}

/// The weights that are lower than the one before.
fn falling(stages: Option<&Value>, path: &str) -> Vec<String> {
    let weight = |stage: &Value| serde_json::from_value::<Percent>(stage.get("weight")?.clone()).ok();
    let stages = stages.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let falls = stages.windows(2).enumerate().filter(|(_, pair)| {
        let [before, after] = pair else { return false };
        weight(before).zip(weight(after)).is_some_and(|(before, after)| after < before)
    });
    falls.map(|(index, _)| field(&item(path, index + 1), "weight")).collect()
}

/// The beginnings of steps that are no later than that of the one before.
fn no_later(steps: Option<&Value>, path: &str) -> Vec<String> {
    let after = |step: &Value| {
        let written = step.get("after").map(|after| serde_json::from_value::<tidegate_api::Span>(after.clone()));
        written.map_or(Some(tidegate_api::Span::default()), Result::ok)
    };
    let steps = steps.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let falls = steps.windows(2).enumerate().filter(|(_, pair)| {
        let [before, later] = pair else { return false };
        after(before).zip(after(later)).is_some_and(|(before, later)| later <= before)
    });
    let place = |(index, pair): (usize, &[Value])| {
        let step = item(path, index + 1);
        let is_written = pair.last().is_some_and(|step| step.get("after").is_some());
        if is_written { field(&step, "after") } else { step }
    };
    falls.map(place).collect()
}

/// The check whose name is nearest to the one at `path`.
fn meant(object: &Value, path: &str) -> String {
    let checks = object.pointer("/spec/analysis/checks").and_then(Value::as_array);
    let names = checks.into_iter().flatten().filter_map(|check| check.get("name")?.as_str());
    let name = at(object, path).and_then(Value::as_str).unwrap_or_default();
    did_you_mean(name, names)
}

/// What stands at a path such as `spec.stages[0].name`.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.into_iter().try_fold(object, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    })
}

/// The object as the API server sees it: it drops a null from every field that is not nullable, before any rule.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let written = fields.iter().filter(|(_, value)| !value.is_null());
            written.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
