//! Requests that stop, or fail whichever version serves them, right after something was written: that speaks against the
//! write, and not against a version.
//!
//! It must not be said of a write that has nothing to do with it. So:
//!
//! - What was before the write is what was seen before it, and has to be known: nothing is concluded without.
//! - **Requests stopped** when no more than a tenth of those comes that came in the quietest [`stretch`] before. A Service
//!   whose clients pause now and then has a quiet stretch, and a lone idle one nothing but quiet ones: of those, nothing
//!   is expected. Where 20 are, 2 or fewer come by chance once in two million times (Poisson), and requests that come in
//!   bursts have been seen to come in every stretch before. It has to be as many targets, or at least half of them, that
//!   tell so: a store that lost its targets knows nothing of requests.
//! - **Requests fail for both** when half of 20 or more fail at the stable version, of which no more than a tenth did
//!   before, and half of the new version's, where it had enough to say. Where a tenth fails, 10 of 20 do by chance once in
//!   140,000 times. A version that fails alone is its own fault.
//!
//! Something else that begins to fail for both versions in the moments after a write is taken for the write's work. That
//! costs a release its time, and no request: what is taken back is what worked before.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    series::{Arm, ByKey, Key, Meaning, Sample, Series},
    wording::{about, count, percent},
};

/// So many requests have to be expected, or seen, before their absence or their failure means anything.
const ENOUGH: f64 = 20.0;

/// Requests have stopped when no more than this part of those that are expected comes. Probes and scrapes go on, and many
/// libraries count them.
const LEFT: f64 = 0.1;

/// A version fails when this part of its requests does.
const FAILING: f64 = 0.5;

/// Before the write, no more than this part of the requests may have failed: what was broken already was not broken by it.
const SOUND: f64 = 0.1;

/// So many failed requests of a stable target are a sign that the next scrape may show more.
const SIGN: f64 = 3.0;

/// In so many stretches requests have to have come before it means anything that they stop.
const STRETCHES: usize = 3;

/// In so much time every target is scraped twice, even where one scrape is a little late: two and a half intervals.
#[must_use]
pub fn stretch(scrape: Duration) -> Duration {
    scrape * 5 / 2
}

/// What was counted of some requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Requests {
    all: f64,
    failed: f64,
    per_second: f64,
}

impl Requests {
    fn proportion(self) -> f64 {
        if self.all > 0.0 { self.failed / self.all } else { 0.0 }
    }

    fn fail(self) -> bool {
        self.all >= ENOUGH && self.proportion() >= FAILING
    }

    fn are_sound(self) -> bool {
        self.proportion() <= SOUND
    }

    fn add(&mut self, seen: &ScrapedTarget) {
        self.all += seen.all;
        self.failed += seen.failed;
        self.per_second += seen.all / seen.time.as_secs_f64();
    }
}

/// The requests of both versions over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    canary: Requests,
    stable: Requests,
    /// For how long each target was seen at least.
    time: Duration,
    /// How many targets were seen twice or more.
    targets: usize,
}

/// What was seen of one target between two of its scrapes.
#[derive(Debug, Clone, Copy)]
struct ScrapedTarget {
    arm: Arm,
    /// Between those scrapes; nothing where there was only one.
    time: Duration,
    newest: Timestamp,
    all: f64,
    failed: f64,
}

impl Flow {
    /// What `series` count between the first and the last of their samples after `start`, up to and including `end`.
    #[must_use]
    pub fn between(series: &[Series], start: Timestamp, end: Timestamp) -> Self {
        Self::of(&seen(series, (start, end), usize::MAX))
    }

    /// The same, and nothing as long as a target that was scraped once since `start` may soon have been scraped twice.
    #[must_use]
    pub fn since(series: &[Series], (start, now): (Timestamp, Timestamp), scrape: Duration) -> Option<Self> {
        let seen = seen(series, (start, now), usize::MAX);
        let is_due = |seen: &ScrapedTarget| seen.time.is_zero() && seen.newest > back(now, scrape * 3 / 2);
        let flow = Self::of(&seen);
        (flow.targets > 0 && !seen.iter().any(is_due)).then_some(flow)
    }

    fn of(seen: &[ScrapedTarget]) -> Self {
        let mut flow = Self::default();
        for seen in seen.iter().filter(|seen| !seen.time.is_zero()) {
            flow.time = if flow.targets == 0 { seen.time } else { flow.time.min(seen.time) };
            flow.targets += 1;
            match seen.arm {
                Arm::Canary => flow.canary.add(seen),
                Arm::Stable => flow.stable.add(seen),
            }
        }
        flow
    }

