//! Verdicts over several checks, and what people are told.

use jiff::Timestamp;
use tidegate_api::{Analysis, Quantile, Span, Verdict};

use crate::{Asked, Baseline, Block, Boundary, Counts, ErrorRates, Evidence, Indicator, Judgement, Tolerance, judge};

const NOTHING: Counts = Counts { bad: 0.0, bad_at_most: 0.0, total: 0.0, unseen: 0.0 };
const HALF_A_PERCENT: Tolerance =
    Tolerance { subject: Indicator::Failed, boundary: Boundary { ratio: 0.0, margin: 0.005 } };

fn rates() -> ErrorRates {
    let analysis: Analysis = serde_json::from_value(serde_json::json!({"checks": []})).unwrap();
    ErrorRates::of(&analysis, false)
}

/// Blocks of ten seconds, each with these counts.
fn evidence(tolerance: &Tolerance, blocks: &[(Counts, Counts)]) -> Evidence {
    let mut evidence = Evidence::new(tolerance.boundary, &Baseline::of(&[]).with_overdispersion(Some(1.0)));
    for (place, (canary, stable)) in (0i64..).zip(blocks) {
        let [start, end] = [10 * place, 10 * place + 10].map(|at| Timestamp::from_second(at).unwrap());
        evidence.settle(&Block { start, end, canary: *canary, stable: *stable });
    }
    evidence
}

fn counts(bad: f64, total: f64) -> (Counts, Counts) {
    (Counts::exact(bad, total), NOTHING)
}

fn judged(tolerance: Tolerance, blocks: &[(Counts, Counts)]) -> Judgement {
    let evidence = evidence(&tolerance, blocks);
    let mut judgements = judge(&[Asked { max: Some((tolerance, &evidence)), ..Asked::default() }], &rates());
    judgements.remove(0)
}

fn verdicts(evidence: &[&Evidence]) -> Vec<Verdict> {
    let asked = evidence.iter().map(|evidence| Asked { max: Some((HALF_A_PERCENT, *evidence)), ..Asked::default() });
    let judgements = judge(&asked.collect::<Vec<_>>(), &rates());
    judgements.into_iter().map(|judgement| judgement.verdict).collect()
}

#[test]
fn a_version_without_errors_passes_after_about_four_errors_that_did_not_come() {
    assert_eq!(judged(HALF_A_PERCENT, &[counts(0.0, 270.0); 3]).verdict, Verdict::NeedMoreData);
    let passed = judged(HALF_A_PERCENT, &[counts(0.0, 285.0); 3]);
    assert_eq!(passed.verdict, Verdict::Pass);
    assert_eq!(passed.message, "0% of 855 requests failed, allowed 0.5%; certain beyond 95%");
    assert_eq!(passed.range.as_deref(), Some("0% to 0.81%"));
}

#[test]
fn a_pass_forgets_a_bad_beginning_and_says_since_when_the_version_is_good() {
    // A little beyond the limit: not enough for a failure.
    let bad = [counts(3.6, 600.0); 30];
    let until = |good: usize| judged(HALF_A_PERCENT, &[&bad[..], &vec![counts(0.0, 600.0); good]].concat());
    assert_eq!(until(1).verdict, Verdict::NeedMoreData);
    let needed = (2..30).find(|good| until(*good).verdict == Verdict::Pass);
    assert_eq!(needed, Some(4), "of which each is worth three errors that did not come");
    assert_eq!(
        until(4).message,
        "since 1970-01-01T00:05:00Z: 0% of 2,400 requests failed, allowed 0.5%; certain beyond 99%"
    );
}

#[test]
fn a_pass_needs_three_blocks_however_much_is_in_them() {
    assert_eq!(judged(HALF_A_PERCENT, &[counts(0.0, 100_000.0); 2]).verdict, Verdict::NeedMoreData);
    assert_eq!(judged(HALF_A_PERCENT, &[counts(0.0, 100_000.0); 3]).verdict, Verdict::Pass);
}

