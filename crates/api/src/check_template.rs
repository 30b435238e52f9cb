//! Checks that a platform team publishes, and applications use by name: what is counted, with typed parameters.

use std::{collections::BTreeMap, fmt};

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{analysis::TimeUnit, culprit, schema};

/// The variables that every selector and query may use. A parameter must not be called like one of them.
pub const VARIABLES: [&str; 7] = ["namespace", "rollout", "service", "backend", "revision", "pods", "window"];

/// What a check counts, for all Rollouts of a namespace, or of the cluster, that use it by name.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "CheckTemplate",
    namespaced,
    doc = "A CheckTemplate says what a check counts, for the Rollouts of its namespace that use it by name.",
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
#[x_kube(
    validation = (
        "has(self.requests) || has(self.latency) || has(self.query)",
        culprit::TEMPLATE_ANSWERS
    )
)]
pub struct CheckTemplateSpec {
    /// What the template is for and what it needs, for those who use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub description: Option<String>,

    /// What whoever uses the template fills in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Option<Vec<Parameter>>,

    /// Counters of requests, for an `errorRate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestSource>,

    /// A histogram of how long requests take, for a `latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySource>,

    /// An expression that yields one number, for a `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QuerySource>,
}

/// The same for all namespaces.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "ClusterCheckTemplate",
    doc = "A ClusterCheckTemplate says what a check counts, for the Rollouts of all namespaces that use it by name.",
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(transparent)]
#[schemars(transform = schema::absent_not_null)]
pub struct ClusterCheckTemplateSpec(pub CheckTemplateSpec);

/// Something that whoever uses a template fills in; selectors have it as `{{name}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.name in ['namespace', 'rollout', 'service', 'backend', 'revision', 'pods', 'window'])").message("a parameter must not be called like a variable that is always there: namespace, rollout, service, backend, revision, pods, window").field_path(".name"),
    validation = Rule::new("self.type != 'Number' || !has(self.default) || self.default.matches('^-?[0-9]{1,15}([.][0-9]{1,15})?$')").message("the default of a Number must be a number such as 5 or 0.25").field_path(".default"),
    validation = Rule::new("self.type != 'Duration' || !has(self.default) || self.default.matches('^([0-9]{1,6}(ms|s|m|h))+$')").message("the default of a Duration must be a length of time such as 30s or 1h30m").field_path(".default"),
    validation = Rule::new("self.type != 'Name' || !has(self.default) || self.default.matches('^[a-zA-Z_:][a-zA-Z0-9_:]*$')").message("the default of a Name must be the name of a metric or a label: letters, digits, _ and :").field_path(".default")
)]
pub struct Parameter {
    /// What it is called, such as `route`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-zA-Z0-9]*$"))]
    pub name: String,

    /// What it is for, and what a value looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub description: Option<String>,

    /// What may stand there, and how it is written into PromQL.
    #[serde(rename = "type")]
    pub type_: ParameterType,

    /// What stands there when nothing is given. Without it, a value has to be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub default: Option<String>,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ParameterType {
    /// Any text, which stands for itself. It can only stand inside quotes; where a regular expression is expected, it
    /// matches nothing but itself.
    Text,
    /// A regular expression. It can only stand inside quotes, behind `=~` or `!~`.
    Pattern,
    /// The name of a metric or of a label. It can stand outside of quotes, too.
    Name,
    /// A number such as `5` or `0.25`. It can stand outside of quotes, too.
    Number,
    /// A length of time such as `30s` or `1h30m`. It can stand outside of quotes, too.
    Duration,
}

impl ParameterType {
    /// What a value must be, as the end of a sentence.
    #[must_use]
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text of at most 256 characters",
            Self::Pattern => "a regular expression such as 5..|429",
            Self::Name => "the name of a metric or a label: letters, digits, _ and :",
            Self::Number => "a number such as 5 or 0.25",
            Self::Duration => "a length of time such as 30s or 1h30m",
        }
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Counters of requests: either all in one selector, with the status as a label, or those of failures beside those of
/// all.
///
/// Selectors may use `{{namespace}}`, `{{rollout}}`, `{{service}}`, `{{revision}}`, `{{pods}}` (a regular expression
/// that matches just the pods of one revision), `{{backend}}` (the Service that carries a revision's traffic while a
/// route is split), and the template's own parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "has(self.selector) ? has(self.status) && !has(self.errors) && !has(self.total) : has(self.errors) && has(self.total) && !has(self.status) && !has(self.stableSelector)",
        culprit::REQUESTS_TAKE
    ),
    validation = (
        "[has(self.selector) && !has(self.stableSelector) ? self.selector : '{{pods}}', has(self.errors) ? self.errors : '{{pods}}', has(self.total) ? self.total : '{{pods}}'].all(s, s.matches('[{][{] *(pods|backend|revision) *[}][}]'))",
        culprit::SELECTOR_TELLS
    ),
    validation = Rule::new("!has(self.alternatives) || has(self.selector) && !has(self.stableSelector)").message("alternatives stand in for a selector that is for both versions: leave out stableSelector, or alternatives").field_path(".alternatives")
)]
pub struct RequestSource {
    /// Selects the counters of all requests, such as `http_requests_total{pod=~"{{pods}}"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub selector: Option<String>,

