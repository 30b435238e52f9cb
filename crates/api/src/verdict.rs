//! Why a check says what it says.

/// Reasons of checks: `status.checks[].reason`.
pub mod reason {
    use crate::{condition, reason::reasons};

    reasons! {
        /// The version keeps to the limit (`Pass`).
        WITHIN_LIMIT = "WithinLimit" => "Nothing.";
        /// The version is above the limit: for certain and for long enough (`Fail`), not so yet (`NeedMoreData`), or above
        /// a limit that only warns (`Pass`).
        ABOVE_LIMIT = "AboveLimit" => "The message has value, limit and sample, and where the bad requests come from.";
        /// The value of a query is below its lowest limit: as for `AboveLimit`.
        BELOW_LIMIT = "BelowLimit" => "The message has value and limit.";
        /// The new version has had no requests yet (`NeedMoreData`).
        NO_REQUESTS = "NoRequests" =>
            "Wait. Where others have some, see whether the route leads to the new version, and whether the check counts \
             there: `tidegate plan` asks Prometheus what it counts.";
        /// The new version has had no requests yet but those that `exclude` leaves out, such as probes and scrapes
        /// (`NeedMoreData`).
        ALL_EXCLUDED = "AllExcluded" =>
            "Wait for requests of users. A service that answers nothing else counts them by `exclude: {probes: Count}` \
             ([checks.md](../checks.md#what-is-not-a-request)).";
        /// The pods of the new version warm up: their requests do not count yet (`NeedMoreData`).
        WARMING_UP = "WarmingUp" => "Wait, as long as `warmUp` says.";
        /// All goes well, but for too few requests to say that it is so (`NeedMoreData`).
        TOO_FEW_REQUESTS = "TooFewRequests" =>
            "Wait: `moreRequests` and `moreTime` say how long. A larger weight or a wider limit decides sooner.";
        /// The value is so near to the limit that no number of requests like these could tell on which side it lies
        /// (`NeedMoreData`).
        TOO_CLOSE_TO_LIMIT = "TooCloseToLimit" =>
            "Set a limit that the stable version keeps with room to spare, or compare with stable (`relative`).";
        /// A bucket of the histogram lies across the limit, and what is in it may be on either side (`NeedMoreData`).
        LIMIT_BETWEEN_BUCKETS = "LimitBetweenBuckets" =>
            "Set the limit to a bound of a bucket (`le`), or add a bucket at the limit.";
        /// A counter has requests that no histogram has, and they may have been slower (`NeedMoreData`).
        NOT_IN_HISTOGRAM = "NotInHistogram" =>
            "See what becomes of them: a timeout, an exception, or a gateway that refuses them. Let the histogram measure \
             every request that is counted, or read it by `histogram` without `total` if it is not meant to \
             ([judging.md](../judging.md)).";
        /// Requests go bad together in such large numbers that it takes as many times as long (`NeedMoreData`).
        OVERDISPERSED = "Overdispersed" =>
            "See whether the metric counts what it is taken to count, such as retries or batches; else set \
             `spec.analysis.statistics.overdispersion` ([judging.md](../judging.md)).";
        /// The stable version fails itself, or is far worse than it was: the stage waits for it (`NeedMoreData`).
        STABLE_UNWELL = condition::reason::STABLE_UNWELL =>
            "Look at what both versions depend on; the stage goes on when stable is well again \
             ([judging.md](../judging.md)).";
        /// The query is asked for the first time one interval into the stage (`NeedMoreData`).
        NOT_ASKED_YET = "NotAskedYet" => "Wait.";
        /// The check has no limit in this stage (`NoData`).
        NO_LIMIT = "NoLimit" => "Give it one: `max`, `min`, `relative` or `warn`.";
        /// A limit of the stage does not fit the check (`NoData`, as all that follow).
        INVALID_LIMIT = "InvalidLimit" => "Mend the limit that the message names, under `spec.stages[].checks`.";
        /// No Prometheus endpoint of that name is configured.
        ENDPOINT_NOT_FOUND = condition::reason::ENDPOINT_NOT_FOUND =>
            "Name one that is, in `spec.analysis.prometheus`, or have it added to the configuration of the operator \
             ([install.md](../install.md)).";
        /// The file with the credentials of the endpoint cannot be read, or does not hold any.
        CREDENTIALS_UNUSABLE = "PrometheusCredentialsUnusable" =>
            "See to the Secret that is mounted for it ([install.md](../install.md)).";
        /// Nothing answers at the address of the endpoint.
        UNREACHABLE = "PrometheusUnreachable" =>
            "See whether Prometheus runs, whether its address is right, and whether a NetworkPolicy lets the operator \
             through.";
        /// The endpoint did not answer in time.
        TIMEOUT = "PrometheusTimeout" => "See what Prometheus is busy with, or select fewer series.";
        /// The endpoint redirects, which is not followed.
        REDIRECTS = "PrometheusRedirects" => "Configure the address that it redirects to.";
        /// The endpoint refuses the operator.
        UNAUTHORIZED = "PrometheusUnauthorized" =>
            "Check the credentials of the endpoint, and what a proxy in between lets through.";
        /// The endpoint does not take POST.
        REFUSES_POST = "PrometheusRefusesPost" =>
            "Have the proxy in between let POST to `/api/v1/query` and `/api/v1/query_range` through.";
        /// The endpoint refuses the query.
        QUERY_REFUSED = "QueryRefused" =>
            "Check the PromQL of the check, and how much it selects: `tidegate lint` reads it without a Prometheus.";
        /// The endpoint answers with an error of its own.
        FAILS = "PrometheusFails" => "See the log of Prometheus.";
        /// What answers is not the API of Prometheus.
        NOT_PROMETHEUS = "NotPrometheus" => "Check the URL of the endpoint, and its path.";
        /// No endpoint with a provider has the name that the check gives.
        PROVIDER_NOT_FOUND = "ProviderNotFound" =>
            "Name one that is, in the `provider` of the query, or have it added to the configuration of the operator \
             ([providers.md](../providers.md)).";
        /// What a provider answers is not what its API answers, or has several numbers in one row.
        UNEXPECTED_ANSWER = "UnexpectedAnswer" =>
            "Check the URL of the endpoint, and that the expression yields one number for each row \
             ([providers.md](../providers.md)).";
        /// The answer is larger than what the operator reads.
        ANSWER_TOO_LARGE = "AnswerTooLarge" => "Select fewer series, or set maxSeries on the endpoint.";
        /// The store says that its answer is partial, or may be.
        ANSWER_INCOMPLETE = "AnswerIncomplete" => "See the log of the store, and bring back the parts of it that are away.";
        /// The result is a native histogram, and a number is asked for.
        NATIVE_HISTOGRAM = "NativeHistogram" =>
            "Make it a `latency` check, or take `histogram_quantile()` of it in the query.";
        /// A native histogram, or one of ranges, contradicts itself.
        BROKEN_HISTOGRAM = "BrokenHistogram" =>
            "The message says in what. See what exposes it, and what is written on the way to the store.";
        /// The result is NaN or infinite.
        NOT_A_NUMBER = "NotANumber" =>
            "Look for a division by zero in the query, such as a share of no requests.";
        /// There is no series to read.
        NO_SERIES = "NoSeries" =>
            "The message says how far it got: whether there is the metric, its label, the version. Check that the pods, or \
             the gateway, are scraped ([checks.md](../checks.md)).";
        /// The result has several series, and one is expected.
        SEVERAL_SERIES = "SeveralSeries" => "Aggregate it, such as with `sum()`, or set `reduce`.";
        /// The result is of another type than what is asked for.
        WRONG_RESULT_TYPE = "WrongResultType" => "Write a selector where one is asked for, or a query that yields numbers.";
        /// A bucket of a histogram has no bound.
        NO_BUCKET_BOUND = "NoBucketBound" => "Select the `_bucket` series with their label `le`.";
        /// A series does not tell the status of its requests.
        NO_STATUS_LABEL = "NoStatusLabel" =>
            "Expose one of the labels that the message names, or use a template that names the right one.";
        /// Nothing that the pods expose fits `preset: auto`.
        NO_PRESET_FITS = "NoPresetFits" =>
            "`tidegate plan --discover` prints what the pods expose, which presets come near, and why they do not fit. Name a \
             preset or a template ([checks.md](../checks.md#libraries)).";
        /// The series of the two versions look alike.
        VERSIONS_INDISTINGUISHABLE = "VersionsIndistinguishable" =>
            "Use `{{pods}}`, `{{backend}}` or `{{revision}}` in the selector ([checks.md](../checks.md)).";
        /// The query is the same for both versions.
        COMPARED_WITH_ITSELF = "ComparedWithItself" => "Add a variable that tells them apart, such as `pod=~\"{{pods}}\"`.";
        /// What is given as a regular expression is none.
        INVALID_PATTERN = "InvalidPattern" => "Mend it: Prometheus reads RE2.";
        /// A selector or a query has a mistake in its variables.
        INVALID_TEMPLATE = "InvalidTemplate" => "Do what the message says ([checks.md](../checks.md)).";
        /// The template does not exist.
        TEMPLATE_NOT_FOUND = "TemplateNotFound" => "Create it, or name another.";
        /// The template has no part for such a check, or is out of the operator's reach.
        TEMPLATE_UNUSABLE = "TemplateUnusable" => "Name another, or publish a `CheckTemplate` in the namespace.";
        /// The template needs a parameter that is not given.
        PARAMETER_MISSING = "ParameterMissing" => "Give it; the message has its description.";
        /// A parameter is given that the template does not have.
        PARAMETER_UNKNOWN = "ParameterUnknown" => "Correct its name.";
        /// The value of a parameter does not fit its type.
        PARAMETER_INVALID = "ParameterInvalid" => "Correct the value.";
        /// The newest sample of the new version is too old.
        STALE_SAMPLES = "StaleSamples" => "See whether its pods, or the gateway, are still scraped.";
        /// A counter has a value that is negative, or not a number.
        NOT_A_COUNTER = "NotACounter" => "Select counters: mostly metrics whose names end with `_total` or `_bucket`.";
        /// More requests are bad than there are.
        MORE_ERRORS_THAN_REQUESTS = "MoreErrorsThanRequests" =>
            "Let the two selectors of the check count the same requests.";
        /// A histogram has no bucket without a bound.
        INCOMPLETE_HISTOGRAM = "IncompleteHistogram" =>
            "Select all of its buckets, also `le=\"+Inf\"`, and drop none of them in relabelling.";
        /// The limit of a latency is above the largest bucket.
        LIMIT_ABOVE_BUCKETS = "LimitAboveBuckets" => "Add a bucket at the limit, or lower the limit.";
    }
}
