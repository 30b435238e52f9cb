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
    let mut parts = vec![match tolerance.subject {
        Subject::Failed => format!("{bad} of {total} requests failed, allowed {allowed}"),
        Subject::SlowerThan(limit, quantile) => {
            format!("{bad} of {total} requests took longer than {limit}, allowed {allowed} ({quantile})")
        }
    }];
    if stable.total > 0.0 {
        parts.push(format!("stable at {}", percent(stable.bad / stable.total)));
    }
    if reason == "TooFewRequests" {
        parts.push(format!("at least {} settled requests are needed", count(ENOUGH)));
    }
    if counts.bad_at_most > counts.bad {
        let at_most = percent(counts.bad_at_most / counts.total);
        parts.push(format!("up to {at_most} as the limit lies between two histogram buckets"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Quantile, Span},
        judge::Block,
    };

    const HALF_A_PERCENT: Tolerance = Tolerance { subject: Subject::Failed, share: 0.005 };

    fn block(second: i64, canary: Counts, stable: Counts) -> Block {
        let [start, end] = [second, second + 1].map(|at| Timestamp::from_second(at).unwrap());
        Block { start, end, canary, stable }
    }

    fn evidence(settled: Counts, provisional: Counts) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.settle(block(0, settled, Counts::exact(1.0, 1000.0)));
        evidence.set_provisional(Some(block(1, provisional, Counts::default())));
        evidence
    }

    fn answer(settled: Counts, provisional: Counts) -> (Verdict, &'static str) {
        let judgement = judge(&HALF_A_PERCENT, Role::Decides, &evidence(settled, provisional));
        (judgement.verdict, judgement.reason)
    }

    const NOTHING: Counts = Counts { bad: 0.0, bad_at_most: 0.0, total: 0.0 };

    #[test]
    fn no_requests_never_pass() {
        assert_eq!(answer(NOTHING, NOTHING), (Verdict::NeedMoreData, "NoRequests"));
    }

    #[test]
    fn a_pass_needs_a_hundred_settled_requests() {
        assert_eq!(
            answer(Counts::exact(0.0, 99.0), Counts::exact(0.0, 1000.0)),
            (Verdict::NeedMoreData, "TooFewRequests")
        );
        assert_eq!(answer(Counts::exact(0.0, 100.0), NOTHING), (Verdict::Pass, "WithinLimit"));
    }

    #[test]
    fn a_share_at_its_limit_passes_and_above_it_fails() {
        assert_eq!(answer(Counts::exact(1.0, 200.0), NOTHING), (Verdict::Pass, "WithinLimit"));
        assert_eq!(answer(Counts::exact(2.0, 200.0), NOTHING), (Verdict::Fail, "AboveLimit"));
    }

    #[test]
    fn the_newest_samples_alone_can_fail_a_revision() {
        assert_eq!(answer(Counts::exact(0.0, 1000.0), Counts::exact(20.0, 100.0)), (Verdict::Fail, "AboveLimit"));
    }

    #[test]
    fn new_good_requests_do_not_hide_a_settled_failure() {
        assert_eq!(answer(Counts::exact(6.0, 1000.0), Counts::exact(0.0, 9000.0)), (Verdict::Fail, "AboveLimit"));
    }

    #[test]
    fn a_catastrophe_is_not_waited_for_but_a_single_error_is_no_catastrophe() {
        assert_eq!(answer(NOTHING, Counts::exact(3.0, 5.0)), (Verdict::Fail, "AboveLimit"));
        assert_eq!(answer(NOTHING, Counts::exact(2.0, 5.0)).0, Verdict::NeedMoreData);
        let five_percent = Tolerance { share: 0.05, ..HALF_A_PERCENT };
        let few = judge(&five_percent, Role::Decides, &evidence(NOTHING, Counts::exact(5.0, 20.0)));
        assert_eq!(few.verdict, Verdict::NeedMoreData, "the next 80 requests may be good");
    }

    #[test]
    fn a_limit_between_two_buckets_fails_on_certainty_and_passes_on_certainty() {
        assert_eq!(
            answer(Counts { bad: 0.0, bad_at_most: 50.0, total: 200.0 }, NOTHING),
            (Verdict::NeedMoreData, "LimitBetweenBuckets")
        );
        assert_eq!(answer(Counts { bad: 20.0, bad_at_most: 50.0, total: 200.0 }, NOTHING).0, Verdict::Fail);
        assert_eq!(answer(Counts { bad: 0.0, bad_at_most: 1.0, total: 200.0 }, NOTHING).0, Verdict::Pass);
    }

    #[test]
    fn a_limit_that_only_warns_never_fails() {
        let judgement = judge(&HALF_A_PERCENT, Role::Warns, &evidence(Counts::exact(20.0, 200.0), NOTHING));
        assert_eq!((judgement.verdict, judgement.warning), (Verdict::Pass, true));
    }

    #[test]
    fn the_sentence_is_understood_without_statistics() {
        let failed = judge(&HALF_A_PERCENT, Role::Decides, &evidence(Counts::exact(91.0, 1240.0), NOTHING));
        assert_eq!(failed.message, "7.3% of 1,240 requests failed, allowed 0.5%, stable at 0.1%");
        assert_eq!(
            (failed.value.as_deref(), failed.limit.as_deref(), failed.sample),
            (Some("7.3%"), Some("0.5%"), Some(1240))
        );
        let subject = Subject::SlowerThan("500ms".parse::<Span>().unwrap(), Quantile::new(0.95).unwrap());
        let slow = Tolerance { subject, share: 0.05 };
        let counts = Counts { bad: 1.0, bad_at_most: 20.0, total: 100.0 };
        assert_eq!(
            judge(&slow, Role::Decides, &evidence(counts, NOTHING)).message,
            "1% of 100 requests took longer than 500ms, allowed 5% (p95), stable at 0.1%, \
             up to 20% as the limit lies between two histogram buckets"
        );
    }
}
