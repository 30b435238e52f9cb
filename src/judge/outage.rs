//! Requests that stop, or fail whichever version serves them, right after something was written: that speaks against the
//! write, and not against a version.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    series::{Arm, Meaning, Series},
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

/// The requests of both versions over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    /// Of the canary and of stable: all requests, and those of them that failed.
    canary: (f64, f64),
    stable: (f64, f64),
    /// From the first scrape to the last, of the target that was seen longest.
    time: Duration,
}

impl Flow {
    /// What `series` count between the first and the last of their samples after `start`, up to and including `end`.
    #[must_use]
    pub fn between(series: &[Series], start: Timestamp, end: Timestamp) -> Self {
        let mut flow = Self::default();
        for series in series {
            let samples = series.between(start, end);
            let (Some(first), Some(last)) = (samples.first(), samples.last()) else { continue };
            let time = last.at.duration_since(first.at).unsigned_abs();
            if time.is_zero() {
                continue;
            }
            flow.time = flow.time.max(time);
            // A counter that falls began anew at nothing.
            let gains = samples.windows(2).filter_map(|pair| {
                let (one, next) = (pair.first()?.value, pair.last()?.value);
                Some(if next < one { next } else { next - one })
            });
            let gained: f64 = gains.sum();
            let of = match series.arm {
                Arm::Canary => &mut flow.canary,
                Arm::Stable => &mut flow.stable,
            };
            match series.meaning {
                Meaning::Requests => of.0 += gained,
                Meaning::Bucket { le, .. } if le == f64::INFINITY => of.0 += gained,
                Meaning::Bucket { .. } => {}
                Meaning::FailedRequests => *of = (of.0 + gained, of.1 + gained),
                Meaning::Failures => of.1 += gained,
            }
        }
        flow
    }

    /// From the first scrape to the last.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    fn requests(&self) -> f64 {
        self.canary.0 + self.stable.0
    }
}

/// What is wrong with the requests `after` a write, beside those `before` it: a sentence, and nothing where nothing is
/// wrong or where too little is known.
#[must_use]
pub fn outage(before: &Flow, after: &Flow) -> Option<String> {
    if before.time.is_zero() || after.time.is_zero() {
        return None;
    }
    let expected = before.requests() / before.time.as_secs_f64() * after.time.as_secs_f64();
    let seconds = after.time.as_secs_f64().round();
    if expected >= ENOUGH && after.requests() <= LEFT * expected {
        let (seen, expected) = (count(after.requests()), about(expected));
        return Some(format!("requests stopped: {seen} in {seconds}s, where about {expected} were to be expected"));
    }
    let share = |(all, failed): (f64, f64)| if all > 0.0 { failed / all } else { 0.0 };
    let fails = |of: (f64, f64)| of.0 >= ENOUGH && share(of) >= FAILING;
    let canary_fails_too = after.canary.0 < ENOUGH || fails(after.canary);
    if fails(after.stable) && canary_fails_too && share(before.stable) <= SOUND && before.stable.0 >= ENOUGH {
        let (now, then, of) = (percent(share(after.stable)), percent(share(before.stable)), count(after.stable.0));
        return Some(format!(
            "requests fail whichever version serves them: {now} of {of} at the stable version in {seconds}s, {then} before"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Key, Sample};

    /// A flow of so many requests in 30 s, and how many of them failed, for the canary and for stable.
    fn flow(canary: (f64, f64), stable: (f64, f64)) -> Flow {
        Flow { canary, stable, time: Duration::from_secs(30) }
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

    #[test]
    fn a_flow_counts_each_request_once_and_a_restart_from_nothing() {
        let series = |meaning, arm, values: &[(i64, f64)]| {
            let at = |second| Timestamp::from_second(second).unwrap();
            let samples = values.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect();
            Series { key: Key::default(), instance: Key::default(), arm, meaning, samples }
        };
        let infinite = Meaning::Bucket { histogram: Key::default(), le: f64::INFINITY };
        let finite = Meaning::Bucket { histogram: Key::default(), le: 1.0 };
        let all = [
            series(Meaning::Requests, Arm::Stable, &[(0, 5.0), (10, 10.0), (20, 3.0), (40, 4.0)]),
            series(Meaning::FailedRequests, Arm::Stable, &[(10, 0.0), (20, 2.0)]),
            series(infinite, Arm::Canary, &[(10, 0.0), (20, 7.0)]),
            series(finite, Arm::Canary, &[(10, 0.0), (20, 6.0)]),
        ];
        let [start, end] = [5, 30].map(|second| Timestamp::from_second(second).unwrap());
        let counted = Flow { canary: (7.0, 0.0), stable: (5.0, 2.0), time: Duration::from_secs(10) };
        assert_eq!(Flow::between(&all, start, end), counted);
    }
}
