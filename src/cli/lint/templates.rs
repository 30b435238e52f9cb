//! Templates among the documents, and the checks that use them or a preset.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;
use tidegate_analysis::{Parameters, QueryError, Templates, template_of, usable};
use tidegate_api::{
    Check, CheckTemplateKind, CheckTemplateRef, CheckTemplateSpec, Parameter, ParameterType, ParameterValues, Rollout,
    RolloutSpec, StageCheck,
    manifest::{field, item},
    nearest::did_you_mean,
};

use super::{
    GROUP,
    finding::{Finding, LocatedDocument},
    queries::{At, Queries},
};

/// Whether the document is a template of either kind.
pub fn is_template(written: &LocatedDocument) -> bool {
    kind_of(written).is_some()
}

fn kind_of(written: &LocatedDocument) -> Option<CheckTemplateKind> {
    let kinds = [CheckTemplateKind::CheckTemplate, CheckTemplateKind::ClusterCheckTemplate];
    let named = kinds.into_iter().find(|kind| kind.to_string() == written.kind());
    named.filter(|_| written.group() == GROUP)
}

/// What the PromQL and the regular expressions of a template have wrong.
pub fn check(template: &LocatedDocument) -> Vec<Finding> {
    let Some(value) = template.document.value().get("spec") else { return Vec::new() };
    let Ok(spec) = serde_json::from_value::<CheckTemplateSpec>(value.clone()) else { return Vec::new() };
    let declared = spec.parameters.unwrap_or_default();
    let parameters = match Parameters::bind("the template", &declared, Some(&examples(&declared))) {
        Ok(parameters) => parameters,
        Err(error) => return vec![template.error("spec.parameters", error.to_string())],
    };
    let queries = Queries { written: template, service: "service", is_routed: true, parameters: &parameters };
    let at = At { path: "spec".to_owned(), value };
    let mut findings: Vec<_> = bad_defaults(template, &declared).collect();
    for other in alternatives(value, "requests") {
        findings.extend(other.text(&["selector"]).and_then(|(path, selector)| queries.selector(&path, selector).err()));
    }
    for other in alternatives(value, "latency") {
        findings.extend(other.text(&["buckets"]).and_then(|(path, buckets)| queries.histogram(&path, buckets)));
    }
    for names in [["requests", "selector"], ["requests", "stableSelector"]] {
        findings.extend(at.text(&names).and_then(|(path, selector)| queries.selector(&path, selector).err()));
    }
    findings.extend(queries.counters([["requests", "errors"], ["requests", "total"]].map(|names| at.text(&names))));
    for names in [["latency", "buckets"], ["latency", "stableBuckets"]] {
        findings.extend(at.text(&names).and_then(|(path, buckets)| queries.histogram(&path, buckets)));
    }
    findings.extend(at.text(&["query", "expr"]).and_then(|(path, expr)| queries.value(&path, expr)));
    if let Some((path, failures)) = at.text(&["requests", "status", "failures"]) {
        findings.extend(queries.pattern(&path, failures));
    }
    findings
}

/// The alternatives of a part of a template.
fn alternatives<'a>(spec: &'a Value, part: &str) -> impl Iterator<Item = At<'a>> {
    let path = field(&field("spec", part), "alternatives");
    let written = spec.get(part).and_then(|part| part.get("alternatives")?.as_array());
    written.into_iter().flatten().enumerate().map(move |(index, value)| At { path: item(&path, index), value })
}

/// A pattern that no API server can look at.
fn bad_defaults(template: &LocatedDocument, declared: &[Parameter]) -> impl Iterator<Item = Finding> {
    let bad = declared.iter().enumerate().filter(|(_, parameter)| {
        let default = parameter.default.as_deref().filter(|_| parameter.type_ == ParameterType::Pattern);
        default.is_some_and(|default| Regex::new(default).is_err())
    });
    bad.map(|(index, parameter)| {
        let path = field(&item("spec.parameters", index), "default");
        template
            .error(path, format!("{:?} is not a regular expression", parameter.default.as_deref().unwrap_or_default()))
    })
}

