//! Why there are no numbers.

use std::time::Duration;

use tidegate_api::{Span, verdict::reason};
use tidegate_judge::{InvalidLimit, Refusal};

use super::{histogram::Flaw, parameters::ParameterError, template::TemplateError};

/// Who counts the requests that a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// The pods themselves, or a proxy beside each.
    Pods,
    /// A gateway before them.
    Gateway,
    /// Nobody knows: a selector of the user's own.
    Anybody,
}

impl Counting {
    /// Who counts what `selector` selects: variables tell, and a preset or template without any is a gateway's.
    pub(super) fn of(selector: &str, is_published: bool) -> Self {
        let has = |name: &str| selector.contains(name);
        if has("{{pods}}") {
            Self::Pods
        } else if has("{{backend}}") || is_published && !has("{{revision}}") {
            Self::Gateway
        } else {
            Self::Anybody
        }
    }

    /// What to look at where there is nothing.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Pods => "the pods of the version are scraped and expose the metric",
            Self::Gateway => {
                "the gateway is scraped, counts the requests of each backend for itself, and gives the version any"
            }
            Self::Anybody => "the selector picks series of the version",
        }
    }
}

/// What there is too much of in an answer, and how much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Series.
    #[error("{0} series; select fewer, or set maxSeries on the endpoint")]
    Series(usize),
    /// Samples of all series together.
    #[error("{0} samples; select fewer series, or set maxSeries on the endpoint")]
    Samples(usize),
    /// Bytes of all labels together.
    #[error("{} MiB of labels; select series with fewer and shorter ones, or set maxSeries on the endpoint", .0 >> 20)]
    Labels(usize),
    /// Bytes of one series.
    #[error("{} KiB for one series; see what writes it", .0 >> 10)]
    OneSeries(usize),
    /// Bytes that are of no series.
    #[error("{} KiB that are no series; see that its URL leads to the API of Prometheus", .0 >> 10)]
    Around(usize),
}

