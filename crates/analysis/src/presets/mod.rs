//! The usual sources of request counters and latency histograms, one manifest each: a `ClusterCheckTemplate` that is
//! built in.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use tidegate_api::{CheckTemplateSpec, Preset};

use super::error::QueryError;

/// The presets of the pods, in the order in which `preset: auto` takes them where several fit: proxies beside the pods, then
/// what is said by few libraries, then what is said by many.
pub(super) const IN_ORDER: [Preset; 11] = [
    Preset::Istio,
    Preset::Linkerd,
    Preset::OtelHttp,
    Preset::Micrometer,
    Preset::Django,
    Preset::FrameworkHttp,
    Preset::PodHttp,
    Preset::PodHttpHistogram,
    Preset::OtelGrpc,
    Preset::MicrometerGrpc,
    Preset::Grpc,
];

/// Why `preset` is taken before others that fit as well, as the end of a sentence about it.
pub(super) const fn before_others(preset: Preset) -> &'static str {
    match preset {
        Preset::Istio | Preset::Linkerd => "counts beside the pods, and so also what the application never answers",
        _ => "is the most special of those that fit",
    }
}

/// The manifest of `preset`, as anybody could apply it under another name; nothing of `auto`, which is none of its own.
#[must_use]
pub const fn manifest(preset: Preset) -> Option<&'static str> {
    Some(match preset {
        Preset::Auto => return None,
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
    })
}

/// The part of a manifest that is read.
#[derive(Deserialize)]
struct Manifest {
    spec: CheckTemplateSpec,
}

static SPECS: LazyLock<Vec<(Preset, Option<Arc<CheckTemplateSpec>>)>> = LazyLock::new(|| {
    let read = |preset| serde_saphyr::from_str::<Manifest>(manifest(preset)?).ok();
    Preset::ALL.map(|preset| (preset, read(preset).map(|manifest| Arc::new(manifest.spec)))).into()
});

/// What `preset` counts.
pub(super) fn spec(preset: Preset) -> Result<&'static CheckTemplateSpec, QueryError> {
    if preset == Preset::Auto {
        return Err(QueryError::NoPresetTaken);
    }
    let found = SPECS.iter().find(|(candidate, _)| *candidate == preset).and_then(|(_, spec)| spec.as_deref());
    found.ok_or_else(|| QueryError::TemplateNotFound { template: title(preset) })
}

/// What `preset` is called in sentences.
pub(super) fn title(preset: Preset) -> String {
    format!("preset {preset}")
}

#[cfg(test)]
mod tests;
