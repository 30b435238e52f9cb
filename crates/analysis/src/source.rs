//! Which series a check reads, and what each of them counts.

use tidegate_api::{Check, RevisionStatus, TimeUnit};
use tidegate_judge::{Arm, Key, Meaning, Series, WarmUp};

use super::{
    alternatives::{Alternative, keep_first},
    answer::Row,
    error::{Counting, QueryError},
    markers::without_markers,
    pattern::Pattern,
    recipe::{Reads, Recipe, Templates, recipe},
    renamed::joined,
    template::{Scope, render, render_pattern},
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
    /// What counts of processes that have just begun.
    pub(super) warm_up: WarmUp,
    /// What the application is called where it is counted: its workload or its Service.
    pub(super) about: String,
}

/// One selector, and how its series are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    pub(super) promql: String,
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
    Buckets(TimeUnit),
}

/// The expression that `check` asks for the version of `scope`; empty if it has none.
pub(super) fn expression(check: &Check, templates: &Templates, scope: &Scope<'_>) -> Result<String, QueryError> {
    let Recipe { reads, parameters, .. } = recipe(check, templates)?;
    match reads {
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
        Recipe { reads, parameters, is_published }: Recipe<'_>,
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
            Reads::Buckets { selector, stable, unit, alternatives } => {
                let mut all = counted(select(selector, stable)?, &Counted::Buckets(unit), 0);
                for (place, (other, unit)) in (1..).zip(alternatives) {
                    all.extend(counted(select(other, None)?, &Counted::Buckets(unit), place));
                }
                all
            }
            Reads::Query(_) | Reads::Nothing => Vec::new(),
        };
        let about = match counting {
            Counting::Gateway => scope.service.to_owned(),
            Counting::Pods | Counting::Anybody => workload([canary, stable]).to_owned(),
        };
        Ok(Self { selectors, counting, warm_up: WarmUp::default(), about })
    }

    /// For how long a process that has just begun is cold, where processes are the application's own.
    pub(super) fn warm_up_of_processes(&self) -> WarmUp {
        if self.counting == Counting::Gateway { WarmUp::default() } else { self.warm_up }
    }

    /// For how long a stage is cold, where nobody knows which pod a request was answered by.
    pub(super) fn warm_up_of_stages(&self) -> WarmUp {
        if self.counting == Counting::Pods { WarmUp::default() } else { self.warm_up }
    }

    /// What Prometheus answered to each of the selectors, as series that can be counted.
    pub(super) fn series(&self, mut answers: Vec<Vec<Row>>) -> Result<Vec<Series>, QueryError> {
        let of_pods = self.counting != Counting::Gateway;
        let mut all = Vec::new();
        keep_first(self.selectors.iter().map(Selector::alternative).zip(&mut answers));
        for (selector, answer) in self.selectors.iter().zip(answers) {
            let series = answer.into_iter().filter_map(|row| selector.series(row, of_pods).transpose());
            let series = series.collect::<Result<Vec<_>, _>>()?;
            all.extend(if matches!(selector.counts, Counted::Buckets(_)) { joined(series) } else { series });
        }
        Ok(without_overhang(all))
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
    let selector = |Selection { promql, arms }| Selector { promql, arms, counts: counts.clone(), place };
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

    /// In which unit the bounds of its buckets are, if it selects any.
    pub(super) fn unit(&self) -> Option<TimeUnit> {
        if let Counted::Buckets(unit) = self.counts { Some(unit) } else { None }
    }

    /// `row` as a series that can be counted; nothing if it is neither version's, or ended before. A label `pod` is the
    /// version's where its series are `of_pods`: of a gateway's it is one of the gateway.
    fn series(&self, row: Row, of_pods: bool) -> Result<Option<Series>, QueryError> {
        let Some(arm) = self.arms.of(&row)? else { return Ok(None) };
        let (mut all, mut instance, mut le) = (Key::default(), Key::default(), Key::default());
        let pod = row.labels.iter().find(|(name, _)| of_pods && &**name == "pod").map(|(_, pod)| pod.clone());
        for (name, value) in row.labels.iter() {
            let key = Key::of(name, value);
            all = all.with(key);
            match &**name {
                name if OF_A_PROCESS.contains(&name) => instance = instance.with(key),
                "le" => le = key,
                _ => {}
            }
        }
        let meaning = self.meaning(&row, all.without(le))?;
        if let Meaning::Bucket { histogram, le } = meaning {
            all = histogram.with(Key::of("le", &le.to_string()));
        }
        let key = all.with(side(&self.counts));
        let samples = without_markers(row.samples);
        Ok((!samples.is_empty()).then_some(Series { key, instance, pod, arm, meaning, samples }))
    }

    /// What `row` counts; `histogram` are its labels without `le`.
    fn meaning(&self, row: &Row, histogram: Key) -> Result<Meaning, QueryError> {
        Ok(match &self.counts {
            Counted::Requests => Meaning::Requests,
            Counted::Failures => Meaning::Failures,
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

/// Tells apart what one series counts when it is both the errors and the total of a check.
fn side(counts: &Counted) -> Key {
    Key::of("", if matches!(counts, Counted::Failures) { "failures" } else { "requests" })
}

/// A bound as a number: Prometheus 3 writes `1.0` where 2 wrote `1`.
/// <https://prometheus.io/docs/prometheus/latest/migration/>
pub(super) fn nanoseconds(le: &str, unit: TimeUnit) -> Option<f64> {
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