    /// How many requests that were, of both versions.
    #[must_use]
    pub fn requests(&self) -> f64 {
        self.canary.all + self.stable.all
    }

    /// Requests in a second, of both versions.
    fn per_second(&self) -> f64 {
        self.canary.per_second + self.stable.per_second
    }
}

/// What requests were like before something was written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Before {
    stable: Requests,
    /// In the last stretch.
    latest: Flow,
    /// Requests in a second, of both versions, in the stretch in which the fewest came; nothing where too few were seen.
    quietest: f64,
}

impl Before {
    /// What `series` hold up to `end`.
    #[must_use]
    pub fn of(series: &[Series], end: Timestamp, scrape: Duration) -> Self {
        let times = series.iter().filter_map(|series| series.samples.first());
        let oldest = times.map(|sample| sample.at).min().unwrap_or(end);
        let mut before = Self { stable: Flow::between(series, Timestamp::MIN, end).stable, ..Self::default() };
        let (mut stretches, mut until, mut quietest) = (0, end, f64::INFINITY);
        while let since = back(until, stretch(scrape))
            && since >= oldest
            && since < until
        {
            let flow = Flow::between(series, since, until);
            // Counters that were no numbers tell nothing of what is to be expected, and no more of the time before.
            if !flow.per_second().is_finite() {
                break;
            }
            quietest = quietest.min(flow.per_second());
            if stretches == 0 {
                before.latest = flow;
            }
            (stretches, until) = (stretches + 1, since);
        }
        before.quietest = if stretches >= STRETCHES { quietest } else { 0.0 };
        before
    }

    /// Whether enough is known of the stable version, and it did not fail.
    fn is_sound(&self) -> bool {
        self.stable.all >= ENOUGH && self.stable.are_sound() && self.latest.stable.are_sound()
    }
}

/// What `series` tell of each target that was scraped after `start`, up to and including `end`: between the first and the
/// last of its scrapes, or of the last `most` of them.
fn seen(series: &[Series], (start, end): (Timestamp, Timestamp), most: usize) -> Vec<ScrapedTarget> {
    let mut targets: ByKey<(Arm, Vec<Timestamp>)> = ByKey::default();
    for series in series {
        let (_, times) = targets.entry(target_of(series)).or_insert((series.arm, Vec::new()));
        times.extend(series.between(start, end).iter().map(|sample| sample.at));
    }
    let mut all: ByKey<ScrapedTarget> = ByKey::default();
    for (key, (arm, mut times)) in targets {
        times.sort_unstable();
        times.dedup();
        let first = times.get(times.len().saturating_sub(most)).copied();
        let Some((first, newest)) = first.zip(times.last().copied()) else { continue };
        let time = newest.duration_since(first).unsigned_abs();
        all.insert(key, ScrapedTarget { arm, time, newest, all: 0.0, failed: 0.0 });
    }
    for series in series {
        let Some(seen) = all.get_mut(&target_of(series)) else { continue };
        let first = back(seen.newest, seen.time);
        let samples = series.between(start, end);
        let old = samples.partition_point(|sample| sample.at < first);
        let (all, failed) = counted(series.meaning, gained(samples.get(old..).unwrap_or_default(), first));
        seen.all += all;
        seen.failed += failed;
    }
    all.into_values().collect()
}

/// A gateway counts for both versions, and for each it is a target of its own.
fn target_of(series: &Series) -> Key {
    series.instance.with(Key::of("arm", if series.arm == Arm::Canary { "canary" } else { "stable" }))
}

/// What a counter gained over these samples. One that falls began anew at nothing, and so did one that was not there when
/// its target was first looked at.
fn gained(samples: &[Sample], target_since: Timestamp) -> f64 {
    let Some(first) = samples.first() else { return 0.0 };
    let new = if target_since < first.at { first.value } else { 0.0 };
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
        Meaning::Expected | Meaning::Bucket { .. } => (0.0, 0.0),
        Meaning::FailedRequests => (gained, gained),
        Meaning::Failures => (0.0, gained),
    }
}

