//! Where the bad requests come from: one pod, or the pods of one node.
//!
//! A version that is worse is so in all of its pods; a pod or a node that is broken is so alone, and the remedy is another
//! one. Held against each other are the bad requests of the failing check and the requests that each place had:
//!
//! - **One place is named** when it had at least two thirds of the version's bad requests, and a share of the requests
//!   that cannot explain it. If it could, the bad requests there were a binomial draw from all of them with that share, and
//!   by Chernoff's bound, e^(-n·KL(bad/n, share)), as many would come with a chance of 1 % at most at any of the places: the
//!   bound is multiplied by their number (Bonferroni). (Hoeffding, <https://doi.org/10.1080/01621459.1963.10500830>.)
//! - **Requests that go bad together** count as one: all counts are divided by the size of their crowds.
//! - **A node is named rather than a pod** where several of the version's pods are on it and others are not, or where the
//!   bad requests of the stable version come from that node, too, by the same test.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use foldhash::fast;
use jiff::Timestamp;

use super::{
    block::{Block, Counts, Measure},
    counters::TimeRange,
    proportion::Proportion,
    series::{Arm, Series},
    wording::count,
};

/// So unlikely it has to be that a place had its bad requests by its share of all.
const DOUBT: f64 = 0.01;

/// At least this part of the bad requests has to be there.
const MOST: f64 = 2.0 / 3.0;

/// What was counted of each pod of both versions. Requests of which no pod is known are under no name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ByPod(Places<Option<Arc<str>>, Counts>);

/// What is known of places, by the version and the name; the same in each process.
type Places<N, T> = HashMap<(Arm, N), T, fast::FixedState>;

/// Some of the series, and what each of them gained.
type Part = (Vec<Series>, Vec<f64>);

/// The requests of each pod since a version began to look worse than it may be: as long as it does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suspicion {
    pods: ByPod,
}

/// The bad requests of a failing check, by pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The check.
    pub check: String,
    /// The requests since the version began to look worse than it may be.
    pub pods: ByPod,
    /// How many requests go bad together.
    pub overdispersion: f64,
    /// What part of them may be bad.
    pub limit: f64,
    /// What is bad about them, in the plural: `failures`.
    pub what: &'static str,
}

/// Where the bad requests come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The pod; nothing where it is a node that several of them are on.
    pub pod: Option<String>,
    /// The node, as far as it is known.
    pub node: Option<String>,
    /// How many of the bad requests came from there, and how many there were.
    pub bad: (f64, f64),
    /// The requests of the version's other pods.
    pub others: Counts,
    /// The same of the stable version's bad requests, where they come from that node, too.
    pub stable: Option<(f64, f64)>,
    /// What is bad about them, in the plural: `failures`.
    pub what: &'static str,
}

impl ByPod {
    /// What each pod had of what `series` gained within `stretch`. A pod whose numbers contradict each other is left out.
    #[must_use]
    pub fn of(stretch: TimeRange, measure: Measure, series: &[Series], gains: &[f64]) -> Self {
        let mut parts: Places<Option<&Arc<str>>, Part> = Places::default();
        for (series, gain) in series.iter().zip(gains) {
            let (known, gained) = parts.entry((series.arm, series.pod.as_ref())).or_default();
            let Series { key, instance, arm, meaning, .. } = *series;
            known.push(Series { key, instance, pod: None, arm, meaning, samples: Vec::new() });
            gained.push(*gain);
        }
        let counted = parts.into_iter().filter_map(|((arm, pod), (series, gains))| {
            let block = Block::of(stretch, measure, &series, &gains).ok()?;
            let counts = if arm == Arm::Canary { block.canary } else { block.stable };
            Some(((arm, pod.cloned()), counts))
        });
        Self(counted.collect())
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        for (place, counts) in other.0 {
            let known = self.0.entry(place).or_default();
            *known = known.plus(counts);
        }
    }

    /// Without the pods of the version of which that is not so; their requests are nobody's then.
    #[must_use]
    pub fn only(self, is_known: impl Fn(Arm, &str) -> bool) -> Self {
        let mut kept = Self::default();
        for ((arm, pod), counts) in self.0 {
            let pod = pod.filter(|pod| is_known(arm, pod));
            kept.add(Self(Places::from_iter([((arm, pod), counts)])));
        }
        kept
    }

    fn of_arm(&self, arm: Arm) -> impl Iterator<Item = (Option<&str>, Counts)> {
        let of_arm = self.0.iter().filter(move |((known, _), _)| *known == arm);
        of_arm.map(|((_, pod), counts)| (pod.as_deref(), *counts))
    }