#[test]
fn a_failure_is_told_with_its_numbers_and_its_certainty() {
    let failed = judged(HALF_A_PERCENT, &[counts(0.0, 100.0), counts(9.0, 100.0)]);
    assert_eq!((failed.verdict, failed.reason), (Verdict::Fail, "AboveLimit"));
    assert_eq!(
        failed.message,
        "since 1970-01-01T00:00:10Z: 9% of 100 requests failed, allowed 0.5%; certain beyond 99.99%"
    );
    let subject = Indicator::SlowerThan("500ms".parse::<Span>().unwrap(), Quantile::new(0.95).unwrap());
    let slow = Tolerance { subject, boundary: Boundary::fixed(0.05) };
    let failed = judged(slow, &[counts(50.0, 400.0), counts(50.0, 400.0)]);
    assert_eq!(
        failed.message,
        "12.5% of 800 requests took longer than 500ms, allowed 5% (p95); certain beyond 99.9999%"
    );
}

#[test]
fn a_version_that_was_good_for_long_and_turns_bad_is_failed_by_what_came_since() {
    let mut blocks = vec![counts(0.0, 1000.0); 40];
    blocks.extend([counts(20.0, 1000.0); 2]);
    let failed = judged(HALF_A_PERCENT, &blocks);
    assert_eq!((failed.verdict, failed.value.as_deref(), failed.sample), (Verdict::Fail, Some("2%"), Some(2000)));
    assert!(failed.message.starts_with("since 1970-01-01T00:06:40Z: "), "{}", failed.message);
}

#[test]
fn what_is_missing_is_said_in_requests_and_in_time() {
    let waiting = judged(HALF_A_PERCENT, &[counts(0.0, 100.0); 2]);
    assert_eq!((waiting.verdict, waiting.reason), (Verdict::NeedMoreData, "TooFewRequests"));
    let requests = waiting.more_requests.unwrap();
    assert!((600.0..1000.0).contains(&requests), "{requests}");
    assert!(waiting.message.contains(" more needed, 1m"), "{}", waiting.message);
}

#[test]
fn requests_that_do_not_come_are_missed_without_a_time() {
    let waiting = judged(HALF_A_PERCENT, &[]);
    assert_eq!(waiting.reason, "NoRequests");
    assert_eq!((waiting.more_time, waiting.verdict), (None, Verdict::NeedMoreData));
    assert!(waiting.message.starts_with("no requests yet; about "), "{}", waiting.message);
}

#[test]
fn a_version_at_its_limit_is_told_that_there_is_no_end_in_sight() {
    let close = judged(HALF_A_PERCENT, &[counts(5.0, 1000.0); 20]);
    assert_eq!((close.verdict, close.reason, close.more_requests), (Verdict::NeedMoreData, "TooCloseToLimit", None));
}

#[test]
fn the_culprit_is_named_and_suspicions_do_not_add_up() {
    let suspicious = evidence(&HALF_A_PERCENT, &[counts(3.0, 60.0), counts(1.0, 60.0)]);
    let fine = evidence(&HALF_A_PERCENT, &[counts(0.0, 400.0); 3]);
    let bad = evidence(&HALF_A_PERCENT, &[counts(10.0, 100.0); 2]);
    assert_eq!(verdicts(&[&suspicious, &suspicious]), [Verdict::NeedMoreData; 2]);
    assert_eq!(verdicts(&[&fine, &bad]), [Verdict::Pass, Verdict::Fail]);
    assert_eq!(verdicts(&[&bad, &bad]), [Verdict::Fail; 2]);
}

#[test]
fn the_more_checks_there_are_the_more_evidence_one_needs() {
    let just = evidence(&HALF_A_PERCENT, &[counts(4.0, 50.0), counts(1.0, 10.0)]);
    let fine = evidence(&HALF_A_PERCENT, &[counts(0.0, 400.0); 3]);
    assert_eq!(verdicts(&[&just]), [Verdict::Fail]);
    let many: Vec<_> = std::iter::once(&just).chain(std::iter::repeat_n(&fine, 15)).collect();
    assert_eq!(verdicts(&many)[0], Verdict::NeedMoreData);
}