fn back(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// What is wrong with the requests `after` a write, beside those `before` it: a sentence, and nothing where nothing is
/// wrong or where too little is known.
#[must_use]
pub fn outage(before: &Before, after: &Flow) -> Option<String> {
    stopped(before, after).or_else(|| failing(before, after))
}

fn stopped(before: &Before, after: &Flow) -> Option<String> {
    let seconds = after.time.as_secs_f64();
    let (expected, seen) = (before.quietest * seconds, after.per_second() * seconds);
    let is_told = 2 * after.targets >= before.latest.targets;
    (is_told && expected >= ENOUGH && seen <= LEFT * expected).then(|| {
        let (seen, expected) = (count(seen), about(expected));
        format!("requests stopped: {seen} in {}s, where about {expected} were to be expected", seconds.round())
    })
}

fn failing(before: &Before, after: &Flow) -> Option<String> {
    let canary_fails_too = after.canary.all < ENOUGH || after.canary.fail();
    (before.is_sound() && after.stable.fail() && canary_fails_too).then(|| {
        let (now, then) = (percent(after.stable.proportion()), percent(before.stable.proportion()));
        let (of, round) = (count(after.stable.all), after.time.as_secs_f64().round());
        format!(
            "requests fail whichever version serves them: {now} of {of} at the stable version in {round}s, {then} before"
        )
    })
}

/// Whether the new version fails in a way that may be the write's: half of its requests and more, since its last scrape,
/// while a stable target shows failures, too, or none was scraped since.
#[must_use]
pub fn may_be_both(before: &Before, series: &[Series], (start, now): (Timestamp, Timestamp)) -> bool {
    let (canary, stable): (Vec<_>, Vec<_>) =
        seen(series, (start, now), 2).into_iter().partition(|seen| seen.arm == Arm::Canary);
    let Some(newest) = canary.iter().map(|seen| seen.newest).max() else { return false };
    // One that was scraped once began at nothing a moment ago: its counters say it all, and no sum here does.
    let (all, failed) = canary.iter().fold((0.0, 0.0), |(all, failed), seen| (all + seen.all, failed + seen.failed));
    let fails = failed >= FAILING * all;
    let has_a_sign = |seen: &ScrapedTarget| seen.failed >= SIGN && seen.failed > SOUND * seen.all;
    let is_behind = stable.iter().all(|seen| seen.newest < newest);
    before.is_sound() && fails && (is_behind || stable.iter().any(has_a_sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn series(target: &str, meaning: Meaning, arm: Arm, values: &[(i64, f64)]) -> Series {
        let samples = values.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect();
        Series { key: Key::default(), instance: Key::of("pod", target), pod: None, arm, meaning, samples }
    }

    const SCRAPE: Duration = Duration::from_secs(15);

    /// What comes in a second, by when: of these requests, and of failed ones.
    type Rates = fn(i64) -> (f64, f64);

    /// Four stable pods and a canary from 0 on, scraped each 15 s and at different moments, as they counted up to `end`.
    fn pods(end: i64, stable: Rates, canary: Rates) -> Vec<Series> {
        let mut all = Vec::new();
        for (place, target) in ["a", "b", "c", "d", "e"].iter().enumerate() {
            let (arm, rates) = if place == 0 { (Arm::Canary, canary) } else { (Arm::Stable, stable) };
            let phase = i64::try_from(place).unwrap() * 3;
            let (mut well, mut failed, mut values) = (0.0, 0.0, [Vec::new(), Vec::new()]);
            for second in 0..=end {
                let (all, wrong) = rates(second);
                (well, failed) = (well + all - wrong, failed + wrong);
                if second % 15 == phase {
                    values[0].push((second, well));
                    values[1].push((second, failed));
                }
            }
            all.push(series(target, Meaning::Requests, arm, &values[0]));
            all.push(series(target, Meaning::FailedRequests, arm, &values[1]));
        }
        all
    }

    const WRITTEN: i64 = 300;

    /// What is said at the first look that says anything, and when that is; up to a minute after the write.
    fn said(stable: Rates, canary: Rates) -> Option<(i64, String)> {
        (WRITTEN..=WRITTEN + 60).find_map(|now| {
            let series = pods(now, stable, canary);
            let before = Before::of(&series, at(WRITTEN), SCRAPE);
            Some((now - WRITTEN, outage(&before, &Flow::since(&series, (at(WRITTEN), at(now)), SCRAPE)?)?))
        })
    }

    const NONE: Rates = |_| (0.0, 0.0);
    const WELL: Rates = |_| (2.0, 0.0);
    const STOP: Rates = |second| if second < WRITTEN { (2.0, 0.0) } else { (0.0, 0.0) };
    const FAIL: Rates = |second| if second < WRITTEN { (2.0, 0.0) } else { (2.0, 2.0) };

    #[test]
    fn requests_that_stop_are_told_within_two_scrapes_with_what_was_to_be_expected() {
        let (after, sentence) = said(STOP, NONE).unwrap();
        assert_eq!(sentence, "requests stopped: 0 in 15s, where about 120 were to be expected");
        assert!(after <= 30, "{after}");
    }

    #[test]
    fn counters_that_were_no_numbers_before_a_write_lead_nobody_to_expect_anything() {
        let mut series = pods(WRITTEN + 60, WELL, NONE);
        for one in &mut series {
            let before = one.samples.iter_mut().filter(|sample| sample.at < at(WRITTEN));
            before.for_each(|sample| sample.value = f64::NAN);
        }
        let before = Before::of(&series, at(WRITTEN), SCRAPE);
        let after = Flow::since(&series, (at(WRITTEN), at(WRITTEN + 60)), SCRAPE).unwrap();
        assert_eq!(outage(&before, &after), None);
    }

    #[test]
    fn both_versions_that_fail_together_are_told_within_two_scrapes_and_one_alone_is_not() {
        for canary in [NONE, FAIL] {
            let (after, sentence) = said(FAIL, canary).unwrap();
            assert!(sentence.starts_with("requests fail whichever version serves them: 100% of 120"), "{sentence}");
            assert!(after <= 30, "{after}");
        }
        assert_eq!(said(WELL, FAIL), None);
        assert_eq!(said(FAIL, WELL), None);
    }

    #[test]
    fn an_idle_service_and_one_whose_clients_pause_now_and_then_have_not_stopped() {
        assert_eq!(said(|_| (0.01, 0.0), NONE), None);
        assert_eq!(said(|second| if second % 100 < 50 { (20.0, 0.0) } else { (0.0, 0.0) }, NONE), None);
        let once: Rates = |second| if (240..WRITTEN).contains(&second) { (20.0, 0.0) } else { (0.0, 0.0) };
        assert_eq!(said(once, NONE), None);
    }

    #[test]
    fn what_was_broken_before_was_not_broken_by_the_write() {
        assert_eq!(said(|_| (2.0, 1.5), NONE), None);
        let shortly: Rates = |second| if second < WRITTEN - 20 { (2.0, 0.0) } else { (2.0, 2.0) };
        assert_eq!(said(shortly, NONE), None);
        let stopped: Rates = |second| if second < WRITTEN - 60 { (2.0, 0.0) } else { (0.0, 0.0) };
        assert_eq!(said(stopped, NONE), None);
    }

    #[test]
    fn targets_that_are_not_scraped_any_more_say_nothing_of_requests() {
        let lost = |series: Series| {
            let keep = series.instance == Key::of("pod", "b");
            let samples = series.samples.into_iter().filter(|sample| keep || sample.at < at(WRITTEN)).collect();
            Series { samples, ..series }
        };
        let series: Vec<_> = pods(WRITTEN + 40, STOP, NONE).into_iter().map(lost).collect();
        let before = Before::of(&series, at(WRITTEN), SCRAPE);
        let after = Flow::since(&series, (at(WRITTEN), at(WRITTEN + 40)), SCRAPE).unwrap();
        assert_eq!((after.targets, outage(&before, &after)), (1, None));
    }

    #[test]
    fn a_target_that_was_scraped_once_is_waited_for_until_it_is_overdue() {
        let twice = series("a", Meaning::Requests, Arm::Canary, &[(10, 0.0), (25, 1.0)]);
        let once = series("b", Meaning::Requests, Arm::Stable, &[(20, 1000.0)]);
        let since = |now| Flow::since(&[twice.clone(), once.clone()], (at(5), at(now)), SCRAPE);
        assert_eq!(since(30), None);
        assert_eq!(since(43).map(|flow| (flow.targets, flow.time)), Some((1, SCRAPE)));
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
        let canary = Requests { all: 7.0, failed: 0.0, per_second: 0.7 };
        let stable = Requests { all: 5.0, failed: 2.0, per_second: 0.5 };
        let time = Duration::from_secs(10);
        assert_eq!(Flow::between(&all, at(5), at(30)), Flow { canary, stable, time, targets: 2 });
    }

    #[test]
    fn a_version_that_fails_is_waited_with_while_stable_may_fail_as_well() {
        let waits = |now, stable, canary| {
            let series = pods(now, stable, canary);
            let start = back(at(now), stretch(SCRAPE)).max(at(WRITTEN - 30));
            may_be_both(&Before::of(&series, at(WRITTEN), SCRAPE), &series, (start, at(now)))
        };
        // The canary is scraped at 315, stable pods at 318, 321, 324 and 327.
        assert!(waits(315, FAIL, FAIL), "no stable pod was scraped since");
        assert!(waits(315, WELL, FAIL), "nobody knows yet");
        assert!(waits(319, FAIL, FAIL));
        assert!(!waits(319, WELL, FAIL), "it fails alone");
        assert!(!waits(319, FAIL, WELL));
    }
}
