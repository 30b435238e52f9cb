//! What the evidence means.

use jiff::Timestamp;

use super::{
    block::Counts,
    evidence::Evidence,
    question::{Subject, Tolerance},
    wording::{count, exact_percent, percent},
};
use crate::api::{CheckStatus, Verdict};

/// How many requests of the canary a pass needs at least.
pub const ENOUGH: f64 = 100.0;

/// How many bad requests it takes to fail a revision before it has had [`ENOUGH`] requests.
const CATASTROPHE: f64 = 3.0;

/// What a tolerance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Above it the revision fails.
    Decides,
    /// Above it somebody is told.
    Warns,
}

/// An answer with the numbers that it stands on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// The measured value, in the form of the limit.
    pub value: Option<String>,
    /// The limit.
    pub limit: Option<String>,
    /// The value of the stable version over the same time.
    pub stable: Option<String>,
    /// How many requests of the canary the value stands on.
    pub sample: Option<i64>,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in one sentence.
    pub message: String,
    /// The value is beyond the limit that warns.
    pub warning: bool,
}

impl Judgement {
    /// There are no numbers, or none that can be trusted.
    #[must_use]
    pub fn no_data(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::NoData,
            value: None,
            limit: None,
            stable: None,
            sample: None,
            reason,
            message: message.into(),
            warning: false,
        }
    }

    /// As it stands in the status; `at` is the instant up to which numbers were read.
    #[must_use]
    pub fn into_status(self, name: &str, at: Option<Timestamp>) -> CheckStatus {
        CheckStatus {
            name: name.to_owned(),
            verdict: self.verdict,
            value: self.value,
            limit: self.limit,
            stable: self.stable,
            sample: self.sample,
            at,
            reason: self.reason.to_owned(),
            message: self.message,
            warning: self.warning,
        }
    }
}

/// Holds `evidence` against `tolerance`.
///
/// A pass goes by settled blocks alone and by every request that may have been bad; a failure may go by the newest
/// samples too, and by requests that were certainly bad. A tolerance that only warns never fails.
#[must_use]
pub fn judge(tolerance: &Tolerance, role: Role, evidence: &Evidence) -> Judgement {
    let (settled, _) = evidence.settled_counts();
    let (all, stable) = evidence.all_counts();
    let share = tolerance.share;
    let exceeded = exceeds(settled, share).then_some(settled).or(exceeds(all, share).then_some(all));
    let (verdict, reason, counts) = if let Some(counts) = exceeded {
        let verdict = if role == Role::Decides { Verdict::Fail } else { Verdict::Pass };
        (verdict, "AboveLimit", counts)
    } else if settled.total < ENOUGH {
        (Verdict::NeedMoreData, if all.total > 0.0 { "TooFewRequests" } else { "NoRequests" }, all)
    } else if settled.bad_at_most > share * settled.total {
        let reason = if settled.bad > share * settled.total { "AboveLimit" } else { "LimitBetweenBuckets" };
        (Verdict::NeedMoreData, reason, settled)
    } else {
        (Verdict::Pass, "WithinLimit", settled)
    };
    Judgement {
        verdict,
        value: (counts.total > 0.0).then(|| percent(counts.bad / counts.total)),
        limit: Some(exact_percent(share)),
        stable: (stable.total > 0.0).then(|| percent(stable.bad / stable.total)),
        sample: Some(whole(counts.total)),
        reason,
        message: sentence(tolerance, reason, counts, stable),
        warning: role == Role::Warns && exceeded.is_some(),
    }
}

/// So many bad requests that the share is exceeded, or would be after [`ENOUGH`] requests if all others were good.
fn exceeds(counts: Counts, share: f64) -> bool {
    counts.bad > share * counts.total.max(ENOUGH) && (counts.total >= ENOUGH || counts.bad >= CATASTROPHE)
}

/// A count of requests as a whole number; counts beyond 2⁵³ do not occur.
#[allow(clippy::cast_possible_truncation)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

fn sentence(tolerance: &Tolerance, reason: &str, counts: Counts, stable: Counts) -> String {
    if counts.total <= 0.0 {
        return format!("no requests yet, at least {} are needed", count(ENOUGH));
    }
    let (bad, total) = (percent(counts.bad / counts.total), count(counts.total));
    let allowed = exact_percent(tolerance.share);
    let mut text = match tolerance.subject {
        Subject::Failed => format!("errors at {bad} of {total} requests, allowed {allowed}"),
        Subject::SlowerThan(limit, quantile) => {
            format!("{bad} of {total} requests took longer than {limit}, allowed {allowed} ({quantile})")
        }
    };
    if stable.total > 0.0 {
        text += &format!(", stable at {}", percent(stable.bad / stable.total));
    }
    if reason == "TooFewRequests" {
        text += &format!("; at least {} settled requests are needed", count(ENOUGH));
    }
    if counts.bad_at_most > counts.bad {
        let at_most = percent(counts.bad_at_most / counts.total);
        text += &format!("; the limit lies between two histogram buckets, so it may be up to {at_most}");
    }
    text
}
