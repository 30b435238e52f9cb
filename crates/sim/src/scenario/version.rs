//! How the pods of a version behave.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_api::Percent;

use super::{Length, Outlier, OverTime, over_time::Step, traffic::Count, yaml::WrongValue};

/// How the pods of a version behave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// How many requests fail. Default: 0.02%.
    #[serde(default = "Version::default_errors")]
    pub errors: OverTime<Errors>,
    /// How long requests take. Default: a median of 50ms and a 99th percentile of 400ms.
    #[serde(default = "Version::default_latency")]
    pub latency: OverTime<Latency>,
    /// How long a pod takes until it is ready. Default: 10s.
    #[serde(default = "Version::default_start_up")]
    pub start_up: Length,
    /// How its first requests differ. Default: not at all.
    #[serde(default)]
    pub warm_up: Option<WarmUp>,
    /// How many requests a pod answers in a second; those beyond that fail. Default: as many as come.
    #[serde(default)]
    pub capacity: Option<Count>,
    /// Times in which a pod answers nothing, as while garbage is collected: requests wait for their end. Default: none.
    #[serde(default)]
    pub pauses: Option<Pauses>,
    /// Its pods crash again and again, and are never ready. Default: false.
    #[serde(default)]
    pub crash_loop: bool,
    /// Which of its pods behave otherwise; of several that speak of a pod, the first. Default: none.
    #[serde(default)]
    pub pods: Vec<Outlier>,
    /// What its pods expose besides requests, for the queries of checks.
    #[serde(default)]
    pub metrics: Vec<Metric>,
}

impl Version {
    fn default_errors() -> OverTime<Errors> {
        OverTime::always(Errors::brief(Percent::new(0.02)))
    }

    fn default_latency() -> OverTime<Latency> {
        OverTime::always(Latency::default())
    }

    const fn default_start_up() -> Length {
        Length::seconds(10)
    }
}

impl Default for Version {
    fn default() -> Self {
        Self {
            errors: Self::default_errors(),
            latency: Self::default_latency(),
            start_up: Self::default_start_up(),
            warm_up: None,
            capacity: None,
            pauses: None,
            crash_loop: false,
            pods: Vec::new(),
            metrics: Vec::new(),
        }
    }
}

/// How many requests fail from some instant on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Errors {
    /// From when on.
    #[serde(default)]
    pub from: Length,
    /// How many of its requests fail, on average.
    pub rate: Percent,
    /// How far the rate wanders around that, slowly: its standard deviation as a part of itself. Default: 0%.
    #[serde(default)]
    pub drift: Percent,
    /// Times of more errors. Default: none.
    #[serde(default)]
    pub bursts: Option<ErrorBursts>,
    /// How many requests of one pod fail together, on average; at least 1. Default: each by itself.
    #[serde(default)]
    pub together: Option<Count>,
    /// The status codes, and how often each of them comes compared with the others. Default: `{500: 1}`.
    #[serde(default)]
    pub codes: BTreeMap<u16, Count>,
}

impl Step for Errors {
    type Short = Percent;

    fn brief(rate: Percent) -> Self {
        Self {
            from: Length::default(),
            rate,
            drift: Percent::ZERO,
            bursts: None,
            together: None,
            codes: BTreeMap::new(),
        }
    }

    fn from(&self) -> Length {
        self.from
    }
}

/// Times of more errors, which come and go at random.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorBursts {
    /// How long it is quiet between two of them, on average.
    pub every: Length,
    /// How long one lasts, on average.
    pub length: Length,
    /// How many of the requests fail then.
    pub rate: Percent,
}

/// How long requests take from some instant on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// From when on.
    #[serde(default)]
    pub from: Length,
    /// Half of the requests take less.
    pub median: Length,
    /// Of a hundred requests, 99 take less.
    pub p99: Length,
    /// How far all latencies wander around that, slowly: the standard deviation as a part of them. Default: 0%.
    #[serde(default)]
    pub drift: Percent,
}

impl Default for Latency {
    fn default() -> Self {
        let milliseconds = |count| Length::from(std::time::Duration::from_millis(count));
        Self { from: Length::default(), median: milliseconds(50), p99: milliseconds(400), drift: Percent::ZERO }
    }
}

impl Step for Latency {
    type Short = Length;

    /// Only the median: the slow ones take eight times as long.
    fn brief(median: Length) -> Self {
        Self { median, p99: Length::from(median.duration().saturating_mul(8)), ..Self::default() }
    }

    fn from(&self) -> Length {
        self.from
    }
}

