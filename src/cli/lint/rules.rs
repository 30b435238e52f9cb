//! The CEL rules of the CRD, each at the field that breaks it.

use serde_json::Value;
use tidegate_api::{
    BrokenRule, Percent, broken_rules,
    manifest::{field, item},
    nearest::did_you_mean,
};

use super::finding::{Finding, Written};

/// The rules that `rollout` breaks.
pub fn check(rollout: &Written) -> Vec<Finding> {
    let object = without_nulls(rollout.document.value());
    let mut findings = Vec::new();
    for BrokenRule { field, sentence } in broken_rules(&object) {
        let culprits = culprits(&object, &field, &sentence);
        if culprits.is_empty() {
            findings.push(rollout.error(field, sentence));
        } else {
            findings.extend(culprits.into_iter().map(|culprit| {
                let near = if sentence.contains("does not have") { meant(&object, &culprit) } else { String::new() };
                rollout.error(culprit, format!("{sentence}{near}"))
            }));
        }
    }
    findings
}

/// The fields that break a rule which is about more than one field: a rule over a list names the list only.
fn culprits(object: &Value, path: &str, sentence: &str) -> Vec<String> {
    let at = at(object, path);
    let present = |name: &str| at.is_some_and(|at| at.get(name).is_some()).then(|| field(path, name));
    let starts = |start: &str| sentence.starts_with(start);
    if starts("a stage overrides") {
        return overrides(object, path, sentence);
    }
    if starts("the weights of the stages must rise") {
        return falling(at, path);
    }
    if starts("the last stage must have weight") {
        let last = at.and_then(Value::as_array).and_then(|stages| stages.len().checked_sub(1));
        return last.map(|last| field(&item(path, last), "weight")).into_iter().collect();
    }
    let named: &[&str] = if starts("a stage's deadline") {
        &["deadline"]
    } else if starts("maxSurge has no meaning") {
        &["maxSurge"]
    } else if starts("a check asks exactly one") {
        // The first is as good as any; what comes after it is too much.
        return ["errorRate", "latency", "query"].into_iter().filter_map(present).skip(1).collect();
    } else if sentence.contains("takes exactly one of a preset") {
        let sources = ["preset", "counters", "histogram", "template"];
        return sources.into_iter().filter_map(present).skip(1).collect();
    } else if starts("a query takes either") {
        return ["expr", "template"].into_iter().filter_map(present).skip(1).collect();
    } else if starts("parameters are for") {
        &["parameters"]
    } else if starts("a parameter must not be called") {
        &["name"]
    } else if starts("the default of a") {
        &["default"]
    } else if starts("a query's min") {
        &["min"]
    } else if starts("a query with both min and max") {
        &["warn"]
    } else {
        &[]
    };
    named.iter().copied().filter_map(present).collect()
}

/// The overrides that break the rule: of a check that is not there, or in a form that the check does not have.
fn overrides(object: &Value, path: &str, sentence: &str) -> Vec<String> {
    let spec = at(object, path);
    let checks = list(spec.and_then(|spec| spec.get("analysis")), "checks");
    let check = |name: Option<&Value>| {
        let mut checks = checks.into_iter().flatten();
        checks.find(|check| name.is_some() && check.get("name") == name)
    };
    let mut culprits = Vec::new();
    for (stage, value) in list(spec, "stages").into_iter().flatten().enumerate() {
        for (index, own) in list(Some(value), "checks").into_iter().flatten().enumerate() {
            let check = check(own.get("name"));
            let culprit = if sentence.contains("does not have") {
                check.is_none().then_some("name")
            } else if sentence.contains("overrides min") {
                let query = check.is_some_and(|check| check.get("query").is_some());
                (own.get("min").is_some() && !query).then_some("min")
            } else {
                let misfit = own.get("max").zip(check).is_some_and(|(max, check)| !fits(max, check));
                misfit.then_some("max")
            };
            let place = item(&field(&item(&field(path, "stages"), stage), "checks"), index);
            culprits.extend(culprit.map(|name| field(&place, name)));
        }
    }
    culprits
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
