//! Values of a query over time: how long, and how often in a row, they were beyond a limit.

use jiff::Timestamp;
use tidegate_api::{QueryRelative, Verdict, verdict::reason};

use super::{question::ValueLimits, verdict::Judgement, wording::value as worded};

/// The newest value of a query, and the run of values beyond the limit that it ends.
///
/// A question that nobody answered neither ends a run nor adds to it: a Prometheus that flaps must not hide a failure. An answer
/// without a number, as where there were no requests, does not end it either, but nobody knows what it was like then: how long
/// the run has lasted is counted anew, as Prometheus does with the `for` of an alert.
/// <https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Run {
    newest: Option<(Timestamp, Reading)>,
    beyond: Option<Beyond>,
    /// Whether any value since the look before is past what is warned of.
    warns: bool,
}

/// Values beyond the limit, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Beyond {
    /// The first of those without a gap; nothing where the newest answer was no number.
    since: Option<Timestamp>,
    times: u32,
}

/// What a query yielded at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// For the canary.
    pub value: f64,
    /// For stable, where it is compared.
    pub stable: Option<f64>,
}

impl Run {
    /// Adds what the query yielded at `at`, which is later than everything before.
    pub fn observe(&mut self, limits: &ValueLimits, at: Timestamp, seen: Reading) {
        self.newest = Some((at, seen));
        self.warns |= limits.warns(seen.value);
        self.beyond = limits.crossed(seen).map(|_| {
            let before = self.beyond.unwrap_or(Beyond { since: None, times: 0 });
            Beyond { since: before.since.or(Some(at)), times: before.times.saturating_add(1) }
        });
    }

    /// Somebody looks anew: what was warned of before is told by now.
    pub fn look_anew(&mut self) {
        self.warns = false;
    }

    /// Takes an answer that was no number.
    pub fn observe_none(&mut self) {
        self.beyond = self.beyond.map(|beyond| Beyond { since: None, ..beyond });
    }

    /// When the query last yielded a value.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.newest.map(|(at, _)| at)
    }
}

impl ValueLimits {
    /// The limit that a value is beyond, with the word for where it is.
    fn crossed(&self, seen: Reading) -> Option<(f64, &'static str)> {
        let (most, least) = self.compared(seen.stable);
        let Reading { value, .. } = seen;
        let above = |limit: Option<f64>| limit.filter(|limit| value > *limit).map(|limit| (limit, "above"));
        let below = |limit: Option<f64>| limit.filter(|limit| value < *limit).map(|limit| (limit, "below"));
        above(self.max).or_else(|| below(self.min)).or_else(|| above(most)).or_else(|| below(least))
    }

    /// The highest and the lowest value beside such a value of stable.
    fn compared(&self, stable: Option<f64>) -> (Option<f64>, Option<f64>) {
        let Some((relative, stable)) = self.relative.zip(stable) else { return (None, None) };
        let margin = relative.margin.unwrap_or_default();
        (relative.max.map(|times| times * stable + margin), relative.min.map(|times| times * stable - margin))
    }

    fn warns(&self, value: f64) -> bool {
        self.warn.is_some_and(|warn| if self.min.is_some() { value < warn } else { value > warn })
    }

    fn text(&self) -> String {
        match (self.min, self.max, self.warn) {
            (Some(min), Some(max), _) => format!("{min} to {max}"),
            (Some(limit), None, _) | (None, Some(limit), _) | (None, None, Some(limit)) => limit.to_string(),
            (None, None, None) => self.relative.map_or_else(String::new, |relative| comparison(&relative)),
        }
    }
}

fn comparison(relative: &QueryRelative) -> String {
    let margin = relative.margin.unwrap_or_default();
    let side = |times: f64, sign: &str| {
        let margin = if margin == 0.0 { String::new() } else { format!(" {sign} {margin}") };
        format!("{times} × stable{margin}")
    };
    match (relative.min, relative.max) {
        (Some(min), Some(max)) => format!("{} to {}", side(min, "-"), side(max, "+")),
        (Some(min), None) => side(min, "-"),
        (None, Some(max)) => side(max, "+"),
        (None, None) => String::new(),
    }
}

