//! Weight and metrics over time.

use jiff::Timestamp;
use tidegate_api::RolloutSpec;

use crate::traffic::{Load, Totals};

/// Weight and metrics over time of one Rollout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    /// The new version's weight in percent, from each instant on.
    pub weight: Vec<(Timestamp, f64)>,
    /// What was measured, in order of time.
    pub points: Vec<Point>,
    /// The quantile that is shown, as a part of one.
    pub quantile: f64,
    /// The lowest limit of a check of the error rate, as a part of one.
    pub error_limit: Option<f64>,
    /// The lowest limit of a check of that quantile, in seconds.
    pub latency_limit: Option<f64>,
}

/// What was measured since the point before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// Of the version that worked.
    pub stable: Reading,
    /// Of the version on its way.
    pub canary: Reading,
}

/// What the requests of one version were like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Which part of them failed; nothing without requests.
    pub error_rate: Option<f64>,
    /// How long the quantile took, in seconds; nothing without requests.
    pub latency: Option<f64>,
}

impl Curves {
    /// Nothing yet, for a Rollout with these checks.
    pub(super) fn new(spec: &RolloutSpec) -> Self {
        let checks = || spec.analysis.iter().flat_map(|analysis| &analysis.checks);
        let errors = checks().filter_map(|check| check.error_rate.as_ref()?.max).map(tidegate_api::Percent::fraction);
        let latencies = checks().filter_map(|check| check.latency.as_ref());
        let shown = latencies.clone().find(|latency| latency.max.is_some()).or(latencies.clone().next());
        let quantile = shown.map_or(0.95, |latency| latency.quantile.value());
        Self {
            quantile,
            error_limit: errors.reduce(f64::min),
            latency_limit: shown.and_then(|latency| latency.max).map(|max| max.duration().as_secs_f64()),
            ..Self::default()
        }
    }

    pub(super) fn weigh(&mut self, at: Timestamp, percent: f64) {
        if self.weight.last().is_none_or(|(_, last)| last.to_bits() != percent.to_bits()) {
            self.weight.push((at, percent));
        }
    }
}

/// What came since the last time that a revision was read.
#[derive(Debug, Default)]
pub(super) struct Since {
    revision: String,
    totals: Totals,
}

impl Since {
    pub(super) fn read(&mut self, revision: Option<&str>, load: &Load, quantile: f64) -> Reading {
        let Some((revision, totals)) = revision.and_then(|name| Some((name, load.totals(name)?))) else {
            return Reading::default();
        };
        if self.revision != revision {
            *self = Self { revision: revision.to_owned(), totals: totals.clone() };
            return Reading::default();
        }
        let new = totals - &self.totals;
        self.totals = totals.clone();
        Reading { error_rate: new.error_rate(), latency: new.quantile(quantile) }
    }
}
