//! What the evidence of all checks means together.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_api::{CheckStatus, Verdict, verdict::reason};

use super::{
    alternatives::log_mean_exp,
    block::Counts,
    error_rates::ErrorRates,
    evidence::Evidence,
    question::Tolerance,
    sample_size::{SampleSize, sample_size},
    wording::{Sentence, about, about_time, certainty, count},
};

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
    /// Where the true value lies, as far as can be said from so many requests.
    pub range: Option<String>,
    /// How many requests of the canary the value stands on.
    pub sample: Option<i64>,
    /// How many more requests it is expected to take until the check passes.
    pub more_requests: Option<f64>,
    /// How long that is at the traffic at hand.
    pub more_time: Option<Duration>,
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
            range: None,
            sample: None,
            more_requests: None,
            more_time: None,
            reason,
            message: message.into(),
            warning: false,
        }
    }

    /// With the numbers of `sentence`.
    pub(super) fn new(verdict: Verdict, reason: &'static str, sentence: &Sentence<'_>, message: String) -> Self {
        Self {
            value: sentence.value(),
            limit: Some(sentence.limit()),
            stable: sentence.stable_value(),
            range: sentence.range(),
            sample: Some(whole(sentence.canary.total)),
            verdict,
            ..Self::no_data(reason, message)
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
            range: self.range,
            sample: self.sample,
            more_requests: self.more_requests.map(|requests| whole(requests.ceil())),
            more_time: self.more_time.map(about_time),
            at,
            reason: self.reason.to_owned(),
            message: self.message,
            warning: self.warning,
        }
    }
}

