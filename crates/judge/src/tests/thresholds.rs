//! The plain share against its limit.

use jiff::Timestamp;
use tidegate_api::{Quantile, Span, Verdict};

use crate::{Asked, Baseline, Block, Boundary, Counts, Evidence, Indicator, Judgement, Tolerance, judge_plainly};

const NOTHING: Counts = Counts { bad: 0.0, bad_at_most: 0.0, total: 0.0, unseen: 0.0 };
const HALF_A_PERCENT: Tolerance =
    Tolerance { subject: Indicator::Failed, boundary: Boundary { ratio: 0.0, margin: 0.005 } };

fn evidence(tolerance: &Tolerance, settled: Counts, provisional: Counts) -> Evidence {
    let block = |second: i64, canary, stable| {
        let [start, end] = [second, second + 1].map(|at| Timestamp::from_second(at).unwrap());
        Block { start, end, canary, stable }
    };
    let mut evidence = Evidence::new(tolerance.boundary, &Baseline::of(&[]));
    evidence.settle(&block(0, settled, Counts::exact(1.0, 1000.0)));
    evidence.set_provisional(Some(block(1, provisional, NOTHING)));
    evidence
}

fn judged(tolerance: Tolerance, settled: Counts, provisional: Counts) -> Judgement {
    let evidence = evidence(&tolerance, settled, provisional);
    judge_plainly(&Asked { max: Some((tolerance, &evidence)), ..Asked::default() })
}

fn answer(settled: Counts, provisional: Counts) -> (Verdict, &'static str) {
    let judgement = judged(HALF_A_PERCENT, settled, provisional);
    (judgement.verdict, judgement.reason)
}

#[test]
fn no_requests_never_pass() {
    assert_eq!(answer(NOTHING, NOTHING), (Verdict::NeedMoreData, "NoRequests"));
}

#[test]
fn a_pass_needs_a_hundred_settled_requests() {
    let few = answer(Counts::exact(0.0, 99.0), Counts::exact(0.0, 1000.0));
    assert_eq!(few, (Verdict::NeedMoreData, "TooFewRequests"));
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
    let five_percent = Tolerance { boundary: Boundary::fixed(0.05), ..HALF_A_PERCENT };
    let few = judged(five_percent, NOTHING, Counts::exact(5.0, 20.0));
    assert_eq!(few.verdict, Verdict::NeedMoreData, "the next 80 requests may be good");
}

#[test]
fn a_limit_between_two_buckets_fails_on_certainty_and_passes_on_certainty() {
    let between = |bad, bad_at_most| answer(Counts { bad_at_most, ..Counts::exact(bad, 200.0) }, NOTHING);
    assert_eq!(between(0.0, 50.0), (Verdict::NeedMoreData, "LimitBetweenBuckets"));
    assert_eq!(between(20.0, 50.0).0, Verdict::Fail);
    assert_eq!(between(0.0, 1.0).0, Verdict::Pass);
}

#[test]
fn a_limit_that_only_warns_never_fails() {
    let evidence = evidence(&HALF_A_PERCENT, Counts::exact(20.0, 200.0), NOTHING);
    let judgement = judge_plainly(&Asked { warn: Some((HALF_A_PERCENT, &evidence)), ..Asked::default() });
    assert_eq!((judgement.verdict, judgement.warning), (Verdict::Pass, true));
}

#[test]
fn a_comparison_goes_by_what_stable_did_meanwhile() {
    let twice = Tolerance { boundary: Boundary { ratio: 2.0, margin: 0.01 }, ..HALF_A_PERCENT };
    let evidence = evidence(&twice, Counts::exact(4.0, 200.0), NOTHING);
    let judged = judge_plainly(&Asked { relative: Some((twice, &evidence)), ..Asked::default() });
    assert_eq!((judged.verdict, judged.limit.as_deref()), (Verdict::Fail, Some("2 × stable + 1%")));
}

#[test]
fn the_sentence_is_understood_without_statistics() {
    let failed = judged(HALF_A_PERCENT, Counts::exact(91.0, 1240.0), NOTHING);
    assert_eq!(failed.message, "7.3% of 1,240 requests failed, allowed 0.5%, stable at 0.1%");
    let numbers = (failed.value.as_deref(), failed.limit.as_deref(), failed.sample);
    assert_eq!(numbers, (Some("7.3%"), Some("0.5%"), Some(1240)));
    let subject = Indicator::SlowerThan("500ms".parse::<Span>().unwrap(), Quantile::new(0.95).unwrap());
    let slow = Tolerance { subject, boundary: Boundary::fixed(0.05) };
    assert_eq!(
        judged(slow, Counts { bad_at_most: 20.0, ..Counts::exact(1.0, 100.0) }, NOTHING).message,
        "1% of 100 requests took longer than 500ms, allowed 5% (p95), stable at 0.1%, \
         up to 20% as the limit lies between two histogram buckets"
    );
}
