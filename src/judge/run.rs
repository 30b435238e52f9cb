//! Values of a query over time: how long, and how often in a row, they were beyond a limit.

use jiff::Timestamp;

use super::{question::ValueLimits, verdict::Judgement, wording::value as worded};
use crate::api::Verdict;

/// The newest value of a query, and the unbroken run of values beyond the limit that it ends.
///
/// A look that brought no value neither ends a run nor adds to it: a Prometheus that flaps must not hide a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Run {
    newest: Option<(Timestamp, f64)>,
    beyond: Option<(Timestamp, u32)>,
}

impl Run {
    /// Adds what the query yielded at `at`, which is later than everything before.
    pub fn observe(&mut self, limits: &ValueLimits, at: Timestamp, value: f64) {
        self.newest = Some((at, value));
        self.beyond = match (limits.crossed(value), self.beyond) {
            (None, _) => None,
            (Some(_), None) => Some((at, 1)),
            (Some(_), Some((since, times))) => Some((since, times.saturating_add(1))),
        };
    }

    /// When the query last yielded a value.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.newest.map(|(at, _)| at)
    }
}

impl ValueLimits {
    /// The limit that `value` is beyond, with the word for where it is.
    fn crossed(&self, value: f64) -> Option<(f64, &'static str)> {
        let above = self.max.filter(|max| value > *max).map(|max| (max, "above"));
        above.or(self.min.filter(|min| value < *min).map(|min| (min, "below")))
    }

    fn warns(&self, value: f64) -> bool {
        self.warn.is_some_and(|warn| if self.min.is_some() { value < warn } else { value > warn })
    }

    fn text(&self) -> String {
        match (self.min, self.max, self.warn) {
            (Some(min), Some(max), _) => format!("{min} to {max}"),
            (Some(limit), None, _) | (None, Some(limit), _) | (None, None, Some(limit)) => limit.to_string(),
            (None, None, None) => String::new(),
        }
    }
}

/// Holds the values of a query against their limits.
#[must_use]
pub fn judge_values(limits: &ValueLimits, run: &Run) -> Judgement {
    let Some((at, value)) = run.newest else {
        return Judgement {
            verdict: Verdict::NeedMoreData,
            limit: Some(limits.text()),
            ..Judgement::no_data("NotAskedYet", "the query is asked for the first time one interval into the stage")
        };
    };
    let shown = worded(value);
    let (verdict, reason, message) = match (limits.crossed(value), run.beyond) {
        (Some((limit, side)), Some((since, times))) => {
            let lasted = at.duration_since(since).unsigned_abs();
            let tail = if times == 1 { String::new() } else { format!(", {times} looks in a row") };
            let message = format!("the value is {shown}, {side} the limit of {limit}{tail}");
            let reason = if side == "above" { "AboveLimit" } else { "BelowLimit" };
            if lasted >= limits.lasting && times > limits.tolerated {
                (Verdict::Fail, reason, message)
            } else {
                let patience = crate::api::Span::from(limits.lasting);
                let message = format!(
                    "{message}; it fails after more than {} in a row that last {patience} or longer",
                    limits.tolerated
                );
                (Verdict::NeedMoreData, reason, message)
            }
        }
        _ => (Verdict::Pass, "WithinLimit", format!("the value is {shown}, allowed {}", limits.text())),
    };
    Judgement {
        verdict,
        value: Some(shown),
        limit: Some(limits.text()),
        stable: None,
        sample: None,
        reason,
        message,
        warning: limits.warns(value),
    }
}