/// Holds the values of a query against their limits.
#[must_use]
pub fn judge_values(limits: &ValueLimits, run: &Run) -> Judgement {
    let Some((at, seen)) = run.newest else {
        return Judgement {
            verdict: Verdict::NeedMoreData,
            limit: Some(limits.text()),
            ..Judgement::no_data(
                reason::NOT_ASKED_YET,
                "the query is asked for the first time one interval into the stage",
            )
        };
    };
    let shown = worded(seen.value);
    let beside = seen.stable.map_or(String::new(), |stable| format!(", stable at {}", worded(stable)));
    let (verdict, reason, message) = match (limits.crossed(seen), run.beyond) {
        (Some((limit, side)), Some(Beyond { since, times })) => {
            let lasted = at.duration_since(since.unwrap_or(at)).unsigned_abs();
            let tail = if times == 1 { String::new() } else { format!(", {times} looks in a row") };
            let message = format!("the value is {shown}, {side} the limit of {}{beside}{tail}", worded(limit));
            let reason = if side == "above" { reason::ABOVE_LIMIT } else { reason::BELOW_LIMIT };
            if lasted >= limits.lasting && times > limits.tolerated {
                (Verdict::Fail, reason, message)
            } else {
                let patience = tidegate_api::Span::from(limits.lasting);
                let message = format!(
                    "{message}; it fails after more than {} in a row that last {patience} or longer",
                    limits.tolerated
                );
                (Verdict::NeedMoreData, reason, message)
            }
        }
        _ => (Verdict::Pass, reason::WITHIN_LIMIT, format!("the value is {shown}, allowed {}{beside}", limits.text())),
    };
    Judgement {
        verdict,
        value: Some(shown),
        limit: Some(limits.text()),
        stable: seen.stable.map(worded),
        warning: run.warns,
        ..Judgement::no_data(reason, message)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn verdict(limits: &ValueLimits, values: &[(i64, f64)]) -> Verdict {
        let mut run = Run::default();
        for (second, value) in values {
            run.observe(limits, Timestamp::from_second(*second).unwrap(), Reading { value: *value, stable: None });
        }
        judge_values(limits, &run).verdict
    }

    #[test]
    fn a_value_within_its_limits_passes_and_none_does_not() {
        let limits = ValueLimits { max: Some(0.85), min: Some(0.1), ..Default::default() };
        assert_eq!(verdict(&limits, &[(0, 0.85)]), Verdict::Pass);
        assert_eq!(verdict(&limits, &[(0, 0.1)]), Verdict::Pass);
        assert_eq!(verdict(&limits, &[]), Verdict::NeedMoreData);
    }

    #[test]
    fn a_value_beyond_a_limit_fails_at_once_unless_told_otherwise() {
        let limits = ValueLimits { max: Some(0.85), min: Some(0.1), ..Default::default() };
        assert_eq!(verdict(&limits, &[(0, 0.86)]), Verdict::Fail);
        assert_eq!(verdict(&limits, &[(0, 0.05)]), Verdict::Fail);
    }

    #[test]
    fn a_failure_limit_counts_looks_in_a_row() {
        let limits = ValueLimits { max: Some(1.0), tolerated: 2, ..Default::default() };
        assert_eq!(verdict(&limits, &[(0, 2.0), (10, 2.0)]), Verdict::NeedMoreData);
        assert_eq!(verdict(&limits, &[(0, 2.0), (10, 2.0), (20, 2.0)]), Verdict::Fail);
        assert_eq!(verdict(&limits, &[(0, 2.0), (10, 2.0), (20, 0.0), (30, 2.0)]), Verdict::NeedMoreData);
    }

    #[test]
    fn for_is_how_long_the_value_stays_beyond() {
        let limits = ValueLimits { max: Some(1.0), lasting: Duration::from_mins(5), ..Default::default() };
        assert_eq!(verdict(&limits, &[(0, 2.0), (299, 2.0)]), Verdict::NeedMoreData);
        assert_eq!(verdict(&limits, &[(0, 2.0), (300, 2.0)]), Verdict::Fail);
    }

    #[test]
    fn for_is_counted_anew_where_an_answer_was_no_number_and_looks_are_not() {
        let limits =
            ValueLimits { max: Some(1.0), lasting: Duration::from_mins(5), tolerated: 2, ..Default::default() };
        let mut run = Run::default();
        let mut look = |second: i64, value: Option<f64>| {
            match value {
                Some(value) => {
                    run.observe(&limits, Timestamp::from_second(second).unwrap(), Reading { value, stable: None });
                }
                None => run.observe_none(),
            }
            judge_values(&limits, &run).verdict
        };
        let beyond = Some(2.0);
        assert_eq!([look(0, beyond), look(60, None), look(540, beyond)], [Verdict::NeedMoreData; 3]);
        assert_eq!([look(700, beyond), look(840, beyond)], [Verdict::NeedMoreData, Verdict::Fail]);
    }

    #[test]
    fn a_warning_is_on_the_side_of_the_limit() {
        let warns = |limits: ValueLimits, value| {
            let mut run = Run::default();
            run.observe(&limits, Timestamp::UNIX_EPOCH, Reading { value, stable: None });
            judge_values(&limits, &run).warning
        };
        let above = ValueLimits { max: Some(0.9), warn: Some(0.7), ..Default::default() };
        assert!(warns(above, 0.8) && !warns(above, 0.6));
        let below = ValueLimits { min: Some(10.0), warn: Some(20.0), ..Default::default() };
        assert!(warns(below, 15.0) && !warns(below, 25.0));
    }

    #[test]
    fn a_value_between_two_looks_warns_once() {
        let limits = ValueLimits { warn: Some(0.7), ..Default::default() };
        let mut run = Run::default();
        let mut see = |second: i64, value: f64| {
            run.observe(&limits, Timestamp::from_second(second).unwrap(), Reading { value, stable: None });
            let warns = judge_values(&limits, &run).warning;
            if value < 0.7 {
                run.look_anew();
            }
            warns
        };
        assert_eq!([see(0, 0.8), see(10, 0.6), see(20, 0.6)], [true, true, false]);
    }

    #[test]
    fn a_value_may_be_so_many_times_that_of_stable_and_a_margin() {
        let relative = QueryRelative { max: Some(1.2), min: Some(0.8), margin: Some(5.0) };
        let limits = ValueLimits { relative: Some(relative), ..Default::default() };
        let judged = |value| {
            let mut run = Run::default();
            run.observe(&limits, Timestamp::UNIX_EPOCH, Reading { value, stable: Some(100.0) });
            judge_values(&limits, &run)
        };
        assert_eq!([74.0, 75.0, 125.0, 126.0].map(|value| judged(value).verdict), {
            [Verdict::Fail, Verdict::Pass, Verdict::Pass, Verdict::Fail]
        });
        assert_eq!(judged(126.0).message, "the value is 126, above the limit of 125, stable at 100");
        assert_eq!(judged(100.0).limit.as_deref(), Some("0.8 × stable - 5 to 1.2 × stable + 5"));
    }
}