#[test]
fn a_limit_between_two_buckets_fails_on_certainty_and_passes_on_certainty() {
    let between = |bad, bad_at_most| {
        judged(HALF_A_PERCENT, &[(Counts { bad_at_most, ..Counts::exact(bad, 1000.0) }, NOTHING); 3])
    };
    let unsure = between(0.0, 50.0);
    assert_eq!((unsure.verdict, unsure.reason), (Verdict::NeedMoreData, "LimitBetweenBuckets"));
    assert_eq!(between(40.0, 50.0).verdict, Verdict::Fail);
    assert_eq!(between(0.0, 0.0).verdict, Verdict::Pass);
}

#[test]
fn requests_that_no_histogram_has_hinder_a_pass_and_fail_nobody() {
    let subject = Indicator::SlowerThan("500ms".parse::<Span>().unwrap(), Quantile::new(0.95).unwrap());
    let slow = Tolerance { subject, boundary: Boundary::fixed(0.05) };
    let with = |bad, unseen| judged(slow, &[(Counts { unseen, ..Counts::exact(bad, 900.0) }, NOTHING); 4]);
    let timed_out = with(0.0, 100.0);
    assert_eq!((timed_out.verdict, timed_out.reason), (Verdict::NeedMoreData, "NotInHistogram"));
    let told = "0% of 3,600 requests took longer than 500ms, allowed 5% (p95); of 4,000 requests that were counted, 400 are in \
                no histogram and may have been slower; too close to the limit";
    assert!(timed_out.message.starts_with(told), "{}", timed_out.message);
    assert!(timed_out.range.as_deref().is_some_and(|range| range.starts_with("0% to 1")), "{:?}", timed_out.range);
    assert_eq!(with(0.0, f64::from(900_000)).verdict, Verdict::NeedMoreData, "however many they are");
    assert_eq!(with(90.0, 0.0).verdict, Verdict::Fail);
    assert_eq!(with(90.0, 9000.0).verdict, Verdict::Fail, "what was too slow is not made up for");
    let few = with(0.0, 1.0);
    assert_eq!(few.verdict, Verdict::Pass);
    assert_eq!(few.message, with(0.0, 0.0).message, "of a few that are under way nobody is told");
}

#[test]
fn a_version_none_of_whose_requests_was_measured_does_not_pass() {
    let subject = Indicator::SlowerThan("500ms".parse::<Span>().unwrap(), Quantile::new(0.95).unwrap());
    let slow = Tolerance { subject, boundary: Boundary::fixed(0.05) };
    let judged = judged(slow, &[(Counts { unseen: 500.0, ..NOTHING }, NOTHING); 4]);
    assert_eq!((judged.verdict, judged.reason, judged.sample), (Verdict::NeedMoreData, "NotInHistogram", Some(0)));
}

#[test]
fn a_version_like_stable_passes_a_comparison_and_a_worse_one_fails() {
    let relative = Tolerance { boundary: Boundary { ratio: 1.5, margin: 0.005 }, ..HALF_A_PERCENT };
    let compared = |bad| {
        let evidence = evidence(&relative, &[(Counts::exact(bad, 400.0), Counts::exact(36.0, 3600.0)); 12]);
        judge(&[Asked { relative: Some((relative, &evidence)), ..Asked::default() }], &rates()).remove(0)
    };
    let like = compared(4.0);
    assert_eq!((like.verdict, like.limit.as_deref()), (Verdict::Pass, Some("1.5 × stable + 0.5%")));
    assert_eq!(
        like.message,
        "1% of 4,800 requests failed, allowed 1.5 × stable + 0.5%, stable at 1%; certain beyond 99.99%"
    );
    assert_eq!(compared(16.0).verdict, Verdict::Fail);
}