    /// Whether any request of the new version is known to be of a pod.
    #[must_use]
    pub fn names_pods(&self) -> bool {
        self.of_arm(Arm::Canary).any(|(pod, _)| pod.is_some())
    }
}

impl Suspicion {
    /// Takes in what was `counted` in a settled block from `start` on, after which the version looks worse `since` some
    /// instant; where it does not, nothing is kept.
    pub fn follow(&mut self, since: Option<Timestamp>, start: Timestamp, counted: ByPod) {
        if since.is_none_or(|since| since >= start) {
            self.pods = ByPod::default();
        }
        if since.is_some() {
            self.pods.add(counted);
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pods.0.is_empty()
    }

    /// The requests since then, together with those of the `newest` samples.
    #[must_use]
    pub fn with(mut self, newest: ByPod) -> ByPod {
        self.pods.add(newest);
        self.pods
    }
}

/// One place, and all of them together.
#[derive(Debug, Clone, Copy)]
struct Compared {
    here: Proportion,
    all: Proportion,
    places: usize,
}

impl Compared {
    /// Whether most of what is bad is here, and the share of the requests does not explain it.
    fn stands_out(self, overdispersion: f64) -> bool {
        let Self { here, all, places } = self;
        if places < 2 || all.bad <= 0.0 || all.total <= here.total || here.bad < MOST * all.bad {
            return false;
        }
        let (observed, share) = (here.bad / all.bad, here.total / all.total);
        if observed <= share {
            return false;
        }
        let exponent = all.bad / overdispersion.max(1.0) * divergence(observed, share);
        (places as f64).ln() - exponent <= DOUBT.ln()
    }
}

/// The Kullback–Leibler divergence of two chances.
fn divergence(observed: f64, expected: f64) -> f64 {
    let term = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    term(observed, expected) + term(1.0 - observed, 1.0 - expected)
}

impl Spread {
    /// Where the bad requests come from, by the nodes that the pods are on, if from one place.
    #[must_use]
    pub fn origin(&self, nodes: &BTreeMap<String, String>) -> Option<Origin> {
        let node_of = |pod: &str| nodes.get(pod).cloned();
        let by_pod = self.by(Arm::Canary, |pod| Some(pod.to_owned()));
        let by_node = self.by(Arm::Canary, node_of);
        let stable_by_node = self.by(Arm::Stable, node_of);
        let stable_at = |node: &String| self.outstanding(&stable_by_node).filter(|(found, _)| found == node);
        if let Some((pod, compared)) = self.outstanding(&by_pod) {
            let node = node_of(&pod);
            let stable = node.as_ref().and_then(stable_at).map(|(_, stable)| (stable.here.bad, stable.all.bad));
            let is_of_node = stable.is_some() && node.is_some();
            return Some(self.told((Some(pod).filter(|_| !is_of_node), node), compared, stable));
        }
        let (node, compared) = self.outstanding(&by_node)?;
        let stable = stable_at(&node).map(|(_, stable)| (stable.here.bad, stable.all.bad));
        Some(self.told((None, Some(node)), compared, stable))
    }

    /// The requests of one version by place, and all of them.
    fn by(&self, arm: Arm, place: impl Fn(&str) -> Option<String>) -> (BTreeMap<String, Proportion>, Proportion) {
        let (mut places, mut all) = (BTreeMap::<String, Proportion>::new(), Proportion::default());
        for (pod, counts) in self.pods.of_arm(arm) {
            let share = Proportion { bad: counts.bad, total: counts.total };
            all = all.plus(share);
            if let Some(place) = pod.and_then(&place) {
                let known = places.entry(place).or_default();
                *known = known.plus(share);
            }
        }
        (places, all)
    }

    fn outstanding(&self, (places, all): &(BTreeMap<String, Proportion>, Proportion)) -> Option<(String, Compared)> {
        let served = places.values().filter(|share| share.total > 0.0).count();
        let (place, here) = places.iter().max_by(|(_, one), (_, other)| one.bad.total_cmp(&other.bad))?;
        let compared = Compared { here: *here, all: *all, places: served };
        compared.stands_out(self.overdispersion).then(|| (place.clone(), compared))
    }

    fn told(
        &self,
        (pod, node): (Option<String>, Option<String>),
        compared: Compared,
        stable: Option<(f64, f64)>,
    ) -> Origin {
        let Compared { here, all, .. } = compared;
        let others = Counts::exact((all.bad - here.bad).max(0.0), all.total - here.total);
        Origin { pod, node, bad: (here.bad, all.bad), others, stable, what: self.what }
    }

