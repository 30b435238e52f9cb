//! The usual sources of request counters and latency histograms, one manifest each: a `ClusterCheckTemplate` that is
//! built in.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use tidegate_api::{CheckTemplateSpec, Preset};

use super::error::QueryError;

/// The manifest of `preset`, as anybody could apply it under another name.
#[must_use]
pub const fn manifest(preset: Preset) -> &'static str {
    match preset {
        Preset::PodHttp => include_str!("pod-http.yaml"),
        Preset::PodHttpHistogram => include_str!("pod-http-histogram.yaml"),
        Preset::OtelHttp => include_str!("otel-http.yaml"),
        Preset::FrameworkHttp => include_str!("framework-http.yaml"),
        Preset::Django => include_str!("django.yaml"),
        Preset::Micrometer => include_str!("micrometer.yaml"),
        Preset::Grpc => include_str!("grpc.yaml"),
        Preset::OtelGrpc => include_str!("otel-grpc.yaml"),
        Preset::MicrometerGrpc => include_str!("micrometer-grpc.yaml"),
        Preset::Istio => include_str!("istio.yaml"),
        Preset::IstioWaypoint => include_str!("istio-waypoint.yaml"),
        Preset::Linkerd => include_str!("linkerd.yaml"),
        Preset::Cilium => include_str!("cilium.yaml"),
        Preset::EnvoyGateway => include_str!("envoy-gateway.yaml"),
        Preset::Contour => include_str!("contour.yaml"),
        Preset::NginxIngress => include_str!("nginx-ingress.yaml"),
        Preset::Traefik => include_str!("traefik.yaml"),
        Preset::Haproxy => include_str!("haproxy.yaml"),
    }
}

/// The part of a manifest that is read.
#[derive(Deserialize)]
struct Manifest {
    spec: CheckTemplateSpec,
}

static SPECS: LazyLock<Vec<(Preset, Option<Arc<CheckTemplateSpec>>)>> = LazyLock::new(|| {
    let read = |preset| serde_saphyr::from_str::<Manifest>(manifest(preset)).ok();
    Preset::ALL.map(|preset| (preset, read(preset).map(|manifest| Arc::new(manifest.spec)))).into()
});

/// What `preset` counts.
pub(super) fn spec(preset: Preset) -> Result<&'static CheckTemplateSpec, QueryError> {
    let found = SPECS.iter().find(|(candidate, _)| *candidate == preset).and_then(|(_, spec)| spec.as_deref());
    found.ok_or_else(|| QueryError::TemplateNotFound { template: title(preset) })
}

/// What `preset` is called in sentences.
pub(super) fn title(preset: Preset) -> String {
    format!("preset {}", name(preset))
}

/// What `preset` is called in a Rollout.
fn name(preset: Preset) -> String {
    serde_json::to_value(preset).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