/// What a check holds a version against, and what has been seen for each of its limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked<'a> {
    /// The fixed limit.
    pub max: Option<(Tolerance, &'a Evidence)>,
    /// The comparison with the stable version.
    pub relative: Option<(Tolerance, &'a Evidence)>,
    /// The limit that only warns.
    pub warn: Option<(Tolerance, &'a Evidence)>,
}

impl<'a> Asked<'a> {
    /// What decides: all of it has to pass, and any of it fails the version.
    pub(super) fn deciding(&self) -> impl Iterator<Item = &(Tolerance, &'a Evidence)> {
        self.max.iter().chain(&self.relative)
    }
}

/// Judges all checks of a stage together.
///
/// The version fails if the mean of all evidence against it is worth 1/α: a mean of bets is a bet again, however the
/// checks depend on each other. It passes a check if each limit of it has evidence of 1/β in favour; that all have to
/// pass needs no correction. What is left needs more data.
/// (Vovk and Wang, <https://arxiv.org/abs/1912.06116>.)
#[must_use]
pub fn judge(checks: &[Asked<'_>], rates: &ErrorRates) -> Vec<Judgement> {
    let culprits = culprits(checks, rates);
    let judged = checks.iter().enumerate().map(|(place, asked)| {
        let warning = asked.warn.as_ref().filter(|(_, evidence)| is_beyond(evidence, rates));
        let culprit = culprits.iter().find(|culprit| culprit.check == place);
        let judgement = match (culprit, &asked.warn) {
            (Some(culprit), _) => failed(culprit),
            (None, Some((tolerance, evidence))) if asked.deciding().next().is_none() => {
                only_warning(tolerance, evidence, warning.is_some())
            }
            _ => undecided_or_passed(asked, rates),
        };
        Judgement { warning: warning.is_some(), ..judgement }
    });
    judged.collect()
}

/// A limit that a version broke.
#[derive(Debug, Clone, Copy)]
struct Culprit<'a> {
    check: usize,
    tolerance: &'a Tolerance,
    evidence: &'a Evidence,
    against: f64,
}

/// The limits that the version broke, if all evidence together says that it broke any: those that Holm's procedure
/// names, and the one with the most evidence in any case.
fn culprits<'a>(checks: &'a [Asked<'a>], rates: &ErrorRates) -> Vec<Culprit<'a>> {
    let mut all: Vec<_> = checks
        .iter()
        .enumerate()
        .flat_map(|(check, asked)| {
            asked.deciding().map(move |(tolerance, evidence)| Culprit {
                check,
                tolerance,
                evidence,
                against: evidence.against(),
            })
        })
        .collect();
    let worth: Vec<_> = all.iter().map(|one| one.against).collect();
    if log_mean_exp(&worth) < rates.to_fail() {
        return Vec::new();
    }
    all.sort_by(|one, other| other.against.total_cmp(&one.against));
    let count = all.len();
    let broken = all.iter().enumerate().take_while(|(place, one)| {
        let left = (count - place) as f64;
        *place == 0 || one.against >= rates.to_fail() + left.ln()
    });
    let named = broken.count();
    all.truncate(named);
    all.retain(|one| one.evidence.can_fail());
    all
}

fn is_beyond(evidence: &Evidence, rates: &ErrorRates) -> bool {
    evidence.can_fail() && evidence.against() >= rates.to_fail()
}

fn failed(culprit: &Culprit<'_>) -> Judgement {
    let (since, canary, stable) = culprit.evidence.since_worse();
    let sentence =
        Sentence { tolerance: culprit.tolerance, canary, stable, overdispersion: culprit.evidence.overdispersion() };
    let earlier = culprit.evidence.all_counts().0.total > canary.total;
    let since = since.filter(|_| earlier).map_or(String::new(), after);
    let message = format!("{since}{sentence}; certain beyond {}", certainty(culprit.against));
    Judgement::new(Verdict::Fail, reason::ABOVE_LIMIT, &sentence, message)
}

fn only_warning(tolerance: &Tolerance, evidence: &Evidence, warns: bool) -> Judgement {
    let (canary, stable) = evidence.all_counts();
    let sentence = Sentence { tolerance, canary, stable, overdispersion: evidence.overdispersion() };
    let reason = if warns { reason::ABOVE_LIMIT } else { reason::WITHIN_LIMIT };
    Judgement::new(Verdict::Pass, reason, &sentence, sentence.to_string())
}

/// Of several limits, the one that is farthest from passing.
fn undecided_or_passed(asked: &Asked<'_>, rates: &ErrorRates) -> Judgement {
    let judged = asked.deciding().map(|(tolerance, evidence)| weigh(tolerance, evidence, rates));
    let rank = |judgement: &Judgement| match (judgement.verdict, judgement.more_requests) {
        (Verdict::Pass, _) => 0.0,
        (Verdict::NeedMoreData, Some(requests)) => requests.max(1.0),
        _ => f64::INFINITY,
    };
    let worst = judged.max_by(|one, other| rank(one).total_cmp(&rank(other)));
    worst.unwrap_or_else(|| Judgement::no_data(reason::NO_LIMIT, "the check has no limit"))
}

fn weigh(tolerance: &Tolerance, evidence: &Evidence, rates: &ErrorRates) -> Judgement {
    let (canary, stable) = evidence.all_counts();
    let sentence = Sentence { tolerance, canary, stable, overdispersion: evidence.overdispersion() };
    if evidence.in_favour() >= rates.to_pass() && evidence.blocks_to_pass() == 0 {
        return passed(tolerance, evidence);
    }
    let sample_size = sample_size(evidence, rates);
    let (reason, sentence_of_counts) = match (canary.at_most().total > 0.0, sample_size) {
        (false, _) => (reason::NO_REQUESTS, "no requests yet".to_owned()),
        _ if evidence.is_overdispersed() => (reason::OVERDISPERSED, sentence.to_string()),
        (true, Some(_)) => (reason::TOO_FEW_REQUESTS, sentence.to_string()),
        (true, None) if canary.at_most().bad > canary.bad => (why_in_doubt(canary), sentence.to_string()),
        (true, None) => (reason::TOO_CLOSE_TO_LIMIT, sentence.to_string()),
    };
    let message =
        format!("{sentence_of_counts}; {}{}", needs(sample_size.as_ref()), advice(tolerance, evidence, rates));
    Judgement {
        more_requests: sample_size.map(|sample_size| sample_size.requests),
        more_time: sample_size.and_then(|sample_size| sample_size.time),
        ..Judgement::new(Verdict::NeedMoreData, reason, &sentence, message)
    }
}

/// Why more requests may have been bad than certainly were: the larger part says it.
pub(super) fn why_in_doubt(counts: Counts) -> &'static str {
    let is_unseen = counts.unseen > counts.bad_at_most - counts.bad;
    if is_unseen { reason::NOT_IN_HISTOGRAM } else { reason::LIMIT_BETWEEN_BUCKETS }
}

/// With the requests of the whole stage; where those are beyond the limit, with those since the version became good.
fn passed(tolerance: &Tolerance, evidence: &Evidence) -> Judgement {
    let (whole, beside) = evidence.settled_counts();
    let (since, canary, stable) =
        if began_badly(tolerance, evidence) { evidence.since_good() } else { (None, whole, beside) };
    let sentence = Sentence { tolerance, canary, stable, overdispersion: evidence.overdispersion() };
    let since = since.map_or(String::new(), after);
    let message = format!("{since}{sentence}; certain beyond {}", certainty(evidence.in_favour()));
    Judgement::new(Verdict::Pass, reason::WITHIN_LIMIT, &sentence, message)
}

/// Whether the part of the whole stage's requests that may have been bad is beyond the limit.
fn began_badly(tolerance: &Tolerance, evidence: &Evidence) -> bool {
    let share = |counts: Counts| {
        let at_most = counts.at_most();
        (at_most.total > 0.0).then(|| at_most.bad / at_most.total)
    };
    let (whole, stable) = evidence.settled_counts();
    let limit = tolerance.boundary.limit(share(stable).unwrap_or(evidence.expected_of_stable()));
    share(whole).is_some_and(|share| share > limit)
}

/// A stage that began badly and went on well looks like one whose pods had to warm up.
fn advice(tolerance: &Tolerance, evidence: &Evidence, rates: &ErrorRates) -> String {
    if evidence.is_overdispersed() {
        format!(
            "; about {} requests go bad together, so it takes that many times as long: check what the metric counts, or set \
             analysis.statistics.overdispersion",
            count(evidence.overdispersion())
        )
    } else if evidence.became_good(rates.to_pass()) && began_badly(tolerance, evidence) {
        "; it was worse before: if its pods had to warm up, set analysis.warmUp".to_owned()
    } else {
        String::new()
    }
}

fn needs(sample_size: Option<&SampleSize>) -> String {
    let Some(sample_size) = sample_size else {
        return "too close to the limit to say that it is kept, however many more come like these".to_owned();
    };
    let requests = about(sample_size.requests);
    let time = sample_size.time.map_or(String::new(), |time| format!(", {} at the traffic at hand", about_time(time)));
    format!("about {requests} more needed{time}")
}

/// Since when that was counted which follows.
fn after(since: Timestamp) -> String {
    format!("since {}: ", Timestamp::from_second(since.as_second()).unwrap_or(since))
}

/// A count of requests as a whole number; counts beyond 2⁵³ do not occur.
#[allow(clippy::cast_possible_truncation)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}
