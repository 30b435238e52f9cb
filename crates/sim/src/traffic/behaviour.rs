//! How a version behaves now.

use rand::{SeedableRng, rngs::StdRng};
use tidegate_api::Percent;

use super::{drift::Drift, histogram::Spread, windows::Windows};
use crate::scenario::{Dependency, Version};

/// For so many seconds a version behaves evenly, as long as no step comes.
const EVEN: f64 = 15.0;

/// How a version behaves, as it changes over time. All of its pods behave alike, but for its outliers: what makes a
/// version slow or faulty for a while, such as a database, they have in common.
#[derive(Debug)]
pub(super) struct Behaviour {
    version: Version,
    rng: StdRng,
    errors: Drift,
    latency: Drift,
    bursts: Option<Windows>,
    /// What is the matter with something that all versions need.
    dependency: Option<Dependency>,
    now: Now,
    until: f64,
}

/// How it behaves for the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Now {
    /// Which part of the requests fails.
    pub(super) error_rate: f64,
    /// How many fail together.
    pub(super) together: f64,
    /// The status codes of failures, each with the part of them that it has.
    pub(super) codes: Vec<(u16, f64)>,
    /// How most of its pods do.
    usual: Manner,
    /// How its outliers do, in their order.
    outliers: Vec<Manner>,
    /// How many pauses there are in a second, how long each lasts, and how long the requests take that come in one.
    pub(super) pauses: Option<(f64, f64, Spread)>,
    latency_factor: f64,
    median: f64,
}

/// How one pod behaves beside what all have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    /// Which part of the requests fails besides.
    pub(super) errors: f64,
    /// How long requests take.
    pub(super) spread: Spread,
    /// Both while it is warming up.
    pub(super) cold: Option<(f64, Spread)>,
}

impl Now {
    /// How the outlier at `index` behaves, or one of all the others.
    pub(super) fn manner(&self, outlier: Option<usize>) -> &Manner {
        outlier.and_then(|index| self.outliers.get(index)).unwrap_or(&self.usual)
    }
}

impl Behaviour {
    pub(super) fn new(version: &Version, seed: u64) -> Self {
        Self {
            version: version.clone(),
            rng: StdRng::seed_from_u64(seed),
            errors: Drift::default(),
            latency: Drift::default(),
            bursts: None,
            dependency: None,
            now: Now::default(),
            until: f64::NEG_INFINITY,
        }
    }

    pub(super) fn version(&self) -> &Version {
        &self.version
    }

    /// How it behaves at `offset` seconds after the start.
    pub(super) fn look(&mut self, offset: f64, bounds: &[f64]) -> &Now {
        if offset >= self.until {
            self.renew(offset, bounds);
            self.until = self.change_after(offset);
        }
        &self.now
    }

    /// From now on this is the matter with something that all versions need; nothing if all is well.
    pub(super) fn depend(&mut self, dependency: Option<Dependency>) {
        self.dependency = dependency;
        self.until = f64::NEG_INFINITY;
    }

    fn change_after(&self, offset: f64) -> f64 {
        let steps = self.version.errors.changes().chain(self.version.latency.changes());
        let next = steps.map(super::super::scenario::Length::as_seconds).filter(|change| *change > offset);
        next.fold(offset + EVEN, f64::min)
    }

    fn renew(&mut self, offset: f64, bounds: &[f64]) {
        self.renew_errors(offset);
        let Some(latency) = self.version.latency.at(offset) else { return };
        let strain = self.dependency.map_or(1.0, |dependency| dependency.slower_by.0);
        let factor = strain * self.latency.look(&mut self.rng, offset, latency.drift.fraction());
        let unchanged = self.now.median.to_bits() == latency.median.as_seconds().to_bits();
        if unchanged && (factor / self.now.latency_factor - 1.0).abs() < 1e-3 {
            return;
        }
        (self.now.median, self.now.latency_factor) = (latency.median.as_seconds(), factor);
        let manner = |errors: f64, factor: f64| {
            let cold = self.version.warm_up.map(|cold| {
                let errors = errors + (1.0 - errors) * cold.errors.fraction();
                (errors, Spread::new(latency, factor * cold.slower_by.0, bounds))
            });
            Manner { errors, spread: Spread::new(latency, factor, bounds), cold }
        };
        let outliers = self.version.pods.iter();
        self.now.outliers =
            outliers.map(|outlier| manner(outlier.errors.fraction(), factor * outlier.slower_by.0)).collect();
        self.now.usual = manner(0.0, factor);
        self.now.pauses = self.version.pauses.map(|pauses| {
            let length = pauses.length.as_seconds();
            (1.0 / pauses.every.as_seconds(), length, Spread::of_pause(length, bounds))
        });
    }

    fn renew_errors(&mut self, offset: f64) {
        let Some(errors) = self.version.errors.at(offset) else { return };
        let factor = self.errors.look(&mut self.rng, offset, errors.drift.fraction());
        let mut rate = errors.rate.fraction() * factor;
        if let Some(bursts) = errors.bursts {
            let windows = self.bursts.get_or_insert_with(|| {
                Windows::new(&mut self.rng, bursts.every.as_seconds(), bursts.length.as_seconds(), offset)
            });
            if windows.look(&mut self.rng, offset) {
                rate = rate.max(bursts.rate.fraction());
            }
        }
        let shared = self.dependency.map_or(0.0, |dependency| dependency.errors.fraction());
        let rate = rate.min(Percent::FULL.fraction());
        self.now.error_rate = rate + (1.0 - rate) * shared;
        self.now.together = errors.together.map_or(1.0, |count| count.0);
        let whole: f64 = errors.codes.values().map(|count| count.0).sum();
        self.now.codes = errors.codes.iter().map(|(code, count)| (*code, count.0 / whole)).collect();
        if self.now.codes.is_empty() {
            self.now.codes.push((500, 1.0));
        }
    }
}
