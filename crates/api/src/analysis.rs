//! What is asked about a new version, and how much of it is tolerated.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    certainty::{Mode, Statistics, Strictness},
    check_template::{CheckTemplateRef, ParameterValues},
    culprit,
    exclude::Exclude,
    preset::Preset,
    stage_check::CheckOverride,
    units::{Percent, Quantile, Span},
};

/// What Prometheus is asked about the new version, at every moment of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The name of a Prometheus endpoint that the platform team configured on the operator. Without it, the
    /// endpoint called `default` is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub prometheus: Option<String>,

    /// How often Prometheus is asked, and how long one block of evidence is. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) >= duration('1s')", "the interval must be at least 1s"))]
    pub interval: Option<Span>,

    /// For how long the requests of a new pod do not count, of either version: where a process is slow, or fails now and
    /// then, until it is warm. It begins with the first of the pod's samples; for checks that read what a gateway counts, with
    /// each stage. A pod of which half of the requests fail counts at once. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) <= duration('1h')", "warmUp must be at most 1h"))]
    pub warm_up: Option<Span>,

    /// How a count of bad requests becomes a verdict. Default: `Sequential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,

    /// How sure a verdict has to be. Default: `Normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strictness: Option<Strictness>,

    /// The numbers behind `strictness`, for those who know better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,

    /// What happens while the stable version itself breaks a check's limit, or is far worse than it was before the
    /// rollout. Default: `Hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_stable_unwell: Option<OnStableUnwell>,

    /// What happens before a check fails the version by the requests of a single pod, while its other pods keep to the
    /// limit. Default: `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect_pod: Option<SuspectPod>,

    /// What part of the traffic the stable version keeps until the last stage ends, at most 10%, so that there is
    /// something to compare the new version with while it has all the rest. Needs routes, and none whose `rules` are
    /// named. Default: 1% where every check that decides is an `errorRate` with `relative` and without `max`, and nothing
    /// but a share is split; otherwise 0%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("double(string(self).replace('%', '')) <= 10.0", "controlShare must be at most 10%: more is a stage of its own"))]
    pub control_share: Option<Percent>,

    /// The questions. All of them have to pass before a stage is left; any of them fails the revision.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<Check>,
}

/// What happens while the stable version itself is unwell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnStableUnwell {
    /// No stage is left, unless the new version is certainly well where the stable one is not. What fails still fails.
    #[default]
    Hold,
    /// The new version is judged as if nothing were wrong.
    Ignore,
}

/// What happens before a check fails the version by the requests of a single pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SuspectPod {
    /// Nothing: the version fails.
    #[default]
    None,
    /// The pod is deleted, once for each version on its way, and the version is judged on without its requests. Only
    /// where other pods of the version are ready, and by checks whose series name the pods in a label `pod`.
    Replace,
}

/// How much worse than the stable version over the same time is tolerated: `ratio` times as bad, plus `margin`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Relative {
    /// How many times as bad, from 0.1 to 100. Default: 1.5 for errors, 1.25 for latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 100.0))]
    pub ratio: Option<f64>,

    /// What part of the requests beyond that, so that one error where stable has none is no failure. The smaller it
    /// is, the longer it takes to pass. Default: 0.5% for errors, 2% for latencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("double(string(self).replace('%', '')) < 100.0", "a margin of 100% tolerates everything"))]
    pub margin: Option<Percent>,
}

pub(crate) const MIN_OF_QUERY: &str =
    "minRequests is for checks that count requests: a query has values, of which failureLimit and for say how many";
pub(crate) const MAX_OF_QUERY: &str =
    "maxRequests is for checks that count requests: a query has values, of which failureLimit and for say how many";
pub(crate) const MIN_ABOVE_MAX: &str = "minRequests must not be above maxRequests";

/// One question about the new version. Exactly one of `errorRate`, `latency` and `query` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "[has(self.errorRate), has(self.latency), has(self.query)].filter(x, x).size() == 1",
        culprit::CHECK_ASKS
    ),
    validation = Rule::new("!has(self.minRequests) || !has(self.query)").message(MIN_OF_QUERY).field_path(".minRequests"),
    validation = Rule::new("!has(self.maxRequests) || !has(self.query)").message(MAX_OF_QUERY).field_path(".maxRequests"),
    validation = Rule::new("!has(self.minRequests) || !has(self.maxRequests) || self.minRequests <= self.maxRequests").message(MIN_ABOVE_MAX).field_path(".minRequests")
)]
pub struct Check {
    /// What the check is called in the status, in events and in the overrides of a stage.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// For how long the requests of a new pod do not count for this check. Default: the analysis' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) <= duration('1h')", "warmUp must be at most 1h"))]
    pub warm_up: Option<Span>,

