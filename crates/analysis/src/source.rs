//! Which series a check reads, and what each of them counts.

use std::sync::Arc;

use tidegate_api::{Check, RevisionStatus, TimeUnit};
use tidegate_judge::{Arm, ByKey, Key, Meaning, Measure, Sample, Series, WarmUp};

use super::{
    alternatives::{Alternative, keep_first},
    answer::{Bucket, Histogram, Row},
    doubled::{Double, Tellers},
    error::{Counting, QueryError},
    exclusion::{Exclusion, LeftOut},
    forms::{self, Forms, NativeSelector, as_counter, classic_name, once},
    histogram::{HistogramSeries, of_ranges},
    markers::without_markers,
    pattern::Pattern,
    recipe::{Expected, Reads, Recipe, Templates, recipe},
    renamed::joined,
    template::{Scope, render, render_pattern, render_text},
    versions::{Arms, Selection, Versions},
};

/// The labels by which the processes are told apart that series come from.
pub(super) const OF_A_PROCESS: [&str; 5] = ["namespace", "pod", "container", "job", "instance"];

/// The series of a check. Checks with the same source share its requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) selectors: Vec<Selector>,
    /// Who counts.
    pub(super) counting: Counting,
    /// Whose requests do not count.
    pub(super) exclusion: Exclusion,
    /// What counts of processes that have just begun.
    pub(super) warm_up: WarmUp,
    /// What the application is called where it is counted: its workload or its Service.
    pub(super) about: String,
}

/// One selector, and how its series are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    pub(super) promql: String,
    /// What selects the same histograms where they are native ones.
    pub(super) native: NativeSelector,
    arms: Arms,
    counts: Counted,
    /// Its place among selectors of the same under other names.
    place: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Counted {
    /// Requests, with their status in the first of these labels that is there.
    ByStatus {
        labels: Vec<String>,
        failures: Pattern,
    },
    Requests,
    Failures,
    /// What the histograms should have.
    Expected,
    Buckets(TimeUnit),
}

/// The expression that `check` asks for the version of `scope`; empty if it has none.
pub(super) fn expression(check: &Check, templates: &Templates, scope: &Scope<'_>) -> Result<String, QueryError> {
    let Recipe { reads, parameters, .. } = recipe(check, templates)?;
    match reads {
        Reads::Query(expr) if check.provider().is_some() => Ok(render_text(expr, scope)?),
        Reads::Query(expr) => Ok(render(expr, &Scope { parameters: &parameters, ..*scope })?),
        _ => Ok(String::new()),
    }
}

impl Source {
    /// What `check` reads.
    pub(super) fn of(
        check: &Check,
        templates: &Templates,
        scope: &Scope<'_>,
        canary: &RevisionStatus,
        stable: &RevisionStatus,
    ) -> Result<Self, QueryError> {
        Self::reading(recipe(check, templates)?, scope, canary, stable)
    }

    /// What `recipe` reads.
    pub(super) fn reading(
        Recipe { reads, parameters, is_published, exclude }: Recipe<'_>,
        scope: &Scope<'_>,
        canary: &RevisionStatus,
        stable: &RevisionStatus,
    ) -> Result<Self, QueryError> {
        let scope = Scope { parameters: &parameters, ..*scope };
        let versions = Versions { scope: &scope, canary, stable };
        let select = |selector: &str, stable: Option<&str>| {
            let selections = match stable {
                Some(stable) => versions.apart(selector, stable)?,
                None => versions.selections(selector)?,
            };
            let same = matches!(selections.as_slice(), [Selection { arms: Arms::One(_), .. }]);
            let twice = matches!(selections.as_slice(), [one, other] if one.promql == other.promql);
            // A published one must never compare a version with itself; who writes a selector of their own may.
            if is_published && (same || twice) { Err(QueryError::VersionsIndistinguishable) } else { Ok(selections) }
        };
        let counting = Counting::of(reads.selector(), is_published);
        let are_beside = matches!(reads, Reads::Counters { .. });
        let selectors = match reads {
            Reads::Requests { selector, stable, alternatives, status } => {
                let failures = Pattern::new(render_pattern(&status.failures, &scope)?);
                let counts = Counted::ByStatus { labels: status.labels.clone(), failures };
                let mut all = counted(select(selector, stable)?, &counts, 0);
                for (place, other) in (1..).zip(alternatives) {
                    all.extend(counted(select(other, None)?, &counts, place));
                }
                all
            }
            Reads::Counters { errors, total } => {
                let (total, errors) = (select(total, None)?, select(errors, None)?);
                [counted(total, &Counted::Requests, 0), counted(errors, &Counted::Failures, 0)].concat()
            }
            Reads::Buckets { selector, stable, unit, alternatives, expected } => {
                let mut all = counted(select(selector, stable)?, &Counted::Buckets(unit), 0);
                for (place, (other, unit)) in (1..).zip(alternatives) {
                    all.extend(counted(select(other, None)?, &Counted::Buckets(unit), place));
                }
                if let Some(Expected { selector, stable, alternatives }) = expected {
                    all.extend(counted(select(selector, stable)?, &Counted::Expected, 0));
                    for (place, other) in (1..).zip(alternatives) {
                        all.extend(counted(select(other, None)?, &Counted::Expected, place));
                    }
                }
                all
            }
            Reads::Query(_) | Reads::Nothing => Vec::new(),
        };
        let promql = selectors.iter().map(|selector| &*selector.promql);
        let exclusion = Exclusion::of(exclude, counting, promql, are_beside);
        let about = match counting {
            Counting::Gateway => scope.service.to_owned(),
            Counting::Pods | Counting::Anybody => workload([canary, stable]).to_owned(),
        };
        Ok(Self { selectors, counting, exclusion, warm_up: WarmUp::default(), about })
    }

