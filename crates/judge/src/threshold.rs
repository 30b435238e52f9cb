//! The plain share of bad requests against its limit, as other tools judge.

use tidegate_api::{Verdict, verdict::reason};

use super::{
    block::Counts,
    evidence::Evidence,
    question::Tolerance,
    verdict::{Asked, Judgement, why_in_doubt},
    wording::{Sentence, count},
};

/// How many requests of the canary a pass needs at least.
pub const ENOUGH: f64 = 100.0;

/// How many bad requests it takes to fail a revision before it has had [`ENOUGH`] requests.
const CATASTROPHE: f64 = 3.0;

/// Holds what was counted in this stage against the limits of a check. Near a limit chance decides.
///
/// A pass goes by settled blocks alone and by every request that may have been bad; a failure may go by the newest
/// samples too, and by requests that were certainly bad.
#[must_use]
pub fn judge_plainly(asked: &Asked<'_>) -> Judgement {
    let answers = asked.deciding().map(|(tolerance, evidence)| plainly(tolerance, evidence));
    let rank = |verdict: Verdict| match verdict {
        Verdict::Fail => 0,
        Verdict::NoData => 1,
        Verdict::NeedMoreData => 2,
        Verdict::Pass => 3,
    };
    let decided = answers.min_by_key(|judgement| rank(judgement.verdict));
    let warning = asked.warn.as_ref().map(|(tolerance, evidence)| plainly(tolerance, evidence));
    let is_warning = warning.as_ref().is_some_and(|judgement| judgement.verdict == Verdict::Fail);
    match (decided, warning) {
        (Some(judgement), _) => Judgement { warning: is_warning, ..judgement },
        (None, Some(warning)) if is_warning => Judgement { verdict: Verdict::Pass, warning: true, ..warning },
        (None, Some(warning)) => warning,
        (None, None) => Judgement::no_data(reason::NO_LIMIT, "the check has no limit"),
    }
}

fn plainly(tolerance: &Tolerance, evidence: &Evidence) -> Judgement {
    let (settled, settled_stable) = evidence.settled_counts();
    let (all, stable) = evidence.all_counts();
    let limit =
        |stable: Counts| tolerance.boundary.limit(if stable.total > 0.0 { stable.bad / stable.total } else { 0.0 });
    let (share, at_most) = (limit(settled_stable), settled.at_most());
    let exceeded = exceeds(settled, share).then_some(settled).or(exceeds(all, limit(stable)).then_some(all));
    let (verdict, reason, counts) = if let Some(counts) = exceeded {
        (Verdict::Fail, reason::ABOVE_LIMIT, counts)
    } else if at_most.total < ENOUGH {
        (
            Verdict::NeedMoreData,
            if all.at_most().total > 0.0 { reason::TOO_FEW_REQUESTS } else { reason::NO_REQUESTS },
            all,
        )
    } else if at_most.bad > share * at_most.total {
        let is_above = settled.bad > share * settled.total;
        let reason = if is_above { reason::ABOVE_LIMIT } else { why_in_doubt(settled) };
        (Verdict::NeedMoreData, reason, settled)
    } else {
        (Verdict::Pass, reason::WITHIN_LIMIT, settled)
    };
    let sentence = Sentence { tolerance, canary: counts, stable, overdispersion: evidence.overdispersion() };
    let needs = format!("at least {} settled requests are needed", count(ENOUGH));
    let (more, message) = match reason {
        reason::NO_REQUESTS => (Some(ENOUGH), format!("no requests yet, {needs}")),
        reason::TOO_FEW_REQUESTS => (Some(ENOUGH - at_most.total), format!("{sentence}, {needs}")),
        _ => (None, sentence.to_string()),
    };
    Judgement { more_requests: more, ..Judgement::new(verdict, reason, &sentence, message) }
}

/// So many bad requests that the share is exceeded, or would be after [`ENOUGH`] requests if all others were good.
fn exceeds(counts: Counts, share: f64) -> bool {
    counts.bad > share * counts.total.max(ENOUGH) && (counts.total >= ENOUGH || counts.bad >= CATASTROPHE)
}
