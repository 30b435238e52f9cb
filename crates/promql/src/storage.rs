//! Samples by series, in memory.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use promql_parser::label::Matcher;

use super::{
    labels::{Labels, NAME},
    postings::Postings,
    value::Point,
};

/// How many scrapes pass between two looks at what has become too old.
const SCRAPES_BETWEEN_PRUNINGS: u32 = 512;

/// The samples of every series.
#[derive(Debug)]
pub struct Storage {
    series: Vec<Stored>,
    by_labels: HashMap<Labels, usize>,
    postings: Postings,
    /// Which series each target had in its last scrape, in the scrape's order.
    targets: BTreeMap<String, Vec<usize>>,
    /// How long samples are kept, in milliseconds.
    retention: i64,
    /// How many samples are kept at most.
    capacity: usize,
    scrapes: u32,
    generation: u64,
}

#[derive(Debug)]
struct Stored {
    labels: Labels,
    points: Vec<Point>,
}

impl Storage {
    /// Keeps samples for `retention`, and `capacity` of them at most: the oldest go first.
    #[must_use]
    pub fn new(retention: Duration, capacity: usize) -> Self {
        Self {
            series: Vec::new(),
            by_labels: HashMap::new(),
            postings: Postings::default(),
            targets: BTreeMap::new(),
            retention: i64::try_from(retention.as_millis()).unwrap_or(i64::MAX),
            capacity,
            scrapes: 0,
            generation: 0,
        }
    }

    /// Takes what `target` exposed at `at` (milliseconds since 1970). A series that it no longer exposes ends here.
    ///
    /// A sample that is not newer than the last one of its series is dropped, as Prometheus does.
    pub fn append(&mut self, at: i64, target: &str, samples: &[(Labels, f64)]) {
        let before = self.targets.remove(target).unwrap_or_default();
        let mut now = Vec::with_capacity(samples.len());
        for (index, (labels, value)) in samples.iter().enumerate() {
            // A target exposes the same series in the same order each time: no need to look them up.
            let known = before.get(index).copied().filter(|id| self.labels(*id) == Some(labels));
            let id = known.unwrap_or_else(|| self.find_or_add(labels));
            self.push(id, Point { at, value: *value });
            now.push(id);
        }
        if before != now {
            let exposed: HashSet<usize> = now.iter().copied().collect();
            self.end(at, before.iter().filter(|id| !exposed.contains(id)));
        }
        self.targets.insert(target.to_owned(), now);
        self.scrapes += 1;
        if self.scrapes >= SCRAPES_BETWEEN_PRUNINGS {
            self.prune(at);
        }
    }

    /// All series of `target` end at `at`: it could not be scraped, or is no target any more.
    pub fn vanish(&mut self, at: i64, target: &str) {
        let before = self.targets.remove(target).unwrap_or_default();
        self.end(at, before.iter());
    }