/// Why there are no numbers, or none that can be trusted.
///
/// The sentence names the endpoint and what to look at. It never repeats what a server answered: that text is not
/// ours, may be huge, and may be somebody's secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the sentences say they are")]
pub enum QueryError {
    #[error("no Prometheus endpoint called {name:?} is configured on the operator")]
    EndpointNotFound { name: String },
    #[error(
        "no endpoint called {name:?} is configured on the operator that has a provider: ask the platform team, or name another"
    )]
    ProviderNotFound { name: String },
    #[error("endpoint {endpoint:?}: {fault}")]
    Provider { endpoint: String, fault: tidegate_providers::Fault },
    #[error("endpoint {endpoint:?}: the file with its credentials cannot be used: {why}")]
    Credentials { endpoint: String, why: String },
    #[error("endpoint {endpoint:?} cannot be reached: {why}")]
    Unreachable { endpoint: String, why: String },
    #[error("endpoint {endpoint:?} did not answer within {}", Span::from(*after))]
    Timeout { endpoint: String, after: Duration },
    #[error("endpoint {endpoint:?} redirects (HTTP {status}); configure the address that it redirects to")]
    Redirect { endpoint: String, status: u16 },
    #[error("endpoint {endpoint:?} refuses the operator (HTTP {status}); check its credentials")]
    Unauthorized { endpoint: String, status: u16 },
    #[error(
        "endpoint {endpoint:?} refuses the operator (HTTP 403); check its credentials, and that a proxy in between lets \
         POST to /api/v1/query and /api/v1/query_range through"
    )]
    Forbidden { endpoint: String },
    #[error(
        "endpoint {endpoint:?} does not take POST (HTTP {status}), which questions are sent by; have the proxy in between \
         let POST to /api/v1/query and /api/v1/query_range through"
    )]
    PostRefused { endpoint: String, status: u16 },
    #[error(
        "endpoint {endpoint:?} has no API of Prometheus there (HTTP {status}); check the path of its URL, to which \
         /api/v1/query is added"
    )]
    NoApi { endpoint: String, status: u16 },
    #[error(
        "endpoint {endpoint:?} refuses the query (HTTP {status}, {kind}); check the PromQL of the check, and how much it \
         selects"
    )]
    QueryRefused { endpoint: String, status: u16, kind: &'static str },
    #[error("endpoint {endpoint:?} fails (HTTP {status})")]
    Status { endpoint: String, status: u16 },
    #[error("endpoint {endpoint:?} answers with a web page; its URL does not lead to the API of Prometheus")]
    Html { endpoint: String },
    #[error("endpoint {endpoint:?} answers with something that is not the API of Prometheus")]
    NotJson { endpoint: String },
    #[error("endpoint {endpoint:?} answers with more than {excess}")]
    TooLarge { endpoint: String, excess: Excess },
    #[error("that time holds more than {limit} samples; ask about a shorter one, or with a longer interval")]
    TooMuchOfThePast { limit: usize },
    #[error("endpoint {endpoint:?} warns that its answer may be incomplete ({count} warnings); see its own log")]
    Warnings { endpoint: String, count: usize },
    #[error("endpoint {endpoint:?} says that its answer is partial; bring back the parts of the store that are away")]
    Partial { endpoint: String },
    #[error(
        "the result is a native histogram, which is no number: make it a latency check, or put it into histogram_quantile() \
         or histogram_fraction()"
    )]
    NativeHistogram,
    #[error("a histogram {0}; see what exposes it, and what is written on the way to the store")]
    BrokenHistogram(Flaw),
    #[error("the result is not a finite number (NaN or infinite)")]
    NotFinite,
    #[error("the result has no series; check that {hint}")]
    Empty { hint: &'static str },
    #[error("there is no {metric} at all{}; check that {}", native(metric), counting.hint())]
    NoMetric { metric: String, counting: Counting },
    #[error(
        "no {metric} has the label {label}, which tells the versions apart (it has {labels}); have Prometheus add it, or \
         name the one that does"
    )]
    NoLabel { metric: String, label: String, labels: String },
    #[error("there is no {metric} of the version asked for: of its label {label} there is {values}; check that {}", counting.hint())]
    NoneOfTheVersion { metric: String, label: String, values: String, counting: Counting },
    #[error(
        "no requests yet that count: what there was is left out, {left_out}; a service that answers nothing else needs \
         exclude: {{probes: Count}}"
    )]
    AllExcluded { left_out: String },
    #[error("the query is the same for both versions, so it compares a version with itself; add pod=~\"{{{{pods}}}}\"")]
    ComparedWithItself,
    #[error("for the stable version: {0}")]
    OfStable(Box<QueryError>),
    #[error("the result has {count} series where one is expected; aggregate it, such as with sum(), or set reduce")]
    SeveralSeries { count: usize },
    #[error("the result is a {got} where {wanted} is expected")]
    WrongType { got: &'static str, wanted: &'static str },
    #[error("a bucket of a histogram has no bound: a label le with a number is needed on all of them")]
    NoBound,
    #[error("a series does not tell the status of its requests: a label {labels} is needed on all of them")]
    NoStatusLabel { labels: String },
    #[error("preset auto stands for none yet: it takes one by what the pods expose when the version gets traffic")]
    NoPresetTaken,
    #[error(
        "preset auto: none fits the {metrics} metrics of the pods, for want of {asks}; see tidegate plan --discover, and name a \
         preset or a template"
    )]
    NoPresetFits { metrics: usize, asks: &'static str },
    #[error("preset auto: there are no metrics with the label pod of the version's pods; check that they are scraped")]
    NothingExposed,
    #[error("the series of the two versions cannot be told apart: the names that tell them apart look alike")]
    VersionsIndistinguishable,
    #[error("{pattern:?} is not a regular expression, or too large a one")]
    InvalidPattern { pattern: String },
    #[error("{template} does not exist; create it, or name another")]
    TemplateNotFound { template: String },
    #[error("ClusterCheckTemplate {name} cannot be read by an operator that serves one namespace; use a CheckTemplate")]
    TemplateOutOfReach { name: String },
    #[error("{template} has no {part}, which this check asks for; name one that has")]
    TemplateWithout { template: String, part: &'static str },
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("the newest sample of the new version is {} old; is it still scraped?", Span::from(*age))]
    Stale { age: Duration },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What was looked for in the place of classic buckets.
fn native(metric: &str) -> String {
    let names: Option<Vec<_>> = metric.split(" or ").map(|name| name.strip_suffix("_bucket")).collect();
    names.map(|names| format!(", nor a native histogram {}", names.join(" or "))).unwrap_or_default()
}

impl QueryError {
    /// Whether there was an answer, and nothing in it.
    pub(super) fn is_absence(&self) -> bool {
        self.reason() == reason::NO_SERIES
    }

    /// Whether there was an answer, and no number in it.
    pub(super) fn is_no_number(&self) -> bool {
        self.is_absence() || self.reason() == reason::NOT_A_NUMBER
    }

    /// The same in one word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::EndpointNotFound { .. } => reason::ENDPOINT_NOT_FOUND,
            Self::ProviderNotFound { .. } => reason::PROVIDER_NOT_FOUND,
            Self::Provider { fault, .. } => of_provider(fault),
            Self::Credentials { .. } => reason::CREDENTIALS_UNUSABLE,
            Self::Unreachable { .. } => reason::UNREACHABLE,
            Self::Timeout { .. } => reason::TIMEOUT,
            Self::Redirect { .. } => reason::REDIRECTS,
            Self::Unauthorized { .. } | Self::Forbidden { .. } => reason::UNAUTHORIZED,
            Self::PostRefused { .. } => reason::REFUSES_POST,
            Self::QueryRefused { .. } => reason::QUERY_REFUSED,
            Self::Status { .. } => reason::FAILS,
            Self::Html { .. } | Self::NotJson { .. } | Self::NoApi { .. } => reason::NOT_PROMETHEUS,
            Self::TooLarge { .. } | Self::TooMuchOfThePast { .. } => reason::ANSWER_TOO_LARGE,
            Self::Warnings { .. } | Self::Partial { .. } => reason::ANSWER_INCOMPLETE,
            Self::NativeHistogram => reason::NATIVE_HISTOGRAM,
            Self::BrokenHistogram(_) => reason::BROKEN_HISTOGRAM,
            Self::ComparedWithItself => reason::COMPARED_WITH_ITSELF,
            Self::OfStable(fault) => fault.reason(),
            Self::NotFinite => reason::NOT_A_NUMBER,
            Self::Empty { .. } | Self::NoMetric { .. } | Self::NoLabel { .. } | Self::NoneOfTheVersion { .. } => {
                reason::NO_SERIES
            }
            Self::AllExcluded { .. } => reason::ALL_EXCLUDED,
            Self::SeveralSeries { .. } => reason::SEVERAL_SERIES,
            Self::WrongType { .. } => reason::WRONG_RESULT_TYPE,
            Self::NoBound => reason::NO_BUCKET_BOUND,
            Self::NoStatusLabel { .. } => reason::NO_STATUS_LABEL,
            Self::NoPresetTaken | Self::NoPresetFits { .. } | Self::NothingExposed => reason::NO_PRESET_FITS,
            Self::VersionsIndistinguishable => reason::VERSIONS_INDISTINGUISHABLE,
            Self::InvalidPattern { .. } => reason::INVALID_PATTERN,
            Self::TemplateNotFound { .. } => reason::TEMPLATE_NOT_FOUND,
            Self::TemplateOutOfReach { .. } | Self::TemplateWithout { .. } => reason::TEMPLATE_UNUSABLE,
            Self::Parameter(error) => error.reason(),
            Self::Stale { .. } => reason::STALE_SAMPLES,
            Self::Template(_) => reason::INVALID_TEMPLATE,
            Self::Limit(_) => reason::INVALID_LIMIT,
            Self::Refused(refusal) => refusal.reason(),
        }
    }
}

/// The reason of what a provider's endpoint does: as of a Prometheus, where that may be the same.
fn of_provider(fault: &tidegate_providers::Fault) -> &'static str {
    use tidegate_endpoints::Fault as Unreached;
    use tidegate_providers::Fault;

    match fault {
        Fault::Unreached(Unreached::Credentials(_)) => reason::CREDENTIALS_UNUSABLE,
        Fault::Unreached(Unreached::Unreachable(_)) => reason::UNREACHABLE,
        Fault::Unreached(Unreached::Redirect(_)) => reason::REDIRECTS,
        Fault::Unreached(Unreached::TooLarge(_)) => reason::ANSWER_TOO_LARGE,
        Fault::Timeout(_) => reason::TIMEOUT,
        Fault::Unauthorized(_) => reason::UNAUTHORIZED,
        Fault::Refused | Fault::NoPath => reason::QUERY_REFUSED,
        Fault::Status(_) => reason::FAILS,
        Fault::Shape(_) => reason::UNEXPECTED_ANSWER,
        Fault::Partial => reason::ANSWER_INCOMPLETE,
    }
}