    /// Whether the pods that are not of `origin` keep to the limit.
    #[must_use]
    pub fn spares_others(&self, origin: &Origin) -> bool {
        origin.others.total > 0.0 && origin.others.bad <= self.limit * origin.others.total
    }
}

/// `41 of 44 failures at pod checkout-5d9c-x2x4q, on node b; the others: 3 of 1,204 requests`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad: (here, all), what, .. } = self;
        write!(f, "{} of {} {what} ", count(*here), count(*all))?;
        match (&self.pod, &self.node) {
            (Some(pod), Some(node)) => write!(f, "at pod {pod}, on node {node}")?,
            (Some(pod), None) => write!(f, "at pod {pod}")?,
            (None, node) => write!(f, "on node {}", node.as_deref().unwrap_or_default())?,
        }
        write!(f, "; the others: {} of {} requests", count(self.others.bad), count(self.others.total))?;
        if let Some((here, all)) = self.stable {
            write!(f, "; of the stable version's {what}, {} of {} are on that node, too", count(here), count(all))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Key, Meaning, Sample};

    /// The bad requests and all requests of these pods, and of these of stable.
    fn spread(canary: &[(&str, f64, f64)], stable: &[(&str, f64, f64)]) -> Spread {
        let of = |arm, pods: &[(&str, f64, f64)]| {
            let pods = pods.iter().map(|(pod, bad, total)| ((arm, Some(Arc::from(*pod))), Counts::exact(*bad, *total)));
            pods.collect::<Vec<_>>()
        };
        let pods = [of(Arm::Canary, canary), of(Arm::Stable, stable)].concat();
        Spread {
            check: "errors".to_owned(),
            pods: ByPod(pods.into_iter().collect()),
            overdispersion: 1.0,
            limit: 0.01,
            what: "failures",
        }
    }

    /// Each pod is on the node that its name ends with.
    fn nodes(spread: &Spread) -> BTreeMap<String, String> {
        let pods = spread.pods.0.keys().filter_map(|(_, pod)| pod.clone());
        pods.map(|pod| (pod.to_string(), pod.rsplit('-').next().unwrap().to_owned())).collect()
    }

    fn told(canary: &[(&str, f64, f64)], stable: &[(&str, f64, f64)]) -> Option<String> {
        let spread = spread(canary, stable);
        spread.origin(&nodes(&spread)).map(|origin| origin.to_string())
    }

    const WELL: [(&str, f64, f64); 3] = [("s-a", 1.0, 4000.0), ("t-b", 0.0, 4000.0), ("u-c", 1.0, 4000.0)];

    #[test]
    fn one_pod_of_several_is_named_with_its_node_and_the_others_numbers() {
        let sentence = told(&[("x-a", 41.0, 400.0), ("y-b", 2.0, 410.0), ("z-c", 1.0, 390.0)], &WELL);
        assert_eq!(sentence.as_deref(), Some("41 of 44 failures at pod x-a, on node a; the others: 3 of 800 requests"));
    }

    #[test]
    fn a_version_that_is_bad_in_all_of_its_pods_names_none() {
        assert_eq!(told(&[("x-a", 20.0, 400.0), ("y-b", 11.0, 410.0), ("z-c", 13.0, 390.0)], &WELL), None);
        assert_eq!(told(&[("x-a", 31.0, 1000.0), ("y-b", 2.0, 100.0), ("z-c", 2.0, 100.0)], &WELL), None);
    }

    #[test]
    fn the_only_pod_of_a_version_is_no_place_among_several() {
        assert_eq!(told(&[("x-a", 41.0, 400.0)], &WELL), None);
        assert_eq!(told(&[("x-a", 41.0, 400.0), ("y-b", 0.0, 0.0)], &WELL), None);
    }

    #[test]
    fn a_few_failures_at_one_of_two_pods_may_be_chance() {
        assert_eq!(told(&[("x-a", 5.0, 100.0), ("y-b", 0.0, 100.0)], &WELL), None);
        assert!(told(&[("x-a", 8.0, 100.0), ("y-b", 0.0, 100.0)], &WELL).is_some());
    }

    #[test]
    fn failures_that_come_in_crowds_count_once_for_each_crowd() {
        let mut spread = spread(&[("x-a", 12.0, 100.0), ("y-b", 0.0, 100.0)], &[]);
        spread.overdispersion = 6.0;
        assert_eq!(spread.origin(&BTreeMap::new()), None);
    }

