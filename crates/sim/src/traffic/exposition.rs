//! What a pod exposes, under the names and labels that the checks' presets read.

use std::{collections::BTreeMap, sync::Arc};

use tidegate_api::{Preset, RolloutSpec};
use tidegate_promql::Labels;

use super::histogram::{CLIENT, ISTIO};
use crate::scenario::{Length, Metric, Traffic};

/// One series of a pod, and its value.
pub type Series = (Labels, f64);

/// Which metrics pods expose, and with which bounds.
#[derive(Debug, Clone)]
pub struct Exposed {
    /// Those of [`Preset::PodHttp`], with the bounds of its histogram in seconds.
    pod_http: Option<Arc<[f64]>>,
    /// Those of [`Preset::Istio`], with the bounds of its histogram in seconds.
    istio: Option<Arc<[f64]>>,
    /// The bounds of both.
    pub(super) bounds: Arc<[f64]>,
}

impl Exposed {
    /// What the checks of a Rollout read: metrics of a preset that none of them names are left out, unless they name
    /// no preset at all.
    #[must_use]
    pub fn new(spec: &RolloutSpec, traffic: &Traffic) -> Self {
        let presets: Vec<_> = spec
            .all_checks()
            .filter_map(|check| {
                let errors = check.error_rate.as_ref().and_then(|check| check.preset);
                errors.or(check.latency.as_ref().and_then(|check| check.preset))
            })
            .collect();
        let own: Option<Vec<f64>> =
            traffic.buckets.as_ref().map(|buckets| buckets.iter().map(|bound| Length::as_seconds(*bound)).collect());
        let bounds = |usual: &[f64]| -> Arc<[f64]> { own.clone().unwrap_or_else(|| usual.to_vec()).into() };
        let istio = presets.contains(&Preset::Istio).then(|| bounds(&ISTIO));
        let pod_http = (istio.is_none() || presets.contains(&Preset::PodHttp)).then(|| bounds(&CLIENT));
        let mut all: Vec<f64> =
            [&pod_http, &istio].into_iter().flatten().flat_map(|bounds| bounds.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        Self { pod_http, istio, bounds: all.into() }
    }
}

/// The labels that a scrape puts on every series of a pod: `namespace` and `pod`.
pub(super) type Target<'a> = [(&'a str, &'a str); 2];

/// What a pod has counted since it started.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// By status code.
    pub(super) codes: BTreeMap<u16, u64>,
    pub(super) buckets: Vec<u64>,
    /// Of all durations, in seconds.
    pub(super) sum: f64,
}

/// The series of one pod, which keep their places: a new one is put behind the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Exposition {
    series: Vec<Series>,
    places: BTreeMap<(Group, u16), usize>,
}

/// What a series is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    PodRequests,
    PodBuckets,
    IstioRequests,
    IstioBuckets,
    Own,
}

impl Exposition {
    pub(super) fn series(&self) -> &[Series] {
        &self.series
    }

    /// Shows what was counted.
    pub(super) fn show(&mut self, counts: &Counts, exposed: &Exposed, target: &Target<'_>) {
        if let Some(bounds) = &exposed.pod_http {
            for (code, count) in &counts.codes {
                let labels = || series("http_requests_total", target, &[("code", &code.to_string())]);
                self.set((Group::PodRequests, *code), *count as f64, labels);
            }
            let name = "http_request_duration_seconds";
            self.histogram(Group::PodBuckets, (name, 1.0), counts, (&exposed.bounds, bounds), (target, &[]));
        }
        if let Some(bounds) = &exposed.istio {
            let reporter = [("reporter", "destination")];
            for (code, count) in &counts.codes {
                let own = [("reporter", "destination"), ("response_code", &code.to_string())];
                self.set((Group::IstioRequests, *code), *count as f64, || series("istio_requests_total", target, &own));
            }
            let name = "istio_request_duration_milliseconds";
            self.histogram(Group::IstioBuckets, (name, 1000.0), counts, (&exposed.bounds, bounds), (target, &reporter));
        }
    }

    /// Shows a metric of the version's own.
    pub(super) fn show_own(&mut self, index: usize, metric: &Metric, value: f64, target: &Target<'_>) {
        let Ok(place) = u16::try_from(index) else { return };
        self.set((Group::Own, place), value, || {
            let own: Vec<_> = metric.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            series(&metric.name, target, &own)
        });
    }

    fn histogram(
        &mut self,
        group: Group,
        (name, unit): (&str, f64),
        counts: &Counts,
        (all, bounds): (&[f64], &[f64]),
        (target, own): (&Target<'_>, &[(&str, &str)]),
    ) {
        let (mut below, mut place) = (0, 0_u16);
        let mut wanted = bounds.iter().peekable();
        for (index, count) in counts.buckets.iter().enumerate() {
            below += count;
            let bound = all.get(index);
            if bound.is_some_and(|bound| wanted.next_if(|next| *next <= bound).is_none()) {
                continue;
            }
            let labels = || {
                let le = bound.map_or_else(|| "+Inf".to_owned(), |bound| shortest(bound * unit));
                series(&format!("{name}_bucket"), target, &[own, &[("le", &le)]].concat())
            };
            self.set((group, place), below as f64, labels);
            place += 1;
        }
        self.set((group, u16::MAX - 1), counts.sum * unit, || series(&format!("{name}_sum"), target, own));
        self.set((group, u16::MAX), below as f64, || series(&format!("{name}_count"), target, own));
    }

    fn set(&mut self, key: (Group, u16), value: f64, labels: impl FnOnce() -> Labels) {
        let place = *self.places.entry(key).or_insert(self.series.len());
        match self.series.get_mut(place) {
            Some((_, known)) => *known = value,
            None => self.series.push((labels(), value)),
        }
    }
}

/// A bound as Prometheus' client libraries write it: `0.005`, `1.0` as `1`, `2.5`.
fn shortest(bound: f64) -> String {
    ((bound * 1e9).round() / 1e9).to_string()
}

fn series(name: &str, target: &Target<'_>, own: &[(&str, &str)]) -> Labels {
    let named = [("__name__", name)];
    Labels::new(named.iter().chain(target).chain(own).copied())
}
