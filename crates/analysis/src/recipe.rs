//! What a check reads, before its variables are filled in: from a preset, from somebody's template, or its own.

use std::{collections::BTreeMap, sync::Arc};

use tidegate_api::{
    Check, CheckTemplateKind, CheckTemplateRef, CheckTemplateSpec, Exclude, LatencySource, ParameterValues, Preset,
    QuerySource, RequestSource, StatusLabel, TimeUnit,
};

use super::{error::QueryError, parameters::Parameters, presets};

/// The templates that checks may name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Templates {
    known: BTreeMap<CheckTemplateRef, Arc<CheckTemplateSpec>>,
    /// Whether those of the cluster are known at all.
    namespace_only: bool,
}

impl Templates {
    /// Knows none of the cluster's, and says so: for an operator that may not read them.
    #[must_use]
    pub fn namespace_only() -> Self {
        Self { namespace_only: true, ..Self::default() }
    }

    /// Adds a template.
    pub fn insert(&mut self, reference: &CheckTemplateRef, spec: Arc<CheckTemplateSpec>) {
        self.known.insert(normal(reference), spec);
    }

    fn get(&self, reference: &CheckTemplateRef) -> Result<&CheckTemplateSpec, QueryError> {
        let found = self.known.get(&normal(reference)).map(Arc::as_ref);
        found.ok_or_else(|| match reference.kind() {
            CheckTemplateKind::ClusterCheckTemplate if self.namespace_only => {
                QueryError::TemplateOutOfReach { name: reference.name.clone() }
            }
            _ => QueryError::TemplateNotFound { template: reference.to_string() },
        })
    }
}

/// With its kind, whether that was written or left to the default.
fn normal(reference: &CheckTemplateRef) -> CheckTemplateRef {
    CheckTemplateRef { name: reference.name.clone(), kind: Some(reference.kind()) }
}

/// The template that `check` names, if it names one.
#[must_use]
pub fn template_of(check: &Check) -> Option<&CheckTemplateRef> {
    let error_rate = check.error_rate.as_ref().and_then(|errors| errors.template.as_ref());
    let latency = check.latency.as_ref().and_then(|latency| latency.template.as_ref());
    let query = check.query.as_ref().and_then(|query| query.template.as_ref());
    error_rate.or(latency).or(query)
}

/// What a check reads, and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recipe<'a> {
    pub(super) reads: Reads<'a>,
    pub(super) parameters: Parameters,
    /// Whether it is a preset or a template: then it has to tell the versions apart.
    pub(super) is_published: bool,
    /// What the check leaves out, if it says so.
    pub(super) exclude: Option<&'a Exclude>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reads<'a> {
    Requests {
        selector: &'a str,
        stable: Option<&'a str>,
        alternatives: Vec<&'a str>,
        status: &'a StatusLabel,
    },
    Counters {
        errors: &'a str,
        total: &'a str,
    },
    /// Alternatives have units of their own.
    Buckets {
        selector: &'a str,
        stable: Option<&'a str>,
        unit: TimeUnit,
        alternatives: Vec<(&'a str, TimeUnit)>,
        /// What counts the requests that the histogram should have, where somebody says it.
        expected: Option<Expected<'a>>,
    },
    Query(&'a str),
    Nothing,
}

/// Counters of all requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected<'a> {
    pub(super) selector: &'a str,
    pub(super) stable: Option<&'a str>,
    pub(super) alternatives: Vec<&'a str>,
}

impl<'a> Expected<'a> {
    fn only(selector: &'a str) -> Self {
        Self { selector, stable: None, alternatives: Vec::new() }
    }

    /// Those that `requests` reads.
    fn of(requests: Reads<'a>) -> Option<Self> {
        match requests {
            Reads::Requests { selector, stable, alternatives, .. } => Some(Self { selector, stable, alternatives }),
            Reads::Counters { total, .. } => Some(Self::only(total)),
            Reads::Buckets { .. } | Reads::Query(_) | Reads::Nothing => None,
        }
    }
}

impl<'a> Reads<'a> {
    /// What selects the new version's requests; empty where none are counted.
    pub(super) fn selector(&self) -> &'a str {
        match self {
            Self::Requests { selector, .. } | Self::Buckets { selector, .. } => selector,
            Self::Counters { total, .. } => total,
            Self::Query(_) | Self::Nothing => "",
        }
    }
}