    /// For how long a process that has just begun is cold, where processes are the application's own.
    pub(super) fn warm_up_of_processes(&self) -> WarmUp {
        if self.counting == Counting::Gateway { WarmUp::default() } else { self.warm_up }
    }

    /// For how long a stage is cold, where nobody knows which pod a request was answered by.
    pub(super) fn warm_up_of_stages(&self) -> WarmUp {
        if self.counting == Counting::Pods { WarmUp::default() } else { self.warm_up }
    }

    /// What Prometheus answered to each of the selectors.
    pub(super) fn gathered(&self, mut answers: Vec<Vec<Row>>) -> Result<Gathered, QueryError> {
        let mut all = Gathered::default();
        for is_expected in [false, true] {
            let alike = self.selectors.iter().zip(&mut answers).filter(|(one, _)| one.is_expected() == is_expected);
            keep_first(alike.map(|(selector, answer)| (selector.alternative(), answer)));
        }
        for (selector, answer) in self.selectors.iter().zip(answers) {
            selector.gather(answer, self, &mut all)?;
        }
        all.without_unlike_expected();
        all.series = without_overhang(all.series);
        Ok(all)
    }

    /// Those of its selectors that select what is judged.
    pub(super) fn judged(&self) -> impl Iterator<Item = &Selector> {
        self.selectors.iter().filter(|selector| !selector.is_expected())
    }

    /// Whether what is judged are the buckets of histograms.
    pub(super) fn has_buckets(&self) -> bool {
        self.judged().all(|selector| selector.unit().is_some())
    }
}

/// The series of a source, and its histograms that are not series of buckets.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) series: Vec<Series>,
    pub(super) histograms: Vec<HistogramSeries>,
    /// Whether a native histogram counts as the counter that it has not.
    pub(super) has_counters: bool,
    /// What there is that does not count.
    pub(super) left_out: LeftOut,
    /// Whether any of that was left out of what is judged, and of what it is held against.
    lacks: (bool, bool),
    /// By whom all of it was told.
    pub(super) tellers: Tellers,
}

impl Gathered {
    /// `row` of a version as it counts, or as what others are held against.
    fn counting(&mut self, exclusion: &Exclusion, row: Row, (arm, is_expected): (Arm, bool)) -> Row {
        let Some(value) = exclusion.leaves_out(&row.labels) else { return row };
        if row.has_any() {
            self.left_out.insert(arm, value);
            let lacks = if is_expected { &mut self.lacks.1 } else { &mut self.lacks.0 };
            *lacks = true;
        }
        row.silent()
    }

    /// Without what histograms are held against, where probes were left out of one of both and not of the other: its labels do not
    /// tell which they are.
    fn without_unlike_expected(&mut self) {
        if self.lacks.0 != self.lacks.1 {
            self.series.retain(|series| series.meaning != Meaning::Expected);
        }
    }

    /// All as series that can be counted for `measures`, each histogram once, and in which form it is.
    pub(super) fn counted(self, measures: &[Measure]) -> Result<(Vec<Series>, Forms), QueryError> {
        let (series, forms, _) = self.counted_with_doubles(measures)?;
        Ok((series, forms))
    }

    /// The same, with those of them that may be others once more.
    pub(super) fn counted_with_doubles(
        mut self,
        measures: &[Measure],
    ) -> Result<(Vec<Series>, Forms, Vec<Double>), QueryError> {
        let mut held = Vec::new();
        for histogram in &self.histograms {
            let told = self.tellers.of(histogram.key);
            let mut buckets = histogram.buckets(measures).map_err(QueryError::BrokenHistogram)?;
            for bucket in &buckets {
                self.tellers.note(bucket.key, told.map(|told| told.of_part(bucket.key.without(histogram.key))));
            }
            held.append(&mut buckets);
        }
        let (series, forms) = once(self.series, held);
        let doubles = self.tellers.doubles(&series);
        Ok((series, forms, doubles))
    }

