//! Istio's standard metrics, as the sidecars of the pods that answer report them.
//! <https://istio.io/latest/docs/reference/config/metrics/>

use super::Source;
use crate::api::TimeUnit;

pub(super) const SOURCE: Source = Source {
    requests: "istio_requests_total",
    buckets: "istio_request_duration_milliseconds_bucket",
    unit: TimeUnit::Milliseconds,
    status: &["response_code"],
    status_text: "response_code",
    matchers: r#"reporter="destination","#,
};
