//! `tidegate plan --discover`: what the pods of an application expose, which presets count it, and the checks to begin with.

use std::{collections::BTreeSet, fmt::Write};

use serde::Serialize;
use tidegate_analysis::{Discovered, ExposedHistogram, Fitting};
use tidegate_judge::count;

use crate::cli::columns::aligned;

/// The limits of the checks that are proposed: what many services can keep to.
const ERRORS: &str = "0.5%";
const SECONDS: f64 = 0.5;

/// What was found of an application.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    workload: String,
    namespace: String,
    /// How many metrics its pods have.
    metrics: usize,
    presets: Vec<Fits>,
    /// What `preset: auto` would stand for, of each kind of check.
    error_rate: Option<Taken>,
    latency: Option<Taken>,
    /// Histograms that no preset reads.
    other_histograms: Vec<String>,
    /// The label with the name of the pod, where it is not `pod`.
    pod_label: Option<String>,
}

/// What a preset finds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fits {
    preset: String,
    reads: Vec<String>,
    requests_in_five_minutes: Option<f64>,
    /// Why it tells nothing of errors.
    no_errors: Option<String>,
    /// The limits that its histogram decides best, in seconds; a native one decides any.
    bounds: Option<Vec<f64>>,
    has_native_histogram: bool,
}

/// A preset that is taken.
#[derive(Debug, Serialize)]
struct Taken {
    preset: String,
    reason: String,
}

impl Discovery {
    /// What `discovered` says of the pods of `workload`.
    pub fn new(workload: String, namespace: String, pod_label: Option<&str>, discovered: &Discovered) -> Self {
        let fits = |fitting: &Fitting| Fits {
            preset: fitting.preset.to_string(),
            reads: fitting.metrics.clone(),
            requests_in_five_minutes: fitting.requests,
            no_errors: fitting.errors.as_ref().err().map(ToString::to_string),
            bounds: match &fitting.histogram {
                Some(ExposedHistogram::Classic(bounds)) => Some(bounds.clone()),
                Some(ExposedHistogram::Native) | None => None,
            },
            has_native_histogram: fitting.histogram == Some(ExposedHistogram::Native),
        };
        let read: BTreeSet<_> = discovered.fitting.iter().flat_map(|fitting| &fitting.metrics).collect();
        let is_other = |name: &&String| name.ends_with("_bucket") && !read.contains(name);
        let taken =
            |errors| discovered.taken(errors).map(|(preset, reason)| Taken { preset: preset.to_string(), reason });
        Self {
            metrics: discovered.metrics.len(),
            presets: discovered.fitting.iter().map(fits).collect(),
            error_rate: taken(true),
            latency: taken(false),
            other_histograms: discovered.metrics.iter().filter(is_other).cloned().collect(),
            pod_label: pod_label.map(str::to_owned),
            workload,
            namespace,
        }
    }

    /// Whether there is anything to judge by.
    pub fn fits(&self) -> bool {
        self.error_rate.is_some() || self.latency.is_some()
    }

