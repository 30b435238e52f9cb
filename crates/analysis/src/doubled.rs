//! Series that a store has twice: of a pod that two jobs scrape, or of one Prometheus and its replica.
//!
//! Counted twice, a sample looks twice as large as it is, and half of the evidence would be certain enough. Of two that differ
//! only in what a scrape or a store adds, and that move together, one counts.

use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tidegate_judge::{Arm, ByKey, Key, Keys, Sample, Series};

use super::answer::Row;

/// What a scrape or a store adds to a series, and what one that counts the same may differ in. No label of a cluster: pods of the
/// same name may be in several. Nor `endpoint` or `service`, which the Prometheus operator adds: libraries call the route so, and
/// two routes of one process are no doubles.
const ADDED: [&str; 7] = ["__replica__", "container", "instance", "job", "prometheus", "prometheus_replica", "replica"];

/// Those of them that tell replicas of one Prometheus apart.
const OF_REPLICAS: [&str; 4] = ["__replica__", "prometheus", "prometheus_replica", "replica"];

/// The clocks of two that scrape may differ by so much.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// So often both have to rise before they are taken for the same.
const RISES: usize = 2;

/// Of one pod no more are held against each other.
const MOST: usize = 8;

/// What a series counts whoever scraped it, and who did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    what: Key,
    who: Key,
}

impl Told {
    /// The same whatever `row` has in the label of that `name`.
    pub(super) fn without(self, row: &Row, name: &str) -> Self {
        let label = row.label(name).map_or_else(Key::default, |value| Key::of(name, value));
        Self { what: self.what.without(label), ..self }
    }

    /// The same of a part of it.
    pub(super) fn of_part(self, part: Key) -> Self {
        Self { what: self.what.with(part), ..self }
    }
}

/// By whom series were told.
#[derive(Debug, Default)]
pub(super) struct Tellers {
    who: ByKey<Teller>,
    /// The series, and of native histograms those, by their keys.
    told: ByKey<Told>,
}

/// One who scraped a pod.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Teller {
    /// What it added, in the order of [`ADDED`].
    added: Vec<(&'static str, Arc<str>)>,
    /// The pod, or the process where no pod is known.
    whom: Arc<str>,
}

/// A series, who told it, and how that is called.
type Scraped<'a> = (&'a Teller, Key, &'a Series);

impl Tellers {
    /// Who told `row`; nothing where nobody knows of which process it is.
    pub(super) fn told(&mut self, row: &Row) -> Option<Told> {
        let pod = row.label("pod").filter(|pod| !pod.is_empty());
        let whom = pod.or(row.label("instance"))?;
        let is_added =
            |name: &str| ADDED.into_iter().find(|added| *added == name && (pod.is_some() || name != "instance"));
        let (mut what, mut who) = (Key::default(), Key::of("", whom));
        for (name, value) in row.labels.iter() {
            let key = Key::of(name, value);
            if is_added(name).is_some() { who = who.with(key) } else { what = what.with(key) }
        }
        self.who.entry(who).or_insert_with(|| {
            let added = row.labels.iter().filter_map(|(name, value)| Some((is_added(name)?, Arc::clone(value))));
            Teller { added: added.collect(), whom: whom.into() }
        });
        Some(Told { what, who })
    }

    /// Remembers that what is called `key` was `told` so.
    pub(super) fn note(&mut self, key: Key, told: Option<Told>) {
        self.told.extend(told.map(|told| (key, told)));
    }

    /// How what is called `key` was told.
    pub(super) fn of(&self, key: Key) -> Option<Told> {
        self.told.get(&key).copied()
    }

    /// Those of `series` that may be others once more.
    pub(super) fn doubles(&self, series: &[Series]) -> Vec<Double> {
        let pods: HashSet<_> = self.who.values().map(|teller| &teller.whom).collect();
        if pods.len() == self.who.len() {
            return Vec::new();
        }
        let mut alike: ByKey<Vec<Scraped<'_>>, (Key, Arm)> = ByKey::default();
        for one in series {
            let Some(told) = self.of(one.key) else { continue };
            let Some(teller) = self.who.get(&told.who) else { continue };
            alike.entry((told.what, one.arm)).or_default().push((teller, told.who, one));
        }
        let mut pairs: ByKey<Double, (Key, Key)> = ByKey::default();
        for mut all in alike.into_values().filter(|all| all.len() > 1) {
            all.sort_by_key(|(teller, ..)| *teller);
            all.truncate(MOST);
            for (place, (teller, who, copy)) in all.iter().enumerate().skip(1) {
                let mut before = all.iter().take(place).filter(|(_, known, _)| known != who);
                let Some((first, kept, one)) = before.find(|(first, ..)| first.may_be(teller)) else { continue };
                let double = pairs.entry((*kept, *who)).or_insert_with(|| Double::new((*kept, *who), first, teller));
                double.hold(one, copy);
            }
        }
        pairs.into_values().collect()
    }
}

impl Teller {
    fn added(&self, name: &str) -> Option<&str> {
        self.added.iter().find(|(added, _)| *added == name).map(|(_, value)| &**value)
    }