    fn end<'a>(&mut self, at: i64, series: impl Iterator<Item = &'a usize>) {
        for id in series {
            self.push(*id, Point::stale(at));
        }
    }

    fn push(&mut self, id: usize, point: Point) {
        if let Some(series) = self.series.get_mut(id)
            && series.points.last().is_none_or(|last| last.at < point.at)
        {
            series.points.push(point);
        }
    }

    fn find_or_add(&mut self, labels: &Labels) -> usize {
        if let Some(id) = self.by_labels.get(labels) {
            return *id;
        }
        let id = self.series.len();
        self.series.push(Stored { labels: labels.clone(), points: Vec::new() });
        self.index(id, labels.clone());
        self.generation += 1;
        id
    }

    fn index(&mut self, id: usize, labels: Labels) {
        self.postings.insert(id, &labels);
        self.by_labels.insert(labels, id);
    }

    /// Grows whenever the set of series changes, and with it the ids of those that stay.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The series that all of `matchers` match, in the order of their labels.
    pub(super) fn select(&self, metric: Option<&str>, matchers: &[Matcher]) -> Vec<usize> {
        let wanted = |id: &usize| {
            let Some(labels) = self.labels(*id) else { return false };
            metric.is_none_or(|metric| labels.get(NAME) == metric)
                && matchers.iter().all(|matcher| matcher.is_match(labels.get(&matcher.name)))
        };
        let mut selected: Vec<usize> = match self.postings.candidates(metric, matchers) {
            Some(candidates) => candidates.into_iter().filter(wanted).collect(),
            None => (0..self.series.len()).filter(wanted).collect(),
        };
        selected.sort_by_key(|id| self.labels(*id));
        selected
    }

    /// The labels of a series.
    pub(super) fn labels(&self, id: usize) -> Option<&Labels> {
        self.series.get(id).map(|series| &series.labels)
    }

    /// The samples from `first` to `last`, both included, without markers of staleness.
    pub(super) fn points(&self, id: usize, first: i64, last: i64) -> Cow<'_, [Point]> {
        let points = self.series.get(id).map_or(&[][..], |series| between(&series.points, first, last));
        if points.iter().any(|point| point.is_stale()) {
            return points.iter().copied().filter(|point| !point.is_stale()).collect();
        }
        Cow::Borrowed(points)
    }

    /// The newest sample from `first` to `last`, both included, unless it says that the series had ended.
    pub(super) fn newest(&self, id: usize, first: i64, last: i64) -> Option<Point> {
        let points = &self.series.get(id)?.points;
        let newest = points.get(count(points, |point| point.at <= last).checked_sub(1)?)?;
        (newest.at >= first && !newest.is_stale()).then_some(*newest)
    }

    /// The labels of all series.
    pub(super) fn all(&self) -> impl Iterator<Item = &Labels> {
        self.series.iter().map(|series| &series.labels)
    }

    /// How many samples there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.series.iter().map(|series| series.points.len()).sum()
    }

    /// Drops what is too old at `now`, and the series of which nothing is left.
    fn prune(&mut self, now: i64) {
        self.scrapes = 0;
        let mut age = self.retention;
        loop {
            let horizon = now.saturating_sub(age);
            for series in &mut self.series {
                let old = series.points.partition_point(|point| point.at < horizon);
                // Moving what stays costs as much as it is long: worth it once that is as much as goes.
                if old * 2 >= series.points.len() || age < self.retention {
                    series.points.drain(..old);
                }
            }
            if self.samples() <= self.capacity || age == 0 {
                break;
            }
            age = age.min(self.oldest_age(now)) / 2;
        }
        if self.series.iter().any(|series| series.points.is_empty()) {
            self.forget_empty();
        }
    }

    fn oldest_age(&self, now: i64) -> i64 {
        let oldest = self.series.iter().filter_map(|series| series.points.first()).map(|point| point.at).min();
        now.saturating_sub(oldest.unwrap_or(now)).max(0)
    }

    fn forget_empty(&mut self) {
        let mut place = HashMap::new();
        let mut kept = Vec::with_capacity(self.series.len());
        for (id, series) in std::mem::take(&mut self.series).into_iter().enumerate() {
            if !series.points.is_empty() {
                place.insert(id, kept.len());
                kept.push(series);
            }
        }
        self.by_labels.clear();
        self.postings.clear();
        for (id, series) in kept.iter().enumerate() {
            self.index(id, series.labels.clone());
        }
        self.series = kept;
        for ids in self.targets.values_mut() {
            *ids = ids.iter().filter_map(|id| place.get(id).copied()).collect();
        }
        self.generation += 1;
    }
}

/// The points from `first` to `last`, both included.
fn between(points: &[Point], first: i64, last: i64) -> &[Point] {
    let end = count(points, |point| point.at <= last);
    let points = points.get(..end).unwrap_or_default();
    points.get(count(points, |point| point.at < first)..).unwrap_or_default()
}

