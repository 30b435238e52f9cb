//! What a stage asks besides, or otherwise: other limits for the Rollout's checks, and whole checks of its own.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{
    analysis::{Check, ErrorRate, Latency, MAX_OF_QUERY, MIN_ABOVE_MAX, MIN_OF_QUERY, Query},
    culprit,
    rollout::RolloutSpec,
    stage::Stage,
    units::Span,
};

const WARM_UP_BESIDE: &str =
    "warmUp is for a check of the stage's own: to change it for one of the Rollout's, set it there";

/// A check as a stage has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum StageCheck {
    /// Other limits for one of the Rollout's checks, while the stage lasts.
    Override(CheckOverride),
    /// A check that is asked only while the stage lasts.
    Own(Box<Check>),
}

/// Other limits for a check while one stage lasts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckOverride {
    /// The name of a check in `analysis.checks`.
    pub name: String,
    /// Instead of the check's own `max`, in the same form: a percentage, a length of time, or a number.
    pub max: Option<LimitOverride>,
    /// Instead of the check's own `min`; only for a `query`.
    pub min: Option<LimitOverride>,
    /// Instead of the check's own `warn`, in the same form.
    pub warn: Option<LimitOverride>,
}

/// Other limits for one of the Rollout's checks, by its name; or, with one of `errorRate`, `latency` and `query`, a check of
/// the stage's own.
#[derive(Clone, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "[has(self.errorRate), has(self.latency), has(self.query)].filter(x, x).size() <= 1",
        culprit::STAGE_CHECK_ASKS
    ),
    validation = (
        "!(has(self.errorRate) || has(self.latency) || has(self.query)) || !(has(self.max) || has(self.min) || has(self.warn))",
        culprit::LIMITS_BESIDE
    ),
    validation = Rule::new("!has(self.warmUp) || has(self.errorRate) || has(self.latency) || has(self.query)").message(WARM_UP_BESIDE).field_path(".warmUp"),
    validation = (
        "!(has(self.minRequests) || has(self.maxRequests)) || has(self.errorRate) || has(self.latency) || has(self.query)",
        culprit::REQUESTS_BESIDE
    ),
    validation = Rule::new("!has(self.minRequests) || !has(self.query)").message(MIN_OF_QUERY).field_path(".minRequests"),
    validation = Rule::new("!has(self.maxRequests) || !has(self.query)").message(MAX_OF_QUERY).field_path(".maxRequests"),
    validation = Rule::new("!has(self.minRequests) || !has(self.maxRequests) || self.minRequests <= self.maxRequests").message(MIN_ABOVE_MAX).field_path(".minRequests")
)]
struct Written {
    /// The name of a check in `analysis.checks`, whose limits are others while the stage lasts; or what a check of the
    /// stage's own is called, which none of those is.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    name: String,
    /// Instead of the check's own `max`, in the same form: a percentage, a length of time, or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<LimitOverride>,
    /// Instead of the check's own `min`; only for a `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<LimitOverride>,
    /// Instead of the check's own `warn`, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warn: Option<LimitOverride>,
    /// For how long the requests of a new pod do not count for this check of the stage's own. Default: the analysis' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) <= duration('1h')", "warmUp must be at most 1h"))]
    warm_up: Option<Span>,
    /// How many requests this check of the stage's own has to have counted before it passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    min_requests: Option<i64>,
    /// After how many requests this check of the stage's own says pass or fail by the plain share of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    max_requests: Option<i64>,
    /// The share of requests that failed, asked only while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_rate: Option<ErrorRate>,
    /// How slow the slowest requests are, asked only while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    /// Any PromQL expression that yields one number, asked only while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Query>,
}

impl TryFrom<Written> for StageCheck {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { name, max, min, warn, warm_up, min_requests, max_requests, error_rate, latency, query } = written;
        if error_rate.is_none() && latency.is_none() && query.is_none() {
            return match (warm_up, min_requests.or(max_requests)) {
                (Some(_), _) => Err(WARM_UP_BESIDE),
                (None, Some(_)) => Err(culprit::REQUESTS_BESIDE),
                (None, None) => Ok(Self::Override(CheckOverride { name, max, min, warn })),
            };
        }
        if max.is_some() || min.is_some() || warn.is_some() {
            return Err(culprit::LIMITS_BESIDE);
        }
        Ok(Self::Own(Box::new(Check { name, warm_up, min_requests, max_requests, error_rate, latency, query })))
    }
}