    /// About how many numbers it has at one instant.
    pub(super) fn weight(&self) -> usize {
        self.series.len() + self.histograms.iter().map(HistogramSeries::weight).sum::<usize>()
    }
}

/// The workload that has these revisions: its ReplicaSets are called like it, with a hash behind. In the past, one of the
/// two is nobody's.
fn workload(revisions: [&RevisionStatus; 2]) -> &str {
    let names = revisions.into_iter().filter_map(|revision| revision.replica_set.rsplit_once('-'));
    names.map(|(workload, _)| workload).find(|workload| !workload.is_empty()).unwrap_or_default()
}

/// Each selection, as something that counts.
fn counted(selections: Vec<Selection>, counts: &Counted, place: usize) -> Vec<Selector> {
    let selector = |Selection { promql, arms }| {
        let end = if let Counted::Buckets(_) = counts { forms::BUCKET } else { forms::COUNT };
        let native = NativeSelector::beside(&promql, end);
        Selector { promql, native, arms, counts: counts.clone(), place }
    };
    selections.into_iter().map(selector).collect()
}

impl Selector {
    /// The label that tells the versions apart, if one alone does.
    pub(super) fn told_apart_by(&self) -> Option<&str> {
        match &self.arms {
            Arms::ByLabel { label, .. } => Some(label),
            Arms::One(_) => None,
        }
    }

    fn alternative(&self) -> Alternative<'_> {
        Alternative { place: self.place, told_apart_by: self.told_apart_by() }
    }

    /// Whether it selects what other series are held against, and no requests that are judged.
    pub(super) fn is_expected(&self) -> bool {
        self.counts == Counted::Expected
    }

    /// In which unit the bounds of its buckets are, if it selects any.
    pub(super) fn unit(&self) -> Option<TimeUnit> {
        if let Counted::Buckets(unit) = self.counts { Some(unit) } else { None }
    }

    /// Adds what was answered to `all`. A label `pod` is the version's where its series are the pods': of a gateway's it is
    /// one of the gateway.
    fn gather(&self, answer: Vec<Row>, source: &Source, all: &mut Gathered) -> Result<(), QueryError> {
        let of_pods = source.counting != Counting::Gateway;
        let mut series = Vec::with_capacity(answer.len());
        let mut ranges: ByKey<(Origin, Ranges), (Key, Arm)> = ByKey::default();
        for row in answer {
            let is_counter = !row.histograms.is_empty() && self.unit().is_none() && self.native.promql().is_some();
            all.has_counters |= is_counter;
            let row = if is_counter { as_counter(&row) } else { row };
            let Some(origin) = self.origin(&row, of_pods)? else { continue };
            // The same series may be read for its failures and for all requests.
            let told = all.tellers.told(&row).map(|told| told.of_part(side(&self.counts)));
            let row = Row { samples: without_markers(row.samples), ..row };
            let row = all.counting(&source.exclusion, row, (origin.arm, self.is_expected()));
            let Row { labels, samples, histograms } = row;
            let row = Row { labels, samples, histograms: Vec::new() };
            if let Some(histogram) = self.native(&row, &origin, histograms)? {
                all.tellers.note(histogram.key, told);
                all.histograms.push(histogram);
            }
            if row.samples.is_empty() {
                continue;
            }
            if let Some(range) = self.range(&row) {
                let key = histogram_of(&row, origin.labels);
                all.tellers.note(key, told.map(|told| told.without(&row, "vmrange")));
                ranges.entry((key, origin.arm)).or_insert((origin, Vec::new())).1.push((range, row.samples));
            } else {
                let one = self.series(row, origin)?;
                all.tellers.note(one.key, told);
                series.push(one);
            }
        }
        let of_ranges =
            |((key, _), (origin, ranges)): (_, (Origin, _))| origin.histogram(key, false, of_ranges(ranges));
        all.histograms.extend(ranges.into_iter().map(of_ranges));
        let has_names = self.unit().is_some() || all.has_counters;
        all.series.append(&mut if has_names { joined(series) } else { series });
        Ok(())
    }

    /// Where `row` comes from; nothing if it is neither version's.
    fn origin(&self, row: &Row, of_pods: bool) -> Result<Option<Origin>, QueryError> {
        let Some(arm) = self.arms.of(row)? else { return Ok(None) };
        let (mut labels, mut instance, mut pod) = (Key::default(), Key::default(), None);
        for (name, value) in row.labels.iter() {
            let key = Key::of(name, value);
            labels = labels.with(key);
            if OF_A_PROCESS.contains(&&**name) {
                instance = instance.with(key);
            }
            if of_pods && &**name == "pod" {
                pod = Some(value.clone());
            }
        }
        Ok(Some(Origin { labels, instance, pod, arm }))
    }

    /// `row` as a series that can be counted.
    fn series(&self, row: Row, origin: Origin) -> Result<Series, QueryError> {
        let le = row.label("le").map_or_else(Key::default, |le| Key::of("le", le));
        let mut all = origin.labels;
        let meaning = self.meaning(&row, all.without(le))?;
        if let Meaning::Bucket { histogram, le } = meaning {
            all = histogram.with(Key::of("le", &le.to_string()));
        }
        let (key, samples) = (all.with(side(&self.counts)), row.samples);
        let Origin { instance, pod, arm, .. } = origin;
        Ok(Series { key, instance, pod, arm, meaning, samples })
    }

    /// The native `histograms` of a row, whose bounds become nanoseconds; nothing if there are none.
    fn native(
        &self,
        row: &Row,
        origin: &Origin,
        mut histograms: Vec<Histogram>,
    ) -> Result<Option<HistogramSeries>, QueryError> {
        if histograms.is_empty() {
            return Ok(None);
        }
        if self.is_expected() {
            return Ok(None);
        }
        let unit = self.unit().ok_or(QueryError::NativeHistogram)?;
        for bucket in histograms.iter_mut().flat_map(|histogram| &mut histogram.buckets) {
            for bound in [&mut bucket.lower, &mut bucket.upper] {
                *bound = in_nanoseconds(*bound, unit);
            }
        }
        Ok(Some(origin.clone().histogram(histogram_of(row, origin.labels), true, histograms)))
    }

    /// The range that `row` counts, if it is a bucket of that kind.
    fn range(&self, row: &Row) -> Option<Bucket> {
        let unit = self.unit().filter(|_| row.label("le").is_none())?;
        let (lower, upper) = row.label("vmrange")?.split_once("...")?;
        Some(Bucket { lower: nanoseconds(lower, unit)?, upper: nanoseconds(upper, unit)?, count: 0.0 })
    }

    /// What `row` counts; `histogram` are its labels without `le`.
    fn meaning(&self, row: &Row, histogram: Key) -> Result<Meaning, QueryError> {
        Ok(match &self.counts {
            Counted::Requests => Meaning::Requests,
            Counted::Failures => Meaning::Failures,
            Counted::Expected => Meaning::Expected,
            Counted::ByStatus { labels, failures } => {
                // Without a status nobody knows whether it failed, and to leave it out would be to guess.
                let status = labels.iter().find_map(|name| row.label(name));
                let status = status.ok_or_else(|| QueryError::NoStatusLabel { labels: labels.join(" or ") })?;
                if failures.matches(status)? { Meaning::FailedRequests } else { Meaning::Requests }
            }
            Counted::Buckets(unit) => {
                let le = row.label("le").and_then(|le| nanoseconds(le, *unit)).ok_or(QueryError::NoBound)?;
                Meaning::Bucket { histogram, le }
            }
        })
    }
}

