//! Requests that stop, or fail whichever version serves them, right after something was written: that speaks against the
//! write, and not against a version.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    series::{Arm, ByKey, Key, Meaning, Sample, Series},
    wording::{about, count, percent},
};

/// So many requests have to be expected, or seen, before their absence or their failure means anything: of that many,
/// none at all comes by chance once in 10⁸ times.
const ENOUGH: f64 = 20.0;

/// Requests have stopped when no more than this part of those that are expected comes. Probes and scrapes go on, and many
/// libraries count them.
const LEFT: f64 = 0.1;

/// A version fails when this part of its requests does.
const FAILING: f64 = 0.5;

/// Before the write, no more than this part of the requests may have failed: what was broken already was not broken by it.
const SOUND: f64 = 0.1;

/// How many requests come in a second, and how many of them fail.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rate {
    all: f64,
    failed: f64,
}

impl Rate {
    fn share(self) -> f64 {
        if self.all > 0.0 { self.failed / self.all } else { 0.0 }
    }

    fn is_enough(self, time: Duration) -> bool {
        self.all * time.as_secs_f64() >= ENOUGH
    }

    fn fails(self, time: Duration) -> bool {
        self.is_enough(time) && self.share() >= FAILING
    }
}

/// The requests of both versions over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    canary: Rate,
    stable: Rate,
    /// For how long every target was seen; nothing where one of them was only seen once.
    time: Duration,
}

/// What was seen of one target.
#[derive(Debug, Default)]
struct Target {
    arm: Option<Arm>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    all: f64,
    failed: f64,
}

impl Flow {
    /// What `series` count between the first and the last of their samples after `start`, up to and including `end`.
    #[must_use]
    pub fn between(series: &[Series], start: Timestamp, end: Timestamp) -> Self {
        let mut targets: ByKey<Target> = ByKey::default();
        for series in series {
            let target = targets.entry(target_of(series)).or_default();
            target.arm = Some(series.arm);
            for sample in series.between(start, end) {
                target.first = Some(target.first.map_or(sample.at, |first| first.min(sample.at)));
                target.last = Some(target.last.map_or(sample.at, |last| last.max(sample.at)));
            }
        }
        for series in series {
            if let Some(target) = targets.get_mut(&target_of(series)) {
                let gained = gained(series.between(start, end), target.first);
                let (all, failed) = counted(series.meaning, gained);
                target.all += all;
                target.failed += failed;
            }
        }
        Self::of(targets.into_values())
    }

    fn of(targets: impl Iterator<Item = Target>) -> Self {
        let (mut flow, mut shortest) = (Self::default(), None);
        for target in targets {
            let (Some(arm), Some(first), Some(last)) = (target.arm, target.first, target.last) else { continue };
            let time = last.duration_since(first).unsigned_abs();
            shortest = Some(shortest.map_or(time, |shortest: Duration| shortest.min(time)));
            if time.is_zero() {
                continue;
            }
            let rate = match arm {
                Arm::Canary => &mut flow.canary,
                Arm::Stable => &mut flow.stable,
            };
            rate.all += target.all / time.as_secs_f64();
            rate.failed += target.failed / time.as_secs_f64();
        }
        Self { time: shortest.unwrap_or_default(), ..flow }
    }

    /// For how long every target was seen.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Requests in a second, of both versions.
    fn rate(&self) -> f64 {
        self.canary.all + self.stable.all
    }
}

/// A gateway counts for both versions, and for each it is a target of its own.
fn target_of(series: &Series) -> Key {
    series.instance.with(Key::of("arm", if series.arm == Arm::Canary { "canary" } else { "stable" }))
}

/// What a counter gained over these samples. One that falls began anew at nothing, and so did one that was not there when
/// its target was first looked at.
fn gained(samples: &[Sample], target_since: Option<Timestamp>) -> f64 {
    let Some(first) = samples.first() else { return 0.0 };
    let new = if target_since.is_some_and(|since| since < first.at) { first.value } else { 0.0 };
    let gains = samples.windows(2).filter_map(|pair| {
        let (one, next) = (pair.first()?.value, pair.last()?.value);
        Some(if next < one { next } else { next - one })
    });
    new + gains.sum::<f64>()
}

/// How many requests that is, and how many failed ones.
fn counted(meaning: Meaning, gained: f64) -> (f64, f64) {
    match meaning {
        Meaning::Requests => (gained, 0.0),
        Meaning::Bucket { le, .. } if le == f64::INFINITY => (gained, 0.0),
        Meaning::Bucket { .. } => (0.0, 0.0),
        Meaning::FailedRequests => (gained, gained),
        Meaning::Failures => (0.0, gained),
    }
}