/// What a check says of where it reads.
enum Origin<'a> {
    /// What is called so in sentences, and its spec.
    Published(String, &'a CheckTemplateSpec),
    Own(Reads<'a>),
}

/// What `check` reads.
pub(super) fn recipe<'a>(check: &'a Check, templates: &'a Templates) -> Result<Recipe<'a>, QueryError> {
    let published = |preset: Option<Preset>, template: Option<&CheckTemplateRef>| {
        Ok::<_, QueryError>(match (preset, template) {
            (Some(preset), _) => Some(Origin::Published(presets::title(preset), presets::spec(preset)?)),
            (None, Some(reference)) => Some(Origin::Published(reference.to_string(), templates.get(reference)?)),
            (None, None) => None,
        })
    };
    if let Some(errors) = &check.error_rate {
        let own = errors
            .counters
            .as_ref()
            .map_or(Reads::Nothing, |own| Reads::Counters { errors: &own.errors, total: &own.total });
        let origin = published(errors.preset, errors.template.as_ref())?.unwrap_or(Origin::Own(own));
        let recipe = prepared(origin, errors.parameters.as_ref(), requests)?;
        return Ok(Recipe { exclude: errors.exclude.as_ref(), ..recipe });
    }
    if let Some(latency) = &check.latency {
        let own = latency.histogram.as_ref().map_or(Reads::Nothing, |own| Reads::Buckets {
            selector: &own.buckets,
            stable: None,
            unit: own.unit.unwrap_or(TimeUnit::Seconds),
            alternatives: Vec::new(),
            expected: own.total.as_deref().map(Expected::only),
        });
        let origin = published(latency.preset, latency.template.as_ref())?.unwrap_or(Origin::Own(own));
        let recipe = prepared(origin, latency.parameters.as_ref(), buckets)?;
        return Ok(Recipe { exclude: latency.exclude.as_ref(), ..recipe });
    }
    let Some(query) = &check.query else {
        return prepared(Origin::Own(Reads::Nothing), None, requests);
    };
    let own = query.expr.as_deref().map_or(Reads::Nothing, Reads::Query);
    let origin = published(None, query.template.as_ref())?.unwrap_or(Origin::Own(own));
    prepared(origin, query.parameters.as_ref(), expression)
}

/// What `preset` counts of a `part`, with the parameters that are `given`.
pub(super) fn of_preset(
    preset: Preset,
    given: Option<&ParameterValues>,
    part: Part,
) -> Result<Recipe<'static>, QueryError> {
    prepared(Origin::Published(presets::title(preset), presets::spec(preset)?), given, part)
}

/// The part of a template that a check asks for; its name if the template has none.
pub(super) type Part = fn(&CheckTemplateSpec) -> Result<Reads<'_>, &'static str>;

fn prepared<'a>(origin: Origin<'a>, given: Option<&ParameterValues>, part: Part) -> Result<Recipe<'a>, QueryError> {
    let (title, spec) = match origin {
        Origin::Own(reads) => {
            return Ok(Recipe { reads, parameters: Parameters::default(), is_published: false, exclude: None });
        }
        Origin::Published(title, spec) => (title, spec),
    };
    let parameters = Parameters::bind(&title, spec.parameters.as_deref().unwrap_or_default(), given)?;
    let reads = part(spec).map_err(|part| QueryError::TemplateWithout { template: title, part })?;
    Ok(Recipe { reads, parameters, is_published: true, exclude: None })
}

pub(super) fn requests(spec: &CheckTemplateSpec) -> Result<Reads<'_>, &'static str> {
    match &spec.requests {
        Some(RequestSource {
            selector: Some(selector), stable_selector, status: Some(status), alternatives, ..
        }) => {
            let alternatives = alternatives.iter().flatten().map(|other| other.selector.as_str()).collect();
            Ok(Reads::Requests { selector, stable: stable_selector.as_deref(), alternatives, status })
        }
        Some(RequestSource { errors: Some(errors), total: Some(total), .. }) => Ok(Reads::Counters { errors, total }),
        _ => Err("requests"),
    }
}