impl From<StageCheck> for Written {
    fn from(check: StageCheck) -> Self {
        let none = Self {
            name: String::new(),
            max: None,
            min: None,
            warn: None,
            warm_up: None,
            min_requests: None,
            max_requests: None,
            error_rate: None,
            latency: None,
            query: None,
        };
        match check {
            StageCheck::Override(CheckOverride { name, max, min, warn }) => Self { name, max, min, warn, ..none },
            StageCheck::Own(own) => {
                let Check { name, warm_up, min_requests, max_requests, error_rate, latency, query } = *own;
                Self { name, warm_up, min_requests, max_requests, error_rate, latency, query, ..none }
            }
        }
    }
}

impl JsonSchema for StageCheck {
    fn schema_name() -> Cow<'static, str> {
        "StageCheck".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl Stage {
    /// The limits that the stage sets for the Rollout's check of that name, if it does.
    #[must_use]
    pub fn override_of(&self, name: &str) -> Option<&CheckOverride> {
        self.checks.iter().flatten().find_map(|check| match check {
            StageCheck::Override(changed) if changed.name == name => Some(changed),
            _ => None,
        })
    }

    /// The checks that are asked only while the stage lasts.
    pub fn own_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().flatten().filter_map(StageCheck::own)
    }
}

impl StageCheck {
    /// A check of the stage's own.
    fn own(&self) -> Option<&Check> {
        match self {
            Self::Own(own) => Some(own),
            Self::Override(_) => None,
        }
    }
}

impl RolloutSpec {
    /// What is asked in `stage`: the checks of the Rollout, then those of the stage's own.
    pub fn checks_in<'a>(&'a self, stage: &'a Stage) -> impl Iterator<Item = &'a Check> {
        self.analysis.iter().flat_map(|analysis| analysis.checks.iter().chain(stage.own_checks()))
    }

    /// What is asked in any stage, and after the promotion.
    pub fn all_checks(&self) -> impl Iterator<Item = &Check> {
        let watch = self.watch.iter().filter_map(|watch| watch.checks.as_ref()).flatten();
        let own = self.stages.iter().flatten().flat_map(Stage::own_checks).chain(watch.filter_map(StageCheck::own));
        self.analysis.iter().flat_map(|analysis| &analysis.checks).chain(own)
    }
}

/// A limit in the form of the check that it overrides: `0.5%`, `500ms`, `3` or, quoted, `"0.85"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitOverride(pub String);

impl Serialize for LimitOverride {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LimitOverride {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

impl JsonSchema for LimitOverride {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitOverride".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "x-kubernetes-int-or-string": true, "maxLength": 32 })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(check: Value) -> Result<StageCheck, String> {
        serde_json::from_value(check).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_that_asks_something_is_a_check_and_any_other_sets_limits() {
        let limits = json!({"name": "errors", "max": "2%"});
        let own = json!({"name": "cpu", "warmUp": "1m", "query": {"expr": "cpu", "max": 0.8}});
        assert!(
            matches!(read(limits.clone()), Ok(StageCheck::Override(CheckOverride { name, .. })) if name == "errors")
        );
        assert!(
            matches!(read(own.clone()), Ok(StageCheck::Own(check)) if check.name == "cpu" && check.query.is_some())
        );
        for written in [limits, own] {
            assert_eq!(serde_json::to_value(read(written.clone()).unwrap()).unwrap(), written);
        }
    }

    #[test]
    fn limits_beside_a_question_are_not_lost_but_refused() {
        let refused = read(json!({"name": "cpu", "max": "1", "query": {"expr": "cpu", "max": 0.8}})).unwrap_err();
        assert!(refused.contains("stand in it"), "{refused}");
    }

    #[test]
    fn a_stage_asks_the_checks_of_the_rollout_and_its_own() {
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "stages": [
                {"name": "canary", "weight": "5%", "checks": [{"name": "errors", "max": "2%"}]},
                {"name": "full", "weight": "100%", "checks": [{"name": "cpu", "query": {"expr": "cpu", "max": 1}}]},
            ],
            "analysis": {"checks": [{"name": "errors", "errorRate": {"preset": "istio", "max": "1%"}}]},
        });
        let spec: RolloutSpec = serde_json::from_value(spec).unwrap();
        let stages = spec.stages();
        let asked = |place: usize| spec.checks_in(&stages[place]).map(|check| check.name.clone()).collect::<Vec<_>>();
        assert_eq!((asked(0), asked(1)), (vec!["errors".to_owned()], vec!["errors".to_owned(), "cpu".to_owned()]));
        assert_eq!(spec.all_checks().count(), 2);
        assert!(stages[0].override_of("errors").is_some() && stages[1].override_of("cpu").is_none());
    }
}
