//! Pass, Fail, and what is neither.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase, Preset, PresetStatus, Span, Verdict, condition::kind};

use super::{
    cluster::user_route,
    lab::Lab,
    specs::{by_pods, routed, staged, with},
};

/// [`routed`] with a second check that decides, and one that only warns.
fn three_checks() -> Value {
    with(&json!({"analysis": {"checks": [
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}},
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
        {"name": "memory", "query": {"expr": "up", "warn": 1.0}},
    ]}}))
}

fn inconclusive(answer: &str) -> Lab {
    let mut spec = staged();
    spec["onInconclusive"] = json!(answer);
    spec["stages"][0]["deadline"] = json!("30m");
    let mut lab = Lab::adopted(&spec);
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    lab.cluster.push("v2");
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab
}

#[test]
fn nothing_is_promoted_without_a_pass_of_each_deciding_check() {
    for check in ["errors", "p95"] {
        for verdict in [Verdict::NoData, Verdict::NeedMoreData] {
            let mut lab = Lab::adopted(&three_checks());
            lab.verdicts.insert(check.to_owned(), verdict);
            lab.cluster.push("v2");
            lab.finish();
            lab.pass(100 * 24 * 3600);
            assert_eq!((lab.stage().as_str(), lab.phase()), ("canary", Phase::Progressing));
            assert!(lab.status().message.contains(check), "{}", lab.status().message);
            lab.verdicts.clear();
            lab.settle();
            assert_eq!(lab.stage(), "quarter");
        }
    }
}

#[test]
fn what_preset_auto_stands_for_is_kept_through_all_stages_and_until_the_next_rollout_begins() {
    let taken = |preset| {
        vec![PresetStatus {
            check: "errors".to_owned(),
            preset,
            reason: "reads something, which the pods expose".to_owned(),
        }]
    };
    let mut lab = Lab::adopted(&staged());
    lab.presets = taken(Preset::Django);
    lab.cluster.push("v2");
    lab.until(|lab| !lab.status().presets.is_empty());
    // Nobody looks while the weight of the next stage is not in force.
    lab.presets.clear();
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.status().presets, taken(Preset::Django));
    lab.cluster.push("v3");
    lab.until(|lab| lab.phase() == Phase::Progressing);
    assert_eq!(lab.status().presets, []);
    lab.presets = taken(Preset::PodHttp);
    lab.until(|lab| !lab.status().presets.is_empty());
    assert_eq!(lab.status().presets, taken(Preset::PodHttp));
}

#[test]
fn a_check_that_only_warns_decides_nothing() {
    for verdict in [Verdict::NoData, Verdict::NeedMoreData, Verdict::Fail] {
        let mut lab = Lab::adopted(&three_checks());
        lab.verdicts.insert("memory".to_owned(), verdict);
        lab.cluster.push("v2");
        lab.finish();
        assert_eq!(lab.cluster.pods_of("v2"), 10, "{verdict:?}");
        assert_eq!(lab.steps.last().map(String::as_str), Some("Promoted"), "{verdict:?}");
    }
}

#[test]
fn a_check_that_a_stage_gives_a_limit_decides_while_the_stage_lasts() {
    let mut spec = three_checks();
    spec["stages"] = staged()["stages"].take();
    spec["stages"][1]["checks"] = json!([{"name": "memory", "max": "2"}]);
    let mut lab = Lab::adopted(&spec);
    lab.verdicts.insert("memory".to_owned(), Verdict::NeedMoreData);
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.stage(), "quarter");
    lab.verdicts.clear();
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_failure_takes_the_traffic_back_in_the_same_decision() {
    for stage in ["canary", "quarter", "full"] {
        let mut lab = Lab::in_stage(&routed(), stage);
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        assert!(lab.decide());
        assert_eq!(lab.phase(), Phase::Reverting);
        assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
        assert_eq!(lab.log.last().unwrap(), "route checkout-stable 100, checkout-canary 0");
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
        assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
        assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("Reverted"));
        assert!(lab.condition(kind::READY).is_none());
    }
}

#[test]
fn a_failure_reverts_before_the_bake_is_over_and_with_prometheus_gone_afterwards() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.pass(1);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    lab.verdicts.insert("errors".to_owned(), Verdict::NoData);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_failure_without_a_route_brings_the_old_pods_back_before_the_new_ones_go() {
    for stage in ["canary", "quarter", "full"] {
        let mut lab = Lab::in_stage(&by_pods(), stage);
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
    }
}

