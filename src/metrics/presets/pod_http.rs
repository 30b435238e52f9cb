//! Metrics that pods expose themselves, under the names that Prometheus' own client libraries suggest.

use super::Source;
use crate::api::TimeUnit;

pub(super) const SOURCE: Source = Source {
    requests: "http_requests_total",
    buckets: "http_request_duration_seconds_bucket",
    unit: TimeUnit::Seconds,
    status: &["code", "status"],
    status_text: "code or status",
    matchers: "",
};