    /// How many requests of the new version the check has to have counted in a stage before it passes. Not for a `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_requests: Option<i64>,

    /// After how many requests of the new version in a stage the check says pass or fail by the plain share of them, however
    /// sure that is: it is decided by the first look that finds so many, on what that look has counted. What is certain
    /// before fails before, and what is certain afterwards still fails. Default: no limit, it waits until it is certain.
    /// Not for a `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_requests: Option<i64>,

    /// The share of requests that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<ErrorRate>,

    /// How slow the slowest requests are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,

    /// Any PromQL expression that yields one number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
}

impl Check {
    /// Whether the check decides anything, given a stage's override of it: without `max` or `min` it only warns.
    #[must_use]
    pub fn decides(&self, changed: Option<&CheckOverride>) -> bool {
        changed.is_some_and(|changed| changed.max.is_some() || changed.min.is_some())
            || self.error_rate.as_ref().is_some_and(|check| check.max.is_some() || check.relative.is_some())
            || self.latency.as_ref().is_some_and(|check| check.max.is_some())
            || self.query.as_ref().is_some_and(Query::decides)
    }

    /// The endpoint of the service that is asked in place of a Prometheus, if it is one.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.query.as_ref()?.provider.as_deref()
    }
}

/// The share of requests that failed, from counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "[has(self.preset), has(self.counters), has(self.template)].filter(x, x).size() == 1",
        culprit::ERROR_RATE_TAKES
    ),
    validation = Rule::new("!has(self.parameters) || !has(self.counters)").message("parameters are for a preset or a template: your own counters have none").field_path(".parameters"),
    validation = (
        "has(self.max) || has(self.relative) || has(self.warn)",
        culprit::ERROR_RATE_LIMIT
    )
)]
pub struct ErrorRate {
    /// Where the counters come from, for the usual sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,

    /// Your own counters, when no preset fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<CounterSelectors>,

    /// What somebody published, for all who count alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<CheckTemplateRef>,

    /// Values for the parameters of the preset or the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParameterValues>,

    /// Requests that do not count, such as those of probes and scrapes, which are left out unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Exclude>,

    /// The highest share of failed requests that is tolerated, such as `0.5%`. Above it the revision fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Percent>,

    /// How much worse than the stable version is tolerated. Beyond it the revision fails. With `max`, both have to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Relative>,

    /// Above this share somebody is told; nothing else happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<Percent>,
}

/// Two counter selectors of your own. Both may use `{{namespace}}`, `{{rollout}}`, `{{service}}`, `{{revision}}`
/// and `{{pods}}`, a regular expression that matches just the pods of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CounterSelectors {
    /// Selects the counters of failed requests, such as `http_errors_total{pod=~"{{pods}}"}`.
    #[schemars(length(min = 1, max = 2048))]
    pub errors: String,
    /// Selects the counters of all requests, such as `http_requests_total{pod=~"{{pods}}"}`.
    #[schemars(length(min = 1, max = 2048))]
    pub total: String,
}

/// How slow the slowest requests are, from a histogram: a classic one, or a native one in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "[has(self.preset), has(self.histogram), has(self.template)].filter(x, x).size() == 1",
        culprit::LATENCY_TAKES
    ),
    validation = Rule::new("!has(self.parameters) || !has(self.histogram)").message("parameters are for a preset or a template: your own histogram has none").field_path(".parameters"),
    validation = (
        "has(self.max) || has(self.warn)",
        culprit::LATENCY_LIMIT
    ),
    validation = Rule::new("!has(self.relative) || has(self.max)").message("a latency that is compared with the stable version needs max as well: it says which requests are slow").field_path(".max")
)]
pub struct Latency {
    /// Where the histogram comes from, for the usual sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,

    /// Your own histogram, when no preset fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<HistogramSelector>,

    /// What somebody published, for all who count alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<CheckTemplateRef>,

    /// Values for the parameters of the preset or the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParameterValues>,