    #[test]
    fn a_node_is_named_that_several_of_the_pods_are_on() {
        let canary = [("w-a", 21.0, 200.0), ("x-a", 20.0, 200.0), ("y-b", 1.0, 200.0), ("z-c", 0.0, 200.0)];
        let sentence = told(&canary, &WELL).unwrap();
        assert_eq!(sentence, "41 of 42 failures on node a; the others: 1 of 400 requests");
        let all_there = canary.map(|(pod, bad, total)| (pod, if bad > 0.0 { bad } else { 0.0 }, total));
        let one_node: BTreeMap<_, _> = all_there.iter().map(|(pod, ..)| ((*pod).to_owned(), "a".to_owned())).collect();
        assert_eq!(spread(&all_there, &[]).origin(&one_node), None);
    }

    #[test]
    fn a_node_is_named_rather_than_the_one_pod_on_it_where_stable_fails_there_too() {
        let stable = [("s-a", 400.0, 4000.0), ("t-b", 1.0, 4000.0), ("u-c", 1.0, 4000.0)];
        let sentence = told(&[("x-a", 41.0, 400.0), ("y-b", 2.0, 410.0), ("z-c", 1.0, 390.0)], &stable).unwrap();
        let expected = "41 of 44 failures on node a; the others: 3 of 800 requests; of the stable version's failures, \
                        400 of 402 are on that node, too";
        assert_eq!(sentence, expected);
    }

    #[test]
    fn without_nodes_a_pod_is_named_all_the_same() {
        let spread = spread(&[("x-a", 41.0, 400.0), ("y-b", 2.0, 410.0)], &WELL);
        let origin = spread.origin(&BTreeMap::new()).unwrap();
        assert_eq!(origin.to_string(), "41 of 43 failures at pod x-a; the others: 2 of 410 requests");
        assert!(spread.spares_others(&origin));
    }

    #[test]
    fn the_others_are_spared_where_they_keep_to_the_limit() {
        let spared = |bad: f64| {
            let spread = spread(&[("x-a", 100.0, 400.0), ("y-b", bad, 400.0)], &[]);
            spread.spares_others(&spread.origin(&BTreeMap::new()).unwrap())
        };
        assert!(spared(4.0) && !spared(5.0));
    }

    #[test]
    fn a_label_that_names_no_pod_of_the_version_names_none() {
        let mut spread = spread(&[("exporter", 41.0, 400.0), ("y-b", 2.0, 410.0)], &WELL);
        spread.pods = spread.pods.only(|_, pod| pod != "exporter");
        assert!(spread.pods.names_pods());
        assert_eq!(spread.origin(&BTreeMap::new()), None);
        spread.pods = spread.pods.only(|_, _| false);
        assert!(!spread.pods.names_pods());
    }

    #[test]
    fn requests_are_kept_as_long_as_the_version_looks_worse() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let block = |bad| spread(&[("x", bad, 100.0)], &[]).pods;
        let mut suspicion = Suspicion::default();
        suspicion.follow(Some(at(0)), at(0), block(1.0));
        suspicion.follow(Some(at(0)), at(10), block(2.0));
        assert_eq!(suspicion.clone().with(ByPod::default()), spread(&[("x", 3.0, 200.0)], &[]).pods);
        suspicion.follow(None, at(20), block(0.0));
        assert_eq!(suspicion.clone().with(block(7.0)), block(7.0));
        suspicion.follow(Some(at(30)), at(30), block(4.0));
        assert_eq!(suspicion.with(ByPod::default()), block(4.0));
    }

    #[test]
    fn pods_are_counted_by_the_measure_of_the_check() {
        let series = |pod: &str, meaning| Series {
            key: Key::of("pod", pod),
            instance: Key::of("pod", pod),
            pod: Some(Arc::from(pod)),
            arm: Arm::Canary,
            meaning,
            samples: vec![Sample { at: Timestamp::UNIX_EPOCH, value: 0.0 }],
        };
        let bucket = |pod: &str, le| series(pod, Meaning::Bucket { histogram: Key::of("pod", pod), le });
        let stretch = TimeRange { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH };
        let failed =
            [series("x", Meaning::Requests), series("x", Meaning::FailedRequests), series("y", Meaning::Requests)];
        let pods = ByPod::of(stretch, Measure::Failed, &failed, &[90.0, 10.0, 50.0]);
        assert_eq!(pods, spread(&[("x", 10.0, 100.0), ("y", 0.0, 50.0)], &[]).pods);
        let slow = [bucket("x", 1.0), bucket("x", f64::INFINITY), bucket("y", 1.0), bucket("y", f64::INFINITY)];
        let pods = ByPod::of(stretch, Measure::SlowerThan(1.0), &slow, &[80.0, 100.0, 50.0, 50.0]);
        assert_eq!(pods, spread(&[("x", 20.0, 100.0), ("y", 0.0, 50.0)], &[]).pods);
    }
}
