//! When targets are scraped, and what is stored of it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    labels::{Labels, NAME},
    server::Prometheus,
};

/// What to scrape: one container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The scrape job.
    pub job: String,
    /// Address and port, which tell targets apart.
    pub instance: String,
}

impl Target {
    /// The labels that every series of the target has, beside its own.
    #[must_use]
    pub fn labels(&self, metric: &str, own: &[(&str, &str)]) -> Labels {
        let target = [
            (NAME, metric),
            ("namespace", &self.namespace),
            ("pod", &self.pod),
            ("container", &self.container),
            ("job", &self.job),
            ("instance", &self.instance),
        ];
        // The target's labels win over those that it exposes, as without `honor_labels`.
        Labels::new(own.iter().copied().chain(target))
    }
}

/// The targets of a [`Prometheus`], and when each is scraped next.
#[derive(Debug)]
pub struct Scraper {
    /// In milliseconds.
    interval: i64,
    /// By instance.
    targets: BTreeMap<String, Scraped>,
}

#[derive(Debug)]
struct Scraped {
    target: Target,
    up: Labels,
    /// In milliseconds since 1970.
    next: i64,
}

impl Scraper {
    /// Scrapes each target once in `interval`, which is at least a millisecond.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { interval, targets: BTreeMap::new() }
    }

    /// From `now` on, `target` is scraped.
    ///
    /// Each target has its own place in the interval, by a hash of its name, so that not all are scraped at once and
    /// each is at the same instants after a restart.
    pub fn discover(&mut self, now: i64, target: Target) {
        let offset = i64::try_from(hash(&target) % self.interval.unsigned_abs()).unwrap_or_default();
        let wait = (offset - now).rem_euclid(self.interval);
        let (up, instance) = (target.labels("up", &[]), target.instance.clone());
        self.targets.insert(instance, Scraped { target, up, next: now.saturating_add(wait) });
    }

    /// `instance` is no target any more: its series end at `now`.
    pub fn forget(&mut self, prometheus: &mut Prometheus, now: i64, instance: &str) {
        if self.targets.remove(instance).is_some() {
            prometheus.vanish(now, instance);
            prometheus.vanish(now, &health(instance));
        }
    }

    /// When the next scrape is due.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        self.targets.values().map(|scraped| scraped.next).min()
    }

    /// Does every scrape that is due at `now`. `expose` tells what a target exposes, with the labels of
    /// [`Target::labels`]; nothing if it does not answer, which shows in `up`, and its series end.
    pub fn scrape(
        &mut self,
        prometheus: &mut Prometheus,
        now: i64,
        mut expose: impl FnMut(&Target) -> Option<Vec<(Labels, f64)>>,
    ) {
        for (instance, scraped) in &mut self.targets {
            if scraped.next > now {
                continue;
            }
            // A scraper that was held up leaves out what it has missed, as the real one does.
            let missed = (now - scraped.next) / self.interval;
            let at = scraped.next.saturating_add(missed.saturating_mul(self.interval));
            scraped.next = at.saturating_add(self.interval);
            let samples = expose(&scraped.target);
            let up = f64::from(samples.is_some());
            prometheus.append(at, instance, &samples.unwrap_or_default());
            prometheus.append(at, &health(instance), &[(scraped.up.clone(), up)]);
        }
    }

    /// Scrapes nothing that is due until `now`: Prometheus was down, or cut off from its targets without noticing.
    pub fn skip(&mut self, now: i64) {
        for scraped in self.targets.values_mut().filter(|scraped| scraped.next <= now) {
            let missed = (now - scraped.next) / self.interval + 1;
            scraped.next = scraped.next.saturating_add(missed.saturating_mul(self.interval));
        }
    }
}

/// The name under which `up` is appended: it stays when the rest of a target's series ends.
fn health(instance: &str) -> String {
    format!("up {instance}")
}

/// FNV-1a: the same on every machine. <http://www.isthe.com/chongo/tech/comp/fnv/>
fn hash(target: &Target) -> u64 {
    let text = [&target.job, &target.instance, &target.namespace, &target.pod];
    let bytes = text.into_iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    fn target(pod: &str) -> Target {
        let text = str::to_owned;
        let instance = format!("{pod}:8080");
        Target { namespace: text("shop"), pod: text(pod), container: text("app"), job: text("pods"), instance }
    }

    #[allow(clippy::unnecessary_wraps, reason = "what a scraper takes")]
    fn exposed(target: &Target) -> Option<Vec<(Labels, f64)>> {
        Some(vec![(target.labels("requests", &[("code", "200"), ("job", "mine")]), 1.0)])
    }

    fn count(prometheus: &mut Prometheus, query: &str, at: i64) -> usize {
        match prometheus.instant(query, at) {
            Ok(Value::Vector(samples)) => samples.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn targets_are_scraped_once_in_an_interval_each_at_its_own_time() {
        let (mut scraper, mut prometheus) = (Scraper::new(Duration::from_secs(15)), Prometheus::default());
        for pod in ["a", "b", "c", "d"] {
            scraper.discover(1_000, target(pod));
        }
        let mut instants = Vec::new();
        while let Some(next) = scraper.next().filter(|next| *next < 31_000) {
            scraper.scrape(&mut prometheus, next, exposed);
            instants.push(next);
        }
        assert_eq!(instants.len(), 8, "{instants:?}");
        assert!(instants.iter().zip(instants.iter().skip(4)).all(|(one, next)| next - one == 15_000), "{instants:?}");
        let wanted = r#"requests{code="200",job="pods",pod="a",container="app",instance="a:8080",namespace="shop"}"#;
        assert_eq!(count(&mut prometheus, wanted, 31_000), 1);
        assert_eq!(count(&mut prometheus, "up == 1", 31_000), 4);
    }

    #[test]
    fn a_target_that_does_not_answer_is_down_and_its_series_end() {
        let (mut scraper, mut prometheus) = (Scraper::new(Duration::from_secs(15)), Prometheus::default());
        scraper.discover(0, target("a"));
        scraper.scrape(&mut prometheus, 15_000, exposed);
        scraper.scrape(&mut prometheus, 30_000, |_| None);
        assert_eq!(count(&mut prometheus, "up == 0", 30_000), 1);
        assert_eq!(count(&mut prometheus, "requests", 30_000), 0);
    }

    #[test]
    fn a_target_that_is_none_any_more_takes_even_its_health_with_it() {
        let (mut scraper, mut prometheus) = (Scraper::new(Duration::from_secs(15)), Prometheus::default());
        scraper.discover(0, target("a"));
        scraper.scrape(&mut prometheus, 15_000, exposed);
        scraper.forget(&mut prometheus, 16_000, "a:8080");
        assert_eq!((count(&mut prometheus, "up", 16_000), scraper.next()), (0, None));
    }

    #[test]
    fn a_gap_that_nobody_noticed_ends_no_series() {
        let (mut scraper, mut prometheus) = (Scraper::new(Duration::from_secs(15)), Prometheus::default());
        scraper.discover(0, target("a"));
        scraper.scrape(&mut prometheus, 15_000, exposed);
        scraper.skip(60_000);
        assert!(scraper.next().is_some_and(|next| (60_001..=75_000).contains(&next)));
        assert_eq!(count(&mut prometheus, "count_over_time(requests[1h])", 60_000), 1);
    }
}