    /// The same for the stable version, where the two are told apart by more than what variables say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub stable_selector: Option<String>,

    /// The same counters under other names, as other versions of a library call them. Of a process that has none that
    /// `selector` selects, those of the first alternative count that selects any: nothing counts twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub alternatives: Option<Vec<AlternativeSelector>>,

    /// Which of these requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusLabel>,

    /// Selects the counters of failed requests, such as `http_errors_total{pod=~"{{pods}}"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub errors: Option<String>,

    /// Selects the counters of all requests, with those that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub total: Option<String>,
}

/// Counters of requests that are called otherwise, with their status in the same labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "self.selector.matches('[{][{] *(pods|backend|revision) *[}][}]')",
        culprit::SELECTOR_TELLS
    )
)]
pub struct AlternativeSelector {
    /// Selects them, as [`RequestSource`]'s selector does.
    #[schemars(length(min = 1, max = 2048))]
    pub selector: String,
}

/// Where the status of a request stands, and which of them are failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusLabel {
    /// The labels that may hold it; the first that is there counts.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 63)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub labels: Vec<String>,

    /// A regular expression that matches the whole of a status if it says that the request failed, such as `5..`. It
    /// may use the template's parameters.
    #[schemars(length(min = 1, max = 1024))]
    pub failures: String,
}

/// A classic histogram of how long requests take. Selectors may use the same as [`RequestSource`]'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "has(self.stableBuckets) || self.buckets.matches('[{][{] *(pods|backend|revision) *[}][}]')",
        culprit::SELECTOR_TELLS
    ),
    validation = Rule::new("!has(self.alternatives) || !has(self.stableBuckets)").message("alternatives stand in for a selector that is for both versions: leave out stableBuckets, or alternatives").field_path(".alternatives")
)]
pub struct LatencySource {
    /// Selects the buckets, such as `http_request_duration_seconds_bucket{pod=~"{{pods}}"}`.
    #[schemars(length(min = 1, max = 2048))]
    pub buckets: String,

    /// The same for the stable version, where the two are told apart by more than what variables say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub stable_buckets: Option<String>,

    /// What one unit of `le` means. Default: `Seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,

    /// That the histogram should have every request that `requests` counts. What those counters have more may have been slower
    /// than any limit: it hinders a pass, and fails nobody. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_requests: Option<bool>,

    /// The same histogram under other names, as other versions of a library call it. Of a process that has none that
    /// `buckets` selects, those of the first alternative count that selects any: nothing counts twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub alternatives: Option<Vec<AlternativeBuckets>>,
}

/// A histogram that is called otherwise, perhaps in another unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "self.buckets.matches('[{][{] *(pods|backend|revision) *[}][}]')",
        culprit::SELECTOR_TELLS
    )
)]
pub struct AlternativeBuckets {
    /// Selects its buckets, as [`LatencySource`]'s selector does.
    #[schemars(length(min = 1, max = 2048))]
    pub buckets: String,

    /// What one unit of its `le` means. Default: `Seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
}

/// An expression that yields one number. It may use the same as [`RequestSource`]'s selectors, and `{{window}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuerySource {
    /// The expression.
    #[schemars(length(min = 1, max = 4096))]
    pub expr: String,
}

/// The template that a check uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckTemplateRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its kind. Default: `CheckTemplate`, in the Rollout's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CheckTemplateKind>,
}

impl CheckTemplateRef {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> CheckTemplateKind {
        self.kind.unwrap_or_default()
    }
}

impl fmt::Display for CheckTemplateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name)
    }
}

/// Whose template it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CheckTemplateKind {
    /// One of the Rollout's namespace.
    #[default]
    CheckTemplate,
    /// One of the whole cluster.
    ClusterCheckTemplate,
}

impl fmt::Display for CheckTemplateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Values for the parameters of a preset or of a template, by name. Each is a text, whatever the parameter's type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParameterValues(pub BTreeMap<String, String>);

impl JsonSchema for ParameterValues {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParameterValues".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {"type": "string", "maxLength": 256},
        })
    }
}
