//! The servers that speak the API of Prometheus.

use serde::Deserialize;

/// A kind of server that speaks the API of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Prometheus, and whatever answers as it does.
    Prometheus,
    /// `VictoriaMetrics`, alone or as a cluster.
    VictoriaMetrics,
    /// Thanos Query.
    Thanos,
    /// Grafana Mimir.
    Mimir,
}
