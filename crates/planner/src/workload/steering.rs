//! Which labels and annotations of a Service steer its traffic, and so belong to the Services of the revisions, too.
//!
//! Of annotations nobody knows them all: those are copied but for the ones that would do harm twice. Labels are what other
//! objects find Services by: a `ServiceMonitor` that finds the revisions' Services beside the user's counts every request
//! twice, and a GitOps tool prunes what has its label and is not in Git. So only labels are copied that are known to steer.

use std::collections::BTreeMap;

/// What the keys of labels begin with that say how traffic to a Service goes, of service meshes and kube-proxy: they are
/// copied.
pub const LABELS: [&str; 5] =
    ["istio.io/", "networking.istio.io/", "service.kubernetes.io/", "linkerd.io/", "service.cilium.io/"];

/// What the keys of annotations begin with that are not copied.
pub const NOT_COPIED: [&str; 16] = [
    // Of the tool that made the user's Service: it would take the copies for its own, and prune them.
    "kubectl.kubernetes.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "config.k8s.io/",
    // A name or an address outside of the cluster, which is the user's Service's alone.
    "external-dns.alpha.kubernetes.io/",
    "service.beta.kubernetes.io/",
    "metallb.universe.tf/",
    "metallb.io/",
    "cloud.google.com/neg",
    "networking.gke.io/",
    // Every pod would be scraped, and every request counted, twice.
    "prometheus.io/",
    // Notes of controllers about that one object.
    "endpoints.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
];

/// Whether an annotation of that key is copied.
#[must_use]
pub fn copies_annotation(key: &str) -> bool {
    !NOT_COPIED.iter().any(|beginning| key.starts_with(beginning))
}

/// The labels among `labels` that steer traffic.
#[must_use]
pub fn labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    kept(labels, |key| LABELS.iter().any(|beginning| key.starts_with(beginning)))
}

/// The annotations among `annotations` that are copied.
#[must_use]
pub fn annotations(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    kept(annotations, copies_annotation)
}

fn kept(all: &BTreeMap<String, String>, keeps: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    all.iter().filter(|(key, _)| keeps(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