pub(super) fn buckets(spec: &CheckTemplateSpec) -> Result<Reads<'_>, &'static str> {
    let LatencySource { buckets, stable_buckets, unit, same_requests, alternatives } =
        spec.latency.as_ref().ok_or("latency")?;
    let in_unit = |unit: &Option<TimeUnit>| unit.unwrap_or(TimeUnit::Seconds);
    let alternatives =
        alternatives.iter().flatten().map(|other| (other.buckets.as_str(), in_unit(&other.unit))).collect();
    let expected = if *same_requests == Some(true) { Expected::of(requests(spec)?) } else { None };
    let (stable, unit) = (stable_buckets.as_deref(), in_unit(unit));
    Ok(Reads::Buckets { selector: buckets, stable, unit, alternatives, expected })
}

fn expression(spec: &CheckTemplateSpec) -> Result<Reads<'_>, &'static str> {
    let QuerySource { expr } = spec.query.as_ref().ok_or("query")?;
    Ok(Reads::Query(expr))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(question: &Value) -> Check {
        let mut check = question.clone();
        check["name"] = json!("it");
        serde_json::from_value(check).unwrap()
    }

    fn templates() -> Templates {
        let mut templates = Templates::default();
        let spec = json!({
            "parameters": [{"name": "port", "type": "Number", "description": "The port of the route."}],
            "query": {"expr": "up{port=\"{{port}}\"}"},
        });
        let reference = CheckTemplateRef { name: "shop".to_owned(), kind: None };
        templates.insert(&reference, Arc::new(serde_json::from_value(spec).unwrap()));
        templates
    }

    fn fault(question: &Value) -> (&'static str, String) {
        let (check, templates) = (check(question), templates());
        let fault = recipe(&check, &templates).unwrap_err();
        (fault.reason(), fault.to_string())
    }

    #[test]
    fn a_template_gives_the_part_that_the_check_asks_for() {
        let check = check(&json!({"query": {"template": {"name": "shop"}, "parameters": {"port": "80"}, "max": 1}}));
        let templates = templates();
        let recipe = recipe(&check, &templates).unwrap();
        assert_eq!(recipe.reads, Reads::Query("up{port=\"{{port}}\"}"));
        assert!(recipe.is_published);
    }

    #[test]
    fn what_is_missing_is_named() {
        let named = |name: &str| json!({"query": {"template": {"name": name}, "max": 1}});
        assert_eq!(
            fault(&named("other")),
            ("TemplateNotFound", "CheckTemplate other does not exist; create it, or name another".to_owned())
        );
        assert_eq!(
            fault(&named("shop")),
            ("ParameterMissing", "CheckTemplate shop needs the parameter port: The port of the route.".to_owned())
        );
        let cluster = json!({"query": {"template": {"name": "shop", "kind": "ClusterCheckTemplate"}, "max": 1}});
        assert_eq!(fault(&cluster).1, "ClusterCheckTemplate shop does not exist; create it, or name another");
    }

    #[test]
    fn a_template_without_what_is_asked_for_is_refused() {
        let errors = json!({"errorRate": {"template": {"name": "shop"}, "parameters": {"port": "80"}, "max": "1%"}});
        let (reason, sentence) = fault(&errors);
        assert_eq!(reason, "TemplateUnusable");
        assert!(sentence.starts_with("CheckTemplate shop has no requests"), "{sentence}");
    }

    #[test]
    fn an_operator_of_one_namespace_says_that_it_reads_no_other_templates() {
        let check = check(&json!({"query": {"template": {"name": "a", "kind": "ClusterCheckTemplate"}, "max": 1}}));
        let templates = Templates::namespace_only();
        let fault = recipe(&check, &templates).unwrap_err();
        assert!(fault.to_string().contains("use a CheckTemplate"), "{fault}");
    }
}