/// What is wrong with the requests `after` a write, beside those `before` it: a sentence, and nothing where nothing is
/// wrong or where too little is known.
#[must_use]
pub fn outage(before: &Flow, after: &Flow) -> Option<String> {
    if before.time.is_zero() || after.time.is_zero() {
        return None;
    }
    let seconds = after.time.as_secs_f64();
    let (expected, seen) = (before.rate() * seconds, after.rate() * seconds);
    let round = seconds.round();
    if expected >= ENOUGH && seen <= LEFT * expected {
        let (seen, expected) = (count(seen), about(expected));
        return Some(format!("requests stopped: {seen} in {round}s, where about {expected} were to be expected"));
    }
    let canary_fails_too = !after.canary.is_enough(after.time) || after.canary.fails(after.time);
    if stable_fails(before, after) && canary_fails_too {
        let (now, then) = (percent(after.stable.share()), percent(before.stable.share()));
        let of = count(after.stable.all * seconds);
        return Some(format!(
            "requests fail whichever version serves them: {now} of {of} at the stable version in {round}s, {then} before"
        ));
    }
    None
}

/// Whether requests of the stable version fail that did not before.
#[must_use]
pub fn stable_fails(before: &Flow, after: &Flow) -> bool {
    let was_sound = before.stable.is_enough(before.time) && before.stable.share() <= SOUND;
    was_sound && after.stable.fails(after.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow of so many requests in 30 s, and how many of them failed, for the canary and for stable.
    fn flow(canary: (f64, f64), stable: (f64, f64)) -> Flow {
        let rate = |(all, failed): (f64, f64)| Rate { all: all / 30.0, failed: failed / 30.0 };
        Flow { canary: rate(canary), stable: rate(stable), time: Duration::from_secs(30) }
    }

    const NONE: (f64, f64) = (0.0, 0.0);

    #[test]
    fn requests_that_stop_are_told_with_what_was_to_be_expected() {
        assert_eq!(
            outage(&flow(NONE, (300.0, 1.0)), &flow(NONE, (2.0, 0.0))).as_deref(),
            Some("requests stopped: 2 in 30s, where about 300 were to be expected")
        );
    }

    #[test]
    fn both_versions_that_fail_together_are_told_and_one_alone_is_not() {
        let before = flow(NONE, (300.0, 1.0));
        for canary in [NONE, (30.0, 30.0)] {
            let said = outage(&before, &flow(canary, (300.0, 290.0))).unwrap();
            assert!(said.starts_with("requests fail whichever version serves them: 96.7% of 300"), "{said}");
        }
        assert_eq!(outage(&before, &flow((30.0, 30.0), (300.0, 1.0))), None);
        assert_eq!(outage(&before, &flow((30.0, 0.0), (300.0, 290.0))), None);
    }

    #[test]
    fn few_requests_all_of_them_at_the_canary_and_what_was_broken_before_say_nothing() {
        assert_eq!(outage(&flow(NONE, (15.0, 0.0)), &flow(NONE, NONE)), None);
        assert_eq!(outage(&flow(NONE, (300.0, 0.0)), &flow((300.0, 300.0), NONE)), None);
        assert_eq!(outage(&flow(NONE, (300.0, 200.0)), &flow(NONE, (300.0, 290.0))), None);
        assert_eq!(outage(&Flow::default(), &flow(NONE, NONE)), None);
    }

    fn series(target: &str, meaning: Meaning, arm: Arm, values: &[(i64, f64)]) -> Series {
        let at = |second| Timestamp::from_second(second).unwrap();
        let samples = values.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect();
        Series { key: Key::default(), instance: Key::of("pod", target), arm, meaning, samples }
    }

    fn between(series: &[Series]) -> Flow {
        let [start, end] = [5, 30].map(|second| Timestamp::from_second(second).unwrap());
        Flow::between(series, start, end)
    }

    #[test]
    fn a_flow_counts_each_request_once_and_a_restart_from_nothing() {
        let infinite = Meaning::Bucket { histogram: Key::default(), le: f64::INFINITY };
        let finite = Meaning::Bucket { histogram: Key::default(), le: 1.0 };
        let all = [
            series("a", Meaning::Requests, Arm::Stable, &[(0, 5.0), (10, 10.0), (20, 3.0), (40, 4.0)]),
            series("a", Meaning::FailedRequests, Arm::Stable, &[(20, 2.0)]),
            series("b", infinite, Arm::Canary, &[(10, 0.0), (20, 7.0)]),
            series("b", finite, Arm::Canary, &[(10, 0.0), (20, 6.0)]),
        ];
        let [canary, stable] = [Rate { all: 0.7, failed: 0.0 }, Rate { all: 0.5, failed: 0.2 }];
        assert_eq!(between(&all), Flow { canary, stable, time: Duration::from_secs(10) });
    }

    #[test]
    fn a_target_that_was_scraped_only_once_since_leaves_it_open() {
        let twice = series("a", Meaning::Requests, Arm::Canary, &[(10, 0.0), (25, 1.0)]);
        let once = series("b", Meaning::Requests, Arm::Stable, &[(20, 1000.0)]);
        assert_eq!(between(&[twice, once]).time(), Duration::ZERO);
    }
}