#[test]
fn on_failure_hold_leaves_the_traffic_where_it_is_and_tells() {
    let mut lab = Lab::in_stage(&with(&json!({"onFailure": "Hold"})), "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("CheckFailed"));
    // What failed stays failed, whatever is measured afterwards.
    lab.verdicts.clear();
    lab.pass(24 * 3600);
    assert_eq!(lab.phase(), Phase::Held);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
}

#[test]
fn a_held_failure_reverts_when_the_user_says_so() {
    let mut lab = Lab::in_stage(&with(&json!({"onFailure": "Hold"})), "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    lab.cluster.edit(&json!({"onFailure": "Revert"}));
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_stage_has_its_own_answer_to_a_failure() {
    let mut spec = staged();
    spec["stages"][0]["onFailure"] = json!("Hold");
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);

    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn a_stage_tells_of_the_check_that_will_take_longest() {
    let mut lab = Lab::adopted(&three_checks());
    for check in ["errors", "p95"] {
        lab.verdicts.insert(check.to_owned(), Verdict::NeedMoreData);
    }
    lab.cluster.push("v2");
    let waits_for = |lab: &mut Lab, times: [Option<u64>; 2]| {
        lab.more_time = ["errors", "p95"]
            .iter()
            .zip(times)
            .filter_map(|(check, time)| Some(((*check).to_owned(), Span::seconds(time?))))
            .collect();
        lab.finish();
        lab.pass(3600);
        lab.status().message
    };
    for (times, slowest) in [([Some(60), Some(90)], "p95"), ([Some(90), Some(60)], "errors"), ([Some(90), None], "p95")]
    {
        let message = waits_for(&mut lab, times);
        assert!(message.contains(&format!("waiting for evidence: {slowest}: ")), "{message}");
    }
}

#[test]
fn a_stage_that_waits_for_long_says_what_would_decide_sooner() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    lab.pass(39 * 60);
    let message = lab.status().message;
    assert!(message.contains("waiting for evidence") && !message.contains("it waits for long"), "{message}");
    lab.pass(60);
    let message = lab.status().message;
    assert!(message.ends_with("decide sooner, and a deadline of the stage ends the wait"), "{message}");
}

#[test]
fn evidence_is_counted_from_each_stage_that_had_its_weight() {
    let mut lab = Lab::in_stage(&routed(), "full");
    let begun: Vec<_> = lab.status().begun.iter().map(|begun| begun.stage.clone()).collect();
    assert_eq!(begun, ["canary", "quarter", "full"]);
    assert_eq!(lab.status().begun.last().map(|begun| begun.since), lab.status().stage.and_then(|stage| stage.since));
    lab.finish();
    assert!(lab.status().begun.is_empty(), "nothing is under way any more");
}

#[test]
fn evidence_that_runs_out_of_time_holds_until_it_is_there() {
    let mut lab = inconclusive("Hold");
    lab.pass(30 * 60);
    assert_eq!(lab.phase(), Phase::Held);
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("Inconclusive"));
    assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0));
    lab.verdicts.clear();
    lab.settle();
    assert_eq!((lab.stage().as_str(), lab.phase()), ("quarter", Phase::Progressing));
}

#[test]
fn evidence_that_runs_out_of_time_reverts_where_the_user_says_so() {
    let mut lab = inconclusive("Revert");
    lab.pass(30 * 60 - 1);
    assert_eq!(lab.phase(), Phase::Progressing);
    lab.pass(1);
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn evidence_that_runs_out_of_time_is_passed_over_where_the_user_says_so() {
    let mut lab = inconclusive("Advance");
    lab.pass(30 * 60 - 1);
    assert_eq!(lab.stage(), "canary");
    lab.pass(1);
    assert_eq!(lab.stage(), "quarter");
    // The next stage has no deadline, and waits.
    lab.pass(24 * 3600);
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn new_pods_that_never_become_ready_revert_at_the_progress_deadline() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::adopted(&spec);
        lab.cluster.broken.insert("v2".to_owned());
        lab.cluster.push("v2");
        lab.settle();
        lab.pass(599);
        assert_eq!(lab.phase(), Phase::Progressing);
        assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
        lab.pass(1);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
        assert!(lab.steps.contains(&"Reverted".to_owned()));
    }
}

#[test]
fn paused_freezes_advancing_and_never_reverting() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.edit(&json!({"paused": true}));
    lab.pass(24 * 3600);
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight()), ("canary", Percent::new(5.0)));
    let mut failing = lab.clone();
    failing.verdicts.insert("errors".to_owned(), Verdict::Fail);
    failing.decide();
    assert_eq!(failing.cluster.canary_weight(), Percent::ZERO);
    failing.finish();
    assert_eq!(failing.phase(), Phase::Reverted);
    lab.cluster.edit(&json!({"paused": false}));
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn paused_keeps_a_new_version_from_starting_and_not_an_old_one_from_being_tidied_away() {
    let mut lab = Lab::adopted(&with(&json!({"paused": true})));
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.log, [""; 0]);
    lab.cluster.edit(&json!({"paused": false}));
    lab.until(|lab| lab.stage() == "quarter" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.cluster.edit(&json!({"paused": true}));
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v2"), 0);
}

#[test]
fn paused_never_advances_on_missing_evidence_either() {
    let mut lab = inconclusive("Advance");
    lab.cluster.edit(&json!({"paused": true}));
    lab.pass(24 * 3600);
    assert_eq!(lab.stage(), "canary");
}