    /// Whether both may have scraped the same process: those of a pod have ports and containers of their own.
    fn may_be(&self, other: &Self) -> bool {
        let both = |name| self.added(name).zip(other.added(name));
        let port = |instance: &str| instance.rsplit_once(':').map(|(_, port)| port.to_owned());
        let is_one_port = both("instance").is_none_or(|(one, other)| one == other || port(one) == port(other));
        self.whom == other.whom && is_one_port && both("container").is_none_or(|(one, other)| one == other)
    }
}

/// Series of one process that were scraped once more.
#[derive(Debug)]
pub(super) struct Double {
    /// Who told those that count, and who the others.
    pair: (Key, Key),
    /// Those that may be others once more.
    copies: Vec<Key>,
    is_apart: bool,
    rises: usize,
    has_ended: bool,
    /// What people are told, if it is so.
    sentence: String,
}

impl Double {
    fn new(pair: (Key, Key), kept: &Teller, copy: &Teller) -> Self {
        let differ = ADDED.into_iter().filter(|name| kept.added(name) != copy.added(name));
        let labels: Vec<_> = differ.clone().collect();
        // The label that says most of why there are two.
        let label = OF_REPLICAS.into_iter().chain(["job"]).find(|name| labels.contains(name)).or(differ.clone().next());
        let label = label.unwrap_or("job");
        let [one, other] = [kept, copy].map(|teller| teller.added(label).unwrap_or("none"));
        let remedy = if OF_REPLICAS.contains(&label) {
            format!("let the store deduplicate by {label}")
        } else {
            format!("scrape the pod once, or select one {label}")
        };
        let sentence = format!(
            "the series of {} are there twice and move together, once with {label} {one} and once with {other}: only the former \
             count; {remedy}",
            kept.whom
        );
        Self { pair, copies: Vec::new(), is_apart: false, rises: 0, has_ended: false, sentence }
    }

    /// Holds two series against each other.
    fn hold(&mut self, one: &Series, copy: &Series) {
        let begun = [one, copy].into_iter().filter_map(|series| begun(&series.samples)).max();
        let since = |series: &Series| {
            let from = series.samples.partition_point(|sample| begun.is_some_and(|begun| sample.at < begun));
            series.samples.get(from..).unwrap_or_default().to_vec()
        };
        let (left, right) = (since(one), since(copy));
        self.is_apart |= falls_behind(&left, &right) || falls_behind(&right, &left);
        self.rises += rises(&left).min(rises(&right));
        self.has_ended |= has_ended(&one.samples, &copy.samples);
        self.copies.push(copy.key);
    }
}

/// When the process began of which these are the newest samples.
fn begun(samples: &[Sample]) -> Option<Timestamp> {
    let reset = samples.windows(2).rposition(|pair| matches!(pair, [one, next] if next.value < one.value));
    samples.get(reset.map_or(0, |reset| reset + 1)).map(|sample| sample.at)
}

/// Whether `late` is ever below what `early` was before.
fn falls_behind(late: &[Sample], early: &[Sample]) -> bool {
    let mut before = early.iter().peekable();
    let mut reached = f64::NEG_INFINITY;
    late.iter().any(|sample| {
        while let Some(one) = before.next_if(|one| one.at.duration_until(sample.at) > SLACK) {
            reached = one.value;
        }
        sample.value < reached
    })
}

fn rises(samples: &[Sample]) -> usize {
    samples.windows(2).filter(|pair| matches!(pair, [one, next] if one.value < next.value)).count()
}

/// Whether `one` went on for a while after which `other` goes on alone.
fn has_ended(one: &[Sample], other: &[Sample]) -> bool {
    let (Some(last), Some(newest)) = (one.last(), other.last()) else { return true };
    last.at.duration_until(newest.at) > between(one).max(between(other)) * 3
}

/// How far apart samples are, on average.
fn between(samples: &[Sample]) -> SignedDuration {
    let Some((first, last)) = samples.first().zip(samples.last()) else { return SignedDuration::ZERO };
    first.at.duration_until(last.at) / i32::try_from(samples.len().max(2) - 1).unwrap_or(i32::MAX)
}

/// What is known of series that a store has twice. What was seen to move together stays the same until it moves apart, or until
/// what counted has ended.
#[derive(Debug, Default)]
pub(super) struct Doubles {
    known: Keys<(Key, Key)>,
    copies: Keys,
    sentence: Option<String>,
}

impl Doubles {
    /// Learns from those of a reading.
    pub(super) fn learn(&mut self, found: &[Double]) {
        for double in found {
            if double.is_apart {
                self.known.remove(&double.pair);
            } else if double.rises >= RISES {
                self.known.insert(double.pair);
            }
        }
        let is_one = |double: &&Double| self.known.contains(&double.pair) && !double.has_ended;
        let doubles: Vec<_> = found.iter().filter(is_one).collect();
        self.copies = doubles.iter().flat_map(|double| &double.copies).copied().collect();
        self.sentence = doubles.iter().map(|double| &double.sentence).min().cloned();
    }

    /// Whether the series with that `key` is another once more.
    pub(super) fn has(&self, key: Key) -> bool {
        self.copies.contains(&key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// What people are told of them; nothing where there are none.
    pub(super) fn sentence(&self) -> Option<&str> {
        self.sentence.as_deref()
    }
}

#[cfg(test)]
mod tests;