/// How many of `points` come before a place in time, which is rarely long ago: weeks of points are not touched to find
/// the last few.
fn count(points: &[Point], is_before: impl Fn(&Point) -> bool) -> usize {
    let (mut end, mut reach) = (points.len(), 8);
    loop {
        let start = end.saturating_sub(reach);
        let (Some(newest), true) = (points.get(start..end), start > 0) else {
            return points.get(..end).unwrap_or_default().partition_point(is_before);
        };
        if newest.first().is_some_and(&is_before) {
            return start + newest.partition_point(is_before);
        }
        (end, reach) = (start, reach * 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_window_holds_what_lies_in_it() {
        let points: Vec<_> = (0..100).map(|at| Point { at: at * 10, value: 0.0 }).collect();
        for first in -15..1010 {
            for width in [0, 5, 10, 95, 600] {
                let wanted = points.iter().filter(|point| (first..=first + width).contains(&point.at)).count();
                assert_eq!(between(&points, first, first + width).len(), wanted, "{first}, {width}");
            }
        }
    }

    fn series(pod: &str) -> Labels {
        Labels::new([(NAME, "requests"), ("pod", pod)])
    }

    fn storage() -> Storage {
        Storage::new(Duration::from_hours(1), 10_000)
    }

    #[test]
    fn a_series_that_a_scrape_lacks_ends_with_it_and_may_come_back() {
        let mut storage = storage();
        storage.append(0, "a", &[(series("x"), 1.0), (series("y"), 2.0)]);
        storage.append(10, "a", &[(series("y"), 3.0)]);
        let [x, y] = storage.select(Some("requests"), &[])[..] else { panic!("two series") };
        assert_eq!((storage.newest(x, 0, 9).map(|point| point.value), storage.newest(x, 0, 10)), (Some(1.0), None));
        assert_eq!(storage.newest(y, 0, 10).map(|point| point.value), Some(3.0));
        storage.append(20, "a", &[(series("y"), 4.0), (series("x"), 5.0)]);
        assert_eq!(storage.newest(x, 0, 20).map(|point| point.value), Some(5.0));
        assert_eq!(storage.points(x, 0, 20).len(), 2, "the marker is no sample");
    }

    #[test]
    fn all_series_of_a_target_end_when_it_vanishes_and_no_others() {
        let mut storage = storage();
        storage.append(0, "a", &[(series("x"), 1.0)]);
        storage.append(0, "b", &[(series("y"), 1.0)]);
        storage.vanish(5, "a");
        let alive = storage.select(Some("requests"), &[]).into_iter().filter_map(|id| storage.newest(id, 0, 9)).count();
        assert_eq!(alive, 1);
    }

    #[test]
    fn a_sample_that_is_not_newer_is_dropped() {
        let mut storage = storage();
        for (at, value) in [(10, 1.0), (10, 2.0), (9, 3.0)] {
            storage.append(at, "a", &[(series("x"), value)]);
        }
        assert_eq!(*storage.points(0, 0, 99), [Point { at: 10, value: 1.0 }]);
    }

    #[test]
    fn what_is_too_old_goes_and_with_it_the_series_of_which_nothing_is_left() {
        let mut storage = storage();
        storage.append(0, "gone", &[(series("x"), 1.0)]);
        storage.vanish(1, "gone");
        for scrape in 0..2_000 {
            storage.append(10_000 * scrape, "here", &[(series("y"), 1.0)]);
        }
        assert_eq!(storage.all().collect::<Vec<_>>(), [&series("y")]);
        assert!(storage.samples() < 360 * 2 + 520, "{} samples are kept", storage.samples());
        let y = storage.select(Some("requests"), &[])[0];
        assert_eq!(storage.newest(y, 0, i64::MAX).map(|point| point.at), Some(19_990_000));
    }

    #[test]
    fn there_are_never_many_more_samples_than_there_is_room_for() {
        let mut storage = Storage::new(Duration::from_hours(1_000), 1_000);
        for scrape in 0..20_000 {
            storage.append(scrape, "here", &[(series("x"), 1.0), (series("y"), 1.0)]);
            assert!(storage.samples() <= 1_000 + 2 * 512);
        }
    }
}