/// How the first requests of a fresh pod differ.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmUp {
    /// How long it lasts, from the moment the pod is ready.
    #[serde(rename = "for")]
    pub for_: Length,
    /// How many times as long requests take meanwhile.
    pub slower_by: Count,
    /// How many more of them fail meanwhile. Default: none.
    #[serde(default)]
    pub errors: Percent,
}

/// Times in which a pod answers nothing; each pod has its own.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pauses {
    /// How long it is from one to the next, on average.
    pub every: Length,
    /// How long one lasts.
    pub length: Length,
}

/// What the pods of a version expose besides requests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// Its name. The labels `namespace` and `pod` come with it.
    pub name: String,
    /// Its other labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A gauge: its value.
    #[serde(default)]
    pub gauge: Option<OverTime<Level>>,
    /// A counter: how much it gains in a second.
    #[serde(default)]
    pub counter: Option<OverTime<Level>>,
    /// A counter: how much it gains with each request of the kind that `of` says.
    #[serde(default)]
    pub per_request: Option<OverTime<Level>>,
    /// Which requests `perRequest` means. Default: All.
    #[serde(default)]
    pub of: Kind,
    /// How far values scatter: their standard deviation as a part of them. Default: 2%.
    #[serde(default = "Metric::default_spread")]
    pub spread: Percent,
}

impl Metric {
    fn default_spread() -> Percent {
        Percent::new(2.0)
    }
}

/// Which requests are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// All of them.
    #[default]
    All,
    /// Those that failed.
    Failed,
    /// Those that did not.
    Served,
}

/// A number from some instant on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Level {
    /// From when on.
    #[serde(default)]
    pub from: Length,
    /// The number.
    pub value: f64,
    /// How much it grows in an hour, from then on. Default: 0.
    #[serde(default)]
    pub growth: f64,
}

impl Level {
    /// The number at `offset` seconds after the scenario's start.
    #[must_use]
    pub fn at(&self, offset: f64) -> f64 {
        self.value + self.growth * (offset - self.from.as_seconds()).max(0.0) / 3600.0
    }
}

impl Step for Level {
    type Short = f64;

    fn brief(value: f64) -> Self {
        Self { from: Length::default(), value, growth: 0.0 }
    }

    fn from(&self) -> Length {
        self.from
    }
}

impl Version {
    /// The first field whose value cannot be used, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.latency.steps().any(|step| step.median == Length::default() || step.p99 < step.median) {
            return Err(("latency", "median must be above 0s, and p99 not below it".to_owned()));
        }
        let bursts = self.errors.steps().filter_map(|step| step.bursts);
        if bursts.into_iter().any(|bursts| bursts.every.min(bursts.length) < Length::seconds(1)) {
            return Err(("errors", "every and length of bursts must be at least 1s".to_owned()));
        }
        if self.errors.steps().any(|step| step.together.is_some_and(|count| count.0 < 1.0)) {
            return Err(("errors", "together must be at least 1".to_owned()));
        }
        if self.pauses.is_some_and(|pauses| pauses.length == Length::default() || pauses.length >= pauses.every) {
            return Err(("pauses", "length must be above 0s, and below every".to_owned()));
        }
        if self.errors.steps().any(|step| step.codes.values().any(|count| count.0 <= 0.0)) {
            return Err(("errors", "each code must come more often than never".to_owned()));
        }
        for outlier in &self.pods {
            outlier.check().map_err(|why| ("pods", why.to_string()))?;
        }
        for metric in &self.metrics {
            metric.check().map_err(|why| ("metrics", format!("{}: {why}", metric.name)))?;
        }
        Ok(())
    }
}

impl Metric {
    fn check(&self) -> Result<(), WrongValue> {
        let plain = |name: &str| {
            let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
            name.chars().next().is_some_and(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        };
        if !plain(&self.name) {
            return Err(WrongValue("is not a name that Prometheus takes".to_owned()));
        }
        if let Some(label) = self.labels.keys().find(|label| !plain(label) || label.contains(':')) {
            return Err(WrongValue(format!("{label:?} is not a label that Prometheus takes")));
        }
        let written = [&self.gauge, &self.counter, &self.per_request].into_iter().flatten().collect::<Vec<_>>();
        let [levels] = written.as_slice() else {
            return Err(WrongValue("takes exactly one of gauge, counter and perRequest".to_owned()));
        };
        if self.gauge.is_none() && levels.steps().any(|level| level.value < 0.0 || level.growth < 0.0) {
            return Err(WrongValue("a counter never falls".to_owned()));
        }
        Ok(())
    }
}