    /// Requests that do not count, such as those of probes and scrapes, which are left out unless it says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Exclude>,

    /// Which part of the requests has to be faster than `max`: `0.95` means 95 % of them.
    pub quantile: Quantile,

    /// The longest time that the quantile may take. Above it the revision fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Span>,

    /// How many more requests slower than `max` than the stable version has are tolerated. Beyond it the revision
    /// fails, as it does beyond `max` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Relative>,

    /// Above this time somebody is told; nothing else happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<Span>,
}

/// A histogram selector of your own, with the same variables as [`CounterSelectors`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistogramSelector {
    /// Selects the buckets, such as `http_request_duration_seconds_bucket{pod=~"{{pods}}"}`.
    #[schemars(length(min = 1, max = 2048))]
    pub buckets: String,
    /// What one unit of `le` means. Default: `Seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// Selects counters of all requests that the histogram should have, such as `http_requests_total{pod=~"{{pods}}"}`. What
    /// they have more may have been slower than any limit: it hinders a pass, and fails nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub total: Option<String>,
}

/// What one unit of a histogram's `le` label means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeUnit {
    /// As Prometheus recommends.
    Seconds,
    /// As Envoy and Istio do.
    Milliseconds,
}

/// A PromQL expression that yields one number, judged by plain limits.
///
/// It may use `{{namespace}}`, `{{rollout}}`, `{{service}}`, `{{revision}}`, `{{pods}}` and `{{window}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "has(self.expr) != has(self.template)",
        culprit::QUERY_TAKES
    ),
    validation = Rule::new("!has(self.parameters) || has(self.template)").message("parameters are for a template: your own expr has none").field_path(".parameters"),
    validation = Rule::new("!has(self.provider) || has(self.expr)").message("a provider is asked by an expr in its own language: a template is for Prometheus").field_path(".provider"),
    validation = (
        "has(self.max) || has(self.min) || has(self.relative) || has(self.warn)",
        culprit::QUERY_LIMIT
    ),
    validation = Rule::new("!has(self.max) || !has(self.min) || self.min <= self.max").message("a query's min must not be above its max").field_path(".min"),
    validation = Rule::new("!(has(self.warn) && has(self.max) && has(self.min))").message("a query with both min and max cannot have warn: it would not be clear on which side it warns").field_path(".warn")
)]
pub struct Query {
    /// The expression: PromQL, or with a `provider` what that one understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub expr: Option<String>,

    /// The endpoint of a service that is no Prometheus, such as Datadog, as the platform team calls it. It is asked once a
    /// minute at most. Default: the Prometheus of `analysis.prometheus` is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub provider: Option<String>,

    /// What somebody published, for all who count alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<CheckTemplateRef>,

    /// Values for the parameters of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParameterValues>,

    /// The highest value that is tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,

    /// The lowest value that is tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,

    /// How far the value may be from that of the same query for the stable version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<QueryRelative>,

    /// What is done with several series. Default: nothing, and the check has no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduce: Option<Reduce>,

    /// Beyond this value (above it; below it when the check has a `min`) somebody is told; nothing else happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<f64>,

    /// How long the value has to stay beyond its limit before the check fails. Default: at once.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Span>,

    /// How many looks in a row may be beyond the limit before the check fails. Default: 0, the first one fails it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failure_limit: Option<i32>,
}

impl Query {
    fn decides(&self) -> bool {
        self.max.is_some() || self.min.is_some() || self.relative.is_some()
    }
}

/// How far a value may be from the stable version's. The expression is asked once for each version, so it has to tell
/// them apart, as with `{{pods}}`. Where stable has no value any more, since all traffic has left it, the one it had when
/// the stage began counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.max) || has(self.min)", culprit::COMPARISON_LIMIT),
    validation = Rule::new("!has(self.max) || !has(self.min) || self.min <= self.max").message("a comparison's min must not be above its max").field_path(".min")
)]
pub struct QueryRelative {
    /// At most so many times stable's value, such as 1.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// At least so many times stable's value, such as 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// How far beyond that is tolerated, in the unit of the value. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub margin: Option<f64>,
}

/// What is done with several series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// The highest value counts.
    Max,
    /// The lowest value counts.
    Min,
    /// All values together count.
    Sum,
    /// The mean of all values counts.
    Mean,
}