/// Something for each parameter that a template could be filled in with.
fn examples(declared: &[Parameter]) -> ParameterValues {
    let example = |parameter: &Parameter| match parameter.type_ {
        ParameterType::Text => "text",
        ParameterType::Pattern => ".+",
        ParameterType::Name => "name",
        ParameterType::Number => "1",
        ParameterType::Duration => "1m",
    };
    ParameterValues(declared.iter().map(|one| (one.name.clone(), example(one).to_owned())).collect())
}

/// Which checks of `rollout` use a preset or a template otherwise than it asks for. A template that is not among the
/// documents may well be in the cluster.
pub fn uses(written: &LocatedDocument, rollout: &Rollout, all: &[LocatedDocument]) -> Vec<Finding> {
    let templates = among(written, all);
    let each = checks(&rollout.spec).into_iter();
    each.filter_map(|(path, check)| use_of(written, rollout, (&path, check), &templates, all)).collect()
}

/// The checks of a Rollout, and those of its stages, with where they stand.
fn checks(spec: &RolloutSpec) -> Vec<(String, &Check)> {
    let of_all = spec.analysis.iter().flat_map(|analysis| &analysis.checks).enumerate();
    let mut checks: Vec<_> = of_all.map(|(index, check)| (item("spec.analysis.checks", index), check)).collect();
    for (number, stage) in spec.stages.iter().flatten().enumerate() {
        let path = field(&item("spec.stages", number), "checks");
        let written = stage.checks.iter().flatten().enumerate();
        checks.extend(written.filter_map(|(index, written)| match written {
            StageCheck::Own(check) => Some((item(&path, index), &**check)),
            StageCheck::Override(_) => None,
        }));
    }
    checks
}

fn use_of(
    written: &LocatedDocument,
    rollout: &Rollout,
    (path, check): (&str, &Check),
    templates: &Templates,
    all: &[LocatedDocument],
) -> Option<Finding> {
    let fault = usable(check, &rollout.spec, templates).err()?;
    let asks = [
        ("errorRate", check.error_rate.is_some()),
        ("latency", check.latency.is_some()),
        ("query", check.query.is_some()),
    ];
    let (asks, _) = asks.into_iter().find(|(_, is_asked)| *is_asked)?;
    let path = field(path, asks);
    match (&fault, template_of(check)) {
        (QueryError::TemplateNotFound { .. }, Some(reference)) => {
            let of_kind = all.iter().filter(|other| kind_of(other) == Some(reference.kind()));
            let near = did_you_mean(&reference.name, of_kind.map(LocatedDocument::name));
            let message = format!("{reference} is not in these files{near}");
            (!near.is_empty()).then(|| written.warning(field(&path, "template.name"), message))
        }
        (QueryError::Parameter(error), _) => {
            let parameters = field(&path, "parameters");
            Some(written.error(field(&parameters, error.name()), error.to_string()))
        }
        (_, Some(_)) => Some(written.error(field(&path, "template"), fault.to_string())),
        _ => Some(written.error(field(&path, "preset"), fault.to_string())),
    }
}

/// The templates among the documents that the Rollout can name.
pub(super) fn among(rollout: &LocatedDocument, all: &[LocatedDocument]) -> Templates {
    let mut templates = Templates::default();
    for written in all {
        let Some(kind) = kind_of(written) else { continue };
        let reachable = kind == CheckTemplateKind::ClusterCheckTemplate || written.namespace() == rollout.namespace();
        let spec = written.document.value().get("spec").cloned().unwrap_or(Value::Null);
        if let (true, Ok(spec)) = (reachable, serde_json::from_value::<CheckTemplateSpec>(spec)) {
            let reference = CheckTemplateRef { name: written.name().to_owned(), kind: Some(kind) };
            templates.insert(&reference, Arc::new(spec));
        }
    }
    templates
}
