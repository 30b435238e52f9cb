//! The PromQL of the checks: whether it can be read once its variables are filled in, and whether it yields what the
//! check needs.

use promql_parser::parser::{Expr, VectorSelector, parse, value::ValueType};
use serde_json::Value;

use super::finding::{Finding, Written};
use crate::{
    api::{
        RevisionStatus, Span,
        manifest::{field, item},
    },
    metrics::{Scope, render},
};

/// What the PromQL of `rollout` has wrong.
pub fn check(rollout: &Written) -> Vec<Finding> {
    let checks = rollout.document.value().pointer("/spec/analysis/checks").and_then(Value::as_array);
    let mut findings = Vec::new();
    for (index, check) in checks.into_iter().flatten().enumerate() {
        let path = item("spec.analysis.checks", index);
        let text = |names: [&str; 3]| {
            let value = names.iter().filter(|name| !name.is_empty()).try_fold(check, |value, name| value.get(name))?;
            let path = names.iter().filter(|name| !name.is_empty()).fold(path.clone(), |path, name| field(&path, name));
            Some((path, value.as_str().filter(|text| !text.is_empty())?))
        };
        if let Some((path, expr)) = text(["query", "expr", ""]) {
            findings.extend(value(rollout, &path, expr));
        }
        let total = text(["errorRate", "counters", "total"]);
        let errors = text(["errorRate", "counters", "errors"]);
        if let (Some((_, total)), Some((path, errors))) = (&total, &errors)
            && total == errors
        {
            let message = "errors and total select the same series, so every request would count as failed";
            findings.push(rollout.error(path, message));
        }
        for (path, counter) in errors.into_iter().chain(total) {
            findings.extend(selector(rollout, &path, counter).err());
            findings.extend(same_for_both(rollout, &path, counter));
        }
        if let Some((path, buckets)) = text(["latency", "histogram", "buckets"]) {
            findings.extend(histogram(rollout, &path, buckets));
            findings.extend(same_for_both(rollout, &path, buckets));
        }
    }
    findings
}

/// A query has to yield one number.
fn value(rollout: &Written, path: &str, expr: &str) -> Option<Finding> {
    let parsed = match parsed(rollout, path, expr, "a") {
        Ok(parsed) => parsed,
        Err(finding) => return Some(finding),
    };
    let wanted = match parsed.value_type() {
        ValueType::Vector | ValueType::Scalar => return None,
        ValueType::Matrix => {
            "yields all samples of a time instead of one number; put it into rate() or avg_over_time()"
        }
        ValueType::String => "yields a text instead of a number",
    };
    Some(rollout.error(path, format!("the query {wanted}")))
}

/// A counter has to be a plain selector: its raw samples are read.
fn selector(rollout: &Written, path: &str, text: &str) -> Result<VectorSelector, Finding> {
    let refused = || {
        let message = "the raw samples of a counter are read, so this must be a plain selector such as \
                       http_requests_total{pod=~\"{{pods}}\"}, without rate(), sum() or a range";
        rollout.error(path, message)
    };
    match parsed(rollout, path, text, "a")? {
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => Ok(selector),
        _ => Err(refused()),
    }
}

fn histogram(rollout: &Written, path: &str, text: &str) -> Option<Finding> {
    let selector = match selector(rollout, path, text) {
        Ok(selector) => selector,
        Err(finding) => return Some(finding),
    };
    if selector.matchers.matchers.iter().any(|matcher| matcher.name == "le") {
        let message = "a matcher for le leaves some buckets out, and without all of them there is no quantile";
        return Some(rollout.error(path, message));
    }
    let name = selector.name.filter(|name| !name.ends_with("_bucket"))?;
    let message = format!("the buckets of a classic histogram end in _bucket; did you mean {name}_bucket?");
    Some(rollout.warning(path, message))
}

/// A selector that reads the same for two versions judges them as one.
fn same_for_both(rollout: &Written, path: &str, text: &str) -> Option<Finding> {
    let [canary, stable] = ["a", "b"].map(|revision| rendered(rollout, text, revision).ok());
    let message = "this selects the same series for both versions, so the new one is judged by the requests of the \
                   old one too; add pod=~\"{{pods}}\"";
    (canary.is_some() && canary == stable).then(|| rollout.warning(path, message))
}

fn parsed(rollout: &Written, path: &str, text: &str, revision: &str) -> Result<Expr, Finding> {
    let promql = rendered(rollout, text, revision).map_err(|error| rollout.error(path, error.to_string()))?;
    parse(&promql).map_err(|error| {
        let reason = error.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it cannot be read");
        rollout.error(path, format!("this is not PromQL: {reason}"))
    })
}

/// The query as Prometheus would get it for a version.
fn rendered(rollout: &Written, text: &str, revision: &str) -> Result<String, crate::metrics::TemplateError> {
    let revision =
        RevisionStatus { revision: revision.to_owned(), replica_set: format!("x-{revision}"), ..Default::default() };
    let scope = Scope {
        namespace: Some(rollout.namespace()).filter(|namespace| !namespace.is_empty()).unwrap_or("default"),
        rollout: rollout.name(),
        service: rollout.document.text(&["spec", "service"]).unwrap_or_default(),
        revision: &revision,
        window: Span::seconds(60),
    };
    render(text, &scope)
}
