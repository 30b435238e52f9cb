//! The usual sources of request counters and latency histograms, one file each.

mod istio;
mod pod_http;

use super::template::{escape_string, pods};
use crate::api::{Preset, TimeUnit};

/// How a usual source counts.
pub(super) struct Source {
    /// The counter of requests.
    pub requests: &'static str,
    /// The histogram's buckets.
    pub buckets: &'static str,
    /// What one unit of `le` means.
    pub unit: TimeUnit,
    /// The labels that may hold a request's status; the first that is there counts.
    pub status: &'static [&'static str],
    /// The same for people.
    pub status_text: &'static str,
    /// Further matchers, each with a comma behind it.
    matchers: &'static str,
}

impl Source {
    /// How `preset` counts.
    pub(super) fn of(preset: Preset) -> &'static Self {
        match preset {
            Preset::PodHttp => &pod_http::SOURCE,
            Preset::Istio => &istio::SOURCE,
        }
    }

    /// Selects the series of `metric` that the pods of two ReplicaSets expose.
    ///
    /// Series without a `namespace` label are taken as well: not every scrape configuration adds one, and the names
    /// of pods are specific enough then. With the label it has to be right, for two namespaces may hold the same
    /// pod template, and then ReplicaSets of the same name.
    pub(super) fn selector(&self, metric: &str, namespace: &str, replica_sets: [&str; 2]) -> String {
        let [canary, stable] = replica_sets.map(pods);
        let namespace = escape_string(namespace);
        let pods = escape_string(&format!("{canary}|{stable}"));
        format!(r#"{metric}{{{}namespace=~"{namespace}|",pod=~"{pods}"}}"#, self.matchers)
    }
}

/// Whether `status` says that a request failed: by the server, or without any answer.
pub(super) fn is_failure(status: &str) -> bool {
    status == "0" || status.starts_with('5')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_selector_takes_the_pods_of_both_versions_and_no_others() {
        let source = Source::of(Preset::PodHttp);
        assert_eq!(
            source.selector(source.requests, "shop", ["checkout-new", "check.out-old"]),
            r#"http_requests_total{namespace=~"shop|",pod=~"checkout-new-[a-z0-9]{5}|check\\.out-old-[a-z0-9]{5}"}"#
        );
        let istio = Source::of(Preset::Istio);
        assert!(istio.selector(istio.requests, "shop", ["a", "b"]).contains(r#"reporter="destination",namespace"#));
    }

    #[test]
    fn server_errors_and_missing_answers_are_failures() {
        assert_eq!(["500", "503", "5xx", "0"].map(is_failure), [true; 4]);
        assert_eq!(["200", "301", "404", "499"].map(is_failure), [false; 4]);
    }
}