/// What is counted in each range of values.
type Ranges = Vec<(Bucket, Vec<Sample>)>;

/// Where a series comes from.
#[derive(Debug, Clone)]
struct Origin {
    labels: Key,
    instance: Key,
    pod: Option<Arc<str>>,
    arm: Arm,
}

impl Origin {
    fn histogram(self, key: Key, is_native: bool, samples: Vec<Histogram>) -> HistogramSeries {
        let Self { instance, pod, arm, .. } = self;
        HistogramSeries { key, instance, pod, arm, is_native, samples }
    }
}

/// The histogram that `row`, which has these `labels`, is of, in whatever form: what classic buckets of it have in common.
fn histogram_of(row: &Row, labels: Key) -> Key {
    let of = |name: &str| row.label(name).map_or_else(Key::default, |value| Key::of(name, value));
    let named = Key::of("__name__", &classic_name(row.label("__name__").unwrap_or_default(), forms::BUCKET));
    labels.without(of("__name__")).without(of("vmrange")).with(named)
}

/// Tells apart what one series counts when it is both the errors and the total of a check.
fn side(counts: &Counted) -> Key {
    Key::of("", if matches!(counts, Counted::Failures) { "failures" } else { "requests" })
}

/// A bound as a number: Prometheus 3 writes `1.0` where 2 wrote `1`.
/// <https://prometheus.io/docs/prometheus/latest/migration/>
pub(super) fn nanoseconds(le: &str, unit: TimeUnit) -> Option<f64> {
    let bound = le.parse::<f64>().ok().filter(|bound| !bound.is_nan())?;
    Some(in_nanoseconds(bound, unit))
}

fn in_nanoseconds(bound: f64, unit: TimeUnit) -> f64 {
    let scale = match unit {
        TimeUnit::Seconds => 1e9,
        TimeUnit::Milliseconds => 1e6,
    };
    (bound * scale).round()
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