    /// What was found, for people.
    pub fn printed(&self) -> String {
        let Self { workload, namespace, metrics, .. } = self;
        let mut text = format!("{workload} in namespace {namespace}: {metrics} metrics on its pods\n");
        if *metrics == 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "hint: no series has the name of one of its pods in a label pod or k8s_pod_name");
            return text;
        }
        let mut rows = vec![["PRESET", "REQUESTS IN 5m", "ERRORS", "LATENCY", "READS"].map(str::to_owned).to_vec()];
        rows.extend(self.presets.iter().map(Fits::row));
        let _ = write!(text, "\n{}\n", aligned(&rows));
        for (kind, taken) in [("errorRate", &self.error_rate), ("latency", &self.latency)] {
            let _ = match taken {
                Some(Taken { preset, reason }) => {
                    writeln!(text, "{kind}: preset auto stands for {preset}, which {reason}")
                }
                None => writeln!(text, "{kind}: no preset fits"),
            };
        }
        for Fits { preset, no_errors, .. } in &self.presets {
            if let Some(fault) = no_errors {
                let _ = writeln!(text, "hint: {preset} tells nothing of errors: {fault}");
            }
        }
        text.push_str(&self.limits());
        if self.fits() {
            let _ = write!(text, "\n{}", self.manifest());
        } else {
            let _ = writeln!(text, "hint: write a template, as docs/checks.md shows");
        }
        if self.latency.is_none() && !self.other_histograms.is_empty() {
            let names = self.other_histograms.join(", ");
            let _ = writeln!(text, "hint: histograms that no preset reads: {names}");
        }
        text
    }

    fn of(&self, taken: Option<&Taken>) -> Option<&Fits> {
        self.presets.iter().find(|fits| taken.is_some_and(|taken| taken.preset == fits.preset))
    }

    /// Which limits the histogram decides.
    fn limits(&self) -> String {
        let fits = self.of(self.latency.as_ref());
        if fits.is_some_and(|fits| fits.has_native_histogram) {
            return "\nlimits of a latency that are decided: any, since the histogram is native; of the bucket that a limit lies in, \
                    requests count against a pass, and not for a failure\n"
                .to_owned();
        }
        let bounds = fits.and_then(|fits| fits.bounds.as_ref());
        let Some((bounds, largest)) = bounds.and_then(|bounds| Some((bounds, bounds.last()?))) else {
            return String::new();
        };
        let all: Vec<_> = bounds.iter().map(|bound| seconds(*bound)).collect();
        format!(
            "\nlimits of a latency that are decided exactly: {}\nbetween two of them, requests that may be on either side of the limit \
             count against a pass, and not for a failure; above {} there is no verdict\n",
            all.join(", "),
            seconds(*largest)
        )
    }

    /// The part of a Rollout that asks for what fits.
    fn manifest(&self) -> String {
        let parameters = self.pod_label.as_ref().map(|label| format!(", parameters: {{podLabel: {label}}}"));
        let parameters = parameters.unwrap_or_default();
        let mut text = "analysis:\n  checks:\n".to_owned();
        if let Some(Taken { preset, .. }) = &self.error_rate {
            let _ = write!(text, "  - name: errors\n    errorRate: {{preset: {preset}{parameters}, max: {ERRORS}}}\n");
        }
        if let Some(fits) = self.of(self.latency.as_ref()) {
            let bounds = fits.bounds.as_deref().unwrap_or_default();
            let limit = bounds.iter().find(|bound| **bound >= SECONDS).or(bounds.last()).copied().unwrap_or(SECONDS);
            let (preset, limit) = (&fits.preset, seconds(limit));
            let _ = write!(
                text,
                "  - name: p95\n    latency: {{preset: {preset}{parameters}, quantile: 0.95, max: {limit}}}\n"
            );
        }
        text
    }
}

impl Fits {
    fn row(&self) -> Vec<String> {
        let requests = self.requests_in_five_minutes.map_or("-".to_owned(), count);
        let errors = if self.no_errors.is_none() { "yes" } else { "no" };
        let latency = match &self.bounds {
            Some(bounds) => format!("{} bounds", bounds.len()),
            None if self.has_native_histogram => "native".to_owned(),
            None => "no histogram".to_owned(),
        };
        vec![self.preset.clone(), requests, errors.to_owned(), latency, self.reads.join(", ")]
    }
}

/// A time as limits are written: `500ms`, `2.5s`.
fn seconds(bound: f64) -> String {
    if bound < 1.0 { format!("{}ms", (bound * 1e6).round() / 1e3) } else { format!("{bound}s") }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Preset;

    use super::*;

    #[test]
    fn of_a_native_histogram_any_limit_is_decided() {
        let metrics = ["http_request_duration_seconds".to_owned()];
        let fitting = Fitting {
            preset: Preset::PodHttpHistogram,
            metrics: metrics.to_vec(),
            errors: Ok(()),
            requests: Some(70.0),
            histogram: Some(ExposedHistogram::Native),
        };
        let discovered = Discovered { metrics: metrics.into(), fitting: vec![fitting] };
        let told = Discovery::new("checkout".to_owned(), "shop".to_owned(), None, &discovered).printed();
        for line in [
            "pod-http-histogram  70              yes     native   http_request_duration_seconds",
            "limits of a latency that are decided: any, since the histogram is native;",
            "    latency: {preset: pod-http-histogram, quantile: 0.95, max: 500ms}",
        ] {
            assert!(told.contains(line), "{told}");
        }
    }

    #[test]
    fn a_bound_reads_as_a_limit_is_written() {
        assert_eq!([0.005, 0.0025, 0.1, 1.0, 2.5, 10.0].map(seconds), ["5ms", "2.5ms", "100ms", "1s", "2.5s", "10s"]);
    }
}
