//! Which series a check reads, and what each of them counts.

use super::{
    answer::Row,
    fault::Fault,
    presets::{self, is_failure},
    template::{Scope, is_pod_of, pod_prefix, render},
};
use crate::{
    api::{Check, RevisionStatus, TimeUnit},
    judge::{Arm, Key, Meaning, Series},
};

/// The series of a check. Checks with the same source share its requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) selectors: Vec<Selector>,
}

/// One selector, and how its series are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    pub(super) promql: String,
    arm: Arms,
    counts: Counted,
}

#[derive(Debug, Clone, PartialEq)]
enum Arms {
    /// Both versions at once, by what the name of the pod starts with.
    ByPod {
        canary: String,
        stable: String,
    },
    One(Arm),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Counted {
    /// Requests, with their status in the first of these labels that is there.
    ByStatus {
        labels: &'static [&'static str],
        text: &'static str,
    },
    Requests,
    Failures,
    Buckets(TimeUnit),
}

impl Source {
    /// What `check` reads, or nothing if it asks a query instead of counters.
    pub(super) fn of(
        check: &Check,
        scope: &Scope<'_>,
        canary: &RevisionStatus,
        stable: &RevisionStatus,
    ) -> Result<Option<Self>, Fault> {
        let written = Written { scope, canary, stable };
        let selectors = match (&check.error_rate, &check.latency) {
            (Some(errors), _) => match (errors.preset, &errors.counters) {
                (Some(preset), _) => {
                    let source = presets::Source::of(preset);
                    let counts = Counted::ByStatus { labels: source.status, text: source.status_text };
                    vec![written.preset(source, source.requests, counts)?]
                }
                (None, Some(own)) => {
                    [written.own(&own.total, Counted::Requests)?, written.own(&own.errors, Counted::Failures)?].concat()
                }
                (None, None) => Vec::new(),
            },
            (None, Some(latency)) => match (latency.preset, &latency.histogram) {
                (Some(preset), _) => {
                    let source = presets::Source::of(preset);
                    vec![written.preset(source, source.buckets, Counted::Buckets(source.unit))?]
                }
                (None, Some(own)) => {
                    written.own(&own.buckets, Counted::Buckets(own.unit.unwrap_or(TimeUnit::Seconds)))?
                }
                (None, None) => Vec::new(),
            },
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { selectors }))
    }

    /// What Prometheus answered to each of the selectors, as series that can be counted.
    pub(super) fn series(&self, answers: Vec<Vec<Row>>) -> Result<Vec<Series>, Fault> {
        let mut all = Vec::new();
        for (selector, answer) in self.selectors.iter().zip(answers) {
            let found = answer.len();
            let before = all.len();
            all.extend(answer.into_iter().filter_map(|row| selector.series(row)));
            if let Counted::ByStatus { text, .. } = selector.counts
                && found > 0
                && all.len() == before
            {
                return Err(Fault::NoStatusLabel { labels: text });
            }
        }
        Ok(without_overhang(all))
    }
}

/// The check's words and what they stand for.
struct Written<'a> {
    scope: &'a Scope<'a>,
    canary: &'a RevisionStatus,
    stable: &'a RevisionStatus,
}

impl Written<'_> {
    fn preset(&self, source: &presets::Source, metric: &str, counts: Counted) -> Result<Selector, Fault> {
        let sets = [self.canary, self.stable].map(|revision| revision.replica_set.as_str());
        let [canary, stable] = sets.map(pod_prefix);
        if canary == stable {
            return Err(Fault::PodsIndistinguishable);
        }
        let promql = source.selector(metric, self.scope.namespace, sets);
        Ok(Selector { promql, arm: Arms::ByPod { canary, stable }, counts })
    }

    /// A selector of the user's own, once for each version unless it does not tell them apart.
    fn own(&self, template: &str, counts: Counted) -> Result<Vec<Selector>, Fault> {
        let selector = |revision, arm| {
            let promql = render(template, &Scope { revision, ..*self.scope })?;
            Ok::<_, Fault>(Selector { promql, arm: Arms::One(arm), counts })
        };
        let (canary, stable) = (selector(self.canary, Arm::Canary)?, selector(self.stable, Arm::Stable)?);
        Ok(if canary.promql == stable.promql { vec![canary] } else { vec![canary, stable] })
    }
}

impl Selector {
    fn series(&self, row: Row) -> Option<Series> {
        let label = |name: &str| row.label(name);
        let arm = match &self.arm {
            Arms::One(arm) => *arm,
            Arms::ByPod { canary, stable } => {
                let pod = label("pod")?;
                if is_pod_of(canary, pod) {
                    Arm::Canary
                } else if is_pod_of(stable, pod) {
                    Arm::Stable
                } else {
                    return None;
                }
            }
        };
        let (mut all, mut instance, mut le) = (Key::default(), Key::default(), Key::default());
        for (name, value) in row.labels.iter() {
            let key = Key::of(name, value);
            all = all.with(key);
            match &**name {
                "namespace" | "pod" | "container" | "job" | "instance" => instance = instance.with(key),
                "le" => le = key,
                _ => {}
            }
        }
        let meaning = match self.counts {
            Counted::Requests => Meaning::Requests,
            Counted::Failures => Meaning::Failures,
            Counted::ByStatus { labels, .. } => {
                let status = labels.iter().find_map(|name| label(name))?;
                if is_failure(status) { Meaning::FailedRequests } else { Meaning::Requests }
            }
            Counted::Buckets(unit) => {
                Meaning::Bucket { histogram: all.without(le), le: nanoseconds(label("le")?, unit)? }
            }
        };
        Some(Series { key: all.with(side(self.counts)), instance, arm, meaning, samples: row.samples })
    }
}

/// Tells apart what one series counts when it is both the errors and the total of a check.
fn side(counts: Counted) -> Key {
    Key::of("", if matches!(counts, Counted::Failures) { "failures" } else { "requests" })
}

/// A bound as a number: Prometheus 3 writes `1.0` where 2 wrote `1`.
/// <https://prometheus.io/docs/prometheus/latest/migration/>
fn nanoseconds(le: &str, unit: TimeUnit) -> Option<f64> {
    let scale = match unit {
        TimeUnit::Seconds => 1e9,
        TimeUnit::Milliseconds => 1e6,
    };
    let bound = le.parse::<f64>().ok().filter(|bound| !bound.is_nan())?;
    Some((bound * scale).round())
}

/// Without failures that are newer than the requests that they belong to: errors and total are asked one after
/// the other, and a scrape may come between.
fn without_overhang(mut series: Vec<Series>) -> Vec<Series> {
    let newest = |arm| {
        let totals = series.iter().filter(|one| one.arm == arm && one.meaning == Meaning::Requests);
        totals.filter_map(|one| one.samples.last()).map(|sample| sample.at).max()
    };
    let (canary, stable) = (newest(Arm::Canary), newest(Arm::Stable));
    for one in series.iter_mut().filter(|one| one.meaning == Meaning::Failures) {
        let Some(until) = (if one.arm == Arm::Canary { canary } else { stable }) else { continue };
        one.samples.retain(|sample| sample.at <= until);
    }
    series
}
