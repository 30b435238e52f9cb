//! Sources of counters and histograms that have a name.

use std::fmt::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The usual sources of request counters and latency histograms, each a template that is built in. Which statuses
/// count as failures is the parameter `failures` of each, but of `linkerd`, which classifies requests itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The one of those of the pods, with `pod` labels, that fits what the pods of the stable version expose. It is taken at the
    /// first look of a release, stands for the whole of it, and is told in `status.presets`.
    Auto,
    /// `http_requests_total` and `http_request_duration_seconds`, exposed by the pods themselves, with a `pod`
    /// label and the status in `code`, `status` or `status_code`. Statuses from 500 count as errors.
    PodHttp,
    /// `http_request_duration_seconds` alone, whose count is the counter of requests, exposed by the pods themselves.
    PodHttpHistogram,
    /// `http_server_request_duration_seconds` and its other spellings, as `OpenTelemetry` measures it in the pods.
    OtelHttp,
    /// `…_requests_total` and `…_request_duration_seconds`, exposed by the pods themselves, where the names begin with that
    /// of a framework, such as `litestar`.
    FrameworkHttp,
    /// The metrics of django-prometheus, exposed by the pods themselves.
    Django,
    /// `http_server_requests_seconds`, as Micrometer measures it in the pods: Spring Boot, Quarkus, Micronaut.
    Micrometer,
    /// `grpc_server_handled_total` and `grpc_server_handling_seconds`, exposed by the pods themselves, with a `pod`
    /// label.
    Grpc,
    /// `rpc_server_call_duration_seconds` and its other spellings, as `OpenTelemetry` measures it in the pods.
    OtelGrpc,
    /// `grpc_server_seconds`, as Micrometer measures it in the pods.
    MicrometerGrpc,
    /// `istio_requests_total` and `istio_request_duration_milliseconds`, as reported by the pods' sidecars.
    Istio,
    /// The same as reported by a waypoint of ambient mode.
    IstioWaypoint,
    /// `response_total` and `response_latency_ms`, as reported by the pods' proxies.
    Linkerd,
    /// `hubble_http_requests_total` and `hubble_http_request_duration_seconds`, as Cilium sees them before the pods.
    Cilium,
    /// Envoy's counters at Envoy Gateway, which keeps the versions apart only if their backendRefs have a filter. Needs
    /// the parameter `route`.
    EnvoyGateway,
    /// Envoy's counters at Contour.
    Contour,
    /// The counters of ingress-nginx, where a canary Ingress leads to the new version.
    NginxIngress,
    /// The counters of Traefik's services.
    Traefik,
    /// The counters of `HAProxy`'s backends: errors alone, for it has no histogram.
    Haproxy,
}

impl Preset {
    /// All that stand for something of their own: not `auto`.
    pub const ALL: [Self; 18] = [
        Self::PodHttp,
        Self::PodHttpHistogram,
        Self::OtelHttp,
        Self::FrameworkHttp,
        Self::Django,
        Self::Micrometer,
        Self::Grpc,
        Self::OtelGrpc,
        Self::MicrometerGrpc,
        Self::Istio,
        Self::IstioWaypoint,
        Self::Linkerd,
        Self::Cilium,
        Self::EnvoyGateway,
        Self::Contour,
        Self::NginxIngress,
        Self::Traefik,
        Self::Haproxy,
    ];
}

impl fmt::Display for Preset {
    /// As it is written in a Rollout.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in format!("{self:?}").char_indices() {
            if letter.is_ascii_uppercase() && place > 0 {
                f.write_str("-")?;
            }
            f.write_char(letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}