#[test]
fn with_a_limit_and_a_comparison_both_have_to_hold() {
    let relative = Tolerance { boundary: Boundary { ratio: 1.5, margin: 0.005 }, ..HALF_A_PERCENT };
    let fixed = Tolerance { boundary: Boundary::fixed(0.2), ..HALF_A_PERCENT };
    let blocks = [(Counts::exact(40.0, 400.0), Counts::exact(4.0, 400.0)); 12];
    let (to_fixed, to_relative) = (evidence(&fixed, &blocks), evidence(&relative, &blocks));
    let asked = Asked { max: Some((fixed, &to_fixed)), relative: Some((relative, &to_relative)), warn: None };
    let failed = judge(&[asked], &rates()).remove(0);
    assert_eq!((failed.verdict, failed.limit.as_deref()), (Verdict::Fail, Some("1.5 × stable + 0.5%")));
}

#[test]
fn a_limit_that_only_warns_never_fails_and_holds_nobody_up() {
    let warns = |bad| {
        let evidence = evidence(&HALF_A_PERCENT, &[counts(bad, 300.0); 2]);
        judge(&[Asked { warn: Some((HALF_A_PERCENT, &evidence)), ..Asked::default() }], &rates()).remove(0)
    };
    assert_eq!((warns(0.0).verdict, warns(0.0).warning), (Verdict::Pass, false));
    assert_eq!((warns(30.0).verdict, warns(30.0).warning), (Verdict::Pass, true));
}

#[test]
fn errors_in_large_crowds_pass_late_and_it_is_said_why() {
    let baseline = Baseline::of(&[]).with_overdispersion(Some(60.0));
    let after = |blocks| {
        let mut evidence = Evidence::new(HALF_A_PERCENT.boundary, &baseline);
        for second in 0..blocks {
            let [start, end] = [second, second + 1].map(|at| Timestamp::from_second(at).unwrap());
            evidence.settle(&Block { start, end, canary: Counts::exact(0.0, 1e4), stable: NOTHING });
        }
        judge(&[Asked { max: Some((HALF_A_PERCENT, &evidence)), ..Asked::default() }], &rates()).remove(0)
    };
    let (early, late) = (after(4), after(20));
    assert_eq!((early.verdict, early.reason), (Verdict::NeedMoreData, "Overdispersed"));
    assert!(early.message.contains("about 60 requests go bad together, so it takes that many"), "{}", early.message);
    assert_eq!(late.verdict, Verdict::Pass, "{}", late.message);
}

#[test]
fn the_stricter_the_analysis_the_sooner_it_fails_and_the_later_it_passes() {
    let of = |strictness: &str, is_last| {
        let analysis = serde_json::json!({"strictness": strictness, "checks": []});
        ErrorRates::of(&serde_json::from_value::<Analysis>(analysis).unwrap(), is_last)
    };
    let [low, normal, high] = ["Low", "Normal", "High"].map(|strictness| of(strictness, false));
    assert!(low.to_fail() > normal.to_fail() && normal.to_fail() > high.to_fail());
    assert!(low.to_pass() < normal.to_pass() && normal.to_pass() < high.to_pass());
    assert_eq!((normal, of("Normal", true)), (rates(), ErrorRates { false_fail: 0.01, false_pass: 0.01 }));
}

#[test]
fn raw_numbers_stand_above_strictness() {
    let analysis = serde_json::json!({
        "strictness": "High", "statistics": {"falseFail": "2%", "falsePass": 10, "falsePassOfLast": "0.5%"}, "checks": [],
    });
    let analysis: Analysis = serde_json::from_value(analysis).unwrap();
    assert_eq!(ErrorRates::of(&analysis, false), ErrorRates { false_fail: 0.02, false_pass: 0.1 });
    assert_eq!(ErrorRates::of(&analysis, true), ErrorRates { false_fail: 0.02, false_pass: 0.005 });
}
