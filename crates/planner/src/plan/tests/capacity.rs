//! Pods that follow the traffic, and traffic that follows the pods.

use serde_json::json;
use tidegate_api::{Percent, Phase, Verdict, condition::kind};

use super::{
    cluster::{Gateway, user_route},
    lab::Lab,
    specs::{progressive, staged, surging, with},
};

fn fail(lab: &mut Lab) {
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
}

/// So many pods of stable become ready, one after the other, while the operator looks on.
fn stable_comes_back(lab: &mut Lab, pods: usize) -> Vec<String> {
    lab.cluster.ready_at_most("v1", Some(pods));
    lab.settle();
    lab.log.clone()
}

#[test]
fn stable_follows_its_share_once_the_weight_is_in_force_and_drained() {
    let mut lab = Lab::adopted(&progressive());
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(
        lab.log,
        [
            "create checkout-stable",
            "create checkout-canary",
            "route checkout-stable 100, checkout-canary 0",
            "create v2 with 1",
            "route checkout-stable 95, checkout-canary 5",
            "v2 to 3",
            "route checkout-stable 75, checkout-canary 25",
            "v1 to 8",
            "v2 to 10",
            "route checkout-stable 0, checkout-canary 100",
            "v1 to 1",
            "v1 to 0",
            "route checkout 1",
            "delete checkout-stable",
            "delete checkout-canary",
        ]
    );
}

#[test]
fn stables_pods_stay_for_the_drain_and_for_a_gateway_that_has_not_answered() {
    let mut lab = Lab::in_stage(&progressive(), "quarter");
    lab.pass(29);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    lab.pass(1);
    assert_eq!(lab.cluster.pods_of("v1"), 8);

    let mut lab = Lab::in_stage(&progressive(), "canary");
    lab.cluster.gateway = Gateway::Silent;
    lab.pass(630);
    assert_eq!((lab.stage().as_str(), lab.cluster.pods_of("v1")), ("quarter", 10));
}

#[test]
fn on_a_revert_traffic_goes_back_as_fast_as_stables_pods_are_ready() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (1, 10));
    lab.cluster.ready_at_most("v1", Some(1));
    lab.log.clear();
    fail(&mut lab);
    assert_eq!(lab.log, ["route checkout-stable 10, checkout-canary 90", "v1 to 10"]);
    for pods in 2..=10 {
        stable_comes_back(&mut lab, pods);
    }
    let weights: Vec<_> = lab.log.iter().filter(|write| write.starts_with("route")).cloned().collect();
    assert_eq!(weights.len(), 10, "{weights:?}");
    assert_eq!(weights.last().unwrap(), "route checkout-stable 100, checkout-canary 0");
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (Phase::Reverted, 10, 0));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}

#[test]
fn many_pods_that_come_back_are_few_writes() {
    let mut lab = Lab::in_stage(&progressive(), "quarter");
    lab.cluster.edit(&json!({"replicas": 100}));
    lab.settle();
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.pass(30);
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (1, 100));
    lab.cluster.ready_at_most("v1", Some(1));
    lab.log.clear();
    fail(&mut lab);
    for pods in 2..=100 {
        stable_comes_back(&mut lab, pods);
    }
    let weights = lab.log.iter().filter(|write| write.starts_with("route")).count();
    assert!(weights <= 11, "{:?}", lab.log);
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
}

#[test]
fn a_bad_version_gives_its_room_to_the_pods_that_come_back() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(1));
    fail(&mut lab);
    assert_eq!(lab.cluster.pods_of("v2"), 10);
    // As if there were no room for more: what drains makes room for what comes back.
    for ready in 2..=10 {
        lab.pass(30);
        assert_eq!(lab.cluster.pods_of("v2"), 11 - ready);
        stable_comes_back(&mut lab, ready);
    }
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
}

#[test]
fn pods_of_stable_that_never_come_back_are_somebodys_to_look_at() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(3));
    fail(&mut lab);
    lab.pass(599);
    assert_eq!(lab.condition(kind::STALLED), None);
    lab.pass(60);
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("StableNotReady"), "{}", lab.status().message);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(70.0));
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_canary_without_ready_pods_leaves_everything_to_stable_at_once() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(2));
    fail(&mut lab);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(90.0).lower(lab.cluster.canary_weight()));
    lab.cluster.broken.insert("v2".to_owned());
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
}

#[test]
fn pods_that_are_missing_on_both_sides_share_equally() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(1));
    lab.cluster.ready_at_most("v2", Some(1));
    fail(&mut lab);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(50.0));
}

#[test]
fn under_an_autoscaler_stable_grows_in_proportion_and_no_weight_before_its_pods() {
    let mut lab = Lab::in_stage(&progressive(), "quarter");
    lab.pass(60);
    assert_eq!(lab.cluster.pods_of("v1"), 8);
    lab.cluster.edit(&json!({"replicas": 20}));
    lab.settle();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (15, 5));
    lab.cluster.edit(&json!({"replicas": 4}));
    lab.settle();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (15, 5));
    // In the middle of the way back the count rises again: what stable has is a smaller part of it.
    lab.cluster.ready_at_most("v1", Some(15));
    fail(&mut lab);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Reverted, 4));
}

#[test]
fn what_was_decided_before_the_count_rose_is_not_written_after_it() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(1));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.dies_at = Some(lab.writes + 1);
    lab.decide();
    let kept = |lab: &Lab| lab.status().stage.map(|stage| stage.weight);
    assert_eq!((lab.phase(), kept(&lab)), (Phase::Reverting, Some(Percent::new(90.0))), "committed, and not written");
    lab.cluster.edit(&json!({"replicas": 20}));
    lab.settle();
    // Ten of the new version and one of stable: an eleventh for each.
    assert_eq!((lab.cluster.canary_weight(), kept(&lab)), (Percent::new(91.0), Some(Percent::new(91.0))));
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (Phase::Reverted, 20, 0));
}

#[test]
fn a_weight_that_somebody_lowers_waits_for_stables_pods() {
    let mut spec = staged();
    spec["traffic"] = progressive()["traffic"].clone();
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(8));
    spec["stages"][1]["weight"] = json!("10%");
    lab.cluster.edit(&json!({"stages": spec["stages"]}));
    lab.settle();
    assert_eq!((lab.cluster.canary_weight(), lab.cluster.pods_of("v1")), (Percent::new(25.0), 9));
    assert_eq!(lab.cluster.pods_of("v2"), 3, "the new version's pods stay until their weight is gone");
    lab.cluster.ready_at_most("v1", None);
    lab.settle();
    assert_eq!((lab.cluster.canary_weight(), lab.cluster.pods_of("v1")), (Percent::new(10.0), 9));
    lab.pass(60);
    assert_eq!(lab.cluster.pods_of("v2"), 1);
}

#[test]
fn the_last_pod_of_stable_is_not_the_stable_version() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.broken.insert("v1".to_owned());
    lab.settle();
    assert_eq!(lab.cluster.pods_of("v1"), 10, "all of them are called");
    lab.pass(30);
    lab.cluster.broken.clear();
    lab.settle();
    lab.pass(60);
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Progressing, 1));
    assert!(!lab.steps.iter().any(|step| step == "StableLost"), "{:?}", lab.steps);
}

#[test]
fn a_deleted_rollout_gives_back_what_stable_carries_first() {
    let mut lab = Lab::in_stage(&progressive(), "full");
    lab.pass(60);
    lab.cluster.ready_at_most("v1", Some(1));
    lab.cluster.delete();
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::new(90.0));
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert!(lab.cluster.rollout.is_none());
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
}

#[test]
fn a_stage_that_asks_for_fewer_pods_than_its_weight_needs_gets_them() {
    let spec = with(&json!({"stages": [
        {"name": "half", "weight": "50%", "replicas": 2, "bake": "1m"},
        {"name": "full", "weight": "100%", "bake": "1m"},
    ]}));
    let lab = Lab::in_stage(&spec, "half");
    assert_eq!((lab.cluster.canary_weight(), lab.cluster.pods_of("v2")), (Percent::new(50.0), 2));
}

#[test]
fn a_weight_waits_for_the_pods_that_carry_it() {
    let mut lab = Lab::in_stage(&with(&json!({})), "canary");
    lab.cluster.ready_at_most("v2", Some(2));
    lab.pass(600);
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight()), ("quarter", Percent::new(5.0)));
    lab.cluster.ready_at_most("v2", Some(3));
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
}

#[test]
fn a_surge_is_never_exceeded_on_the_way_out() {
    let mut lab = Lab::adopted(&surging(&json!(2)));
    lab.cluster.push("v2");
    let mut shares = Vec::new();
    while lab.phase() != Phase::Stable || shares.is_empty() {
        lab.until(|lab| {
            assert!(lab.cluster.all_pods().len() <= 12, "{:?}", lab.log);
            lab.status().stage.is_none_or(|stage| stage.since.is_some())
        });
        shares.extend(lab.status().stage.map(|stage| stage.weight_in_force.to_string()));
        lab.pass(600);
    }
    shares.dedup();
    assert_eq!(shares, ["8.33333333%", "25%", "100%"]);
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn on_the_way_back_a_surge_slows_nothing() {
    let mut lab = Lab::in_stage(&surging(&json!(1)), "full");
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (0, 10));
    fail(&mut lab);
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
}

#[test]
fn without_a_route_fewer_new_pods_leave_stable_as_many_as_everything_needs() {
    let mut spec = surging(&json!("50%"));
    spec["stages"] = json!([
        {"name": "half", "weight": "50%", "replicas": 2, "bake": "1m"},
        {"name": "full", "weight": "100%", "bake": "1m"},
    ]);
    let lab = Lab::in_stage(&spec, "half");
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (8, 2));
    assert_eq!(lab.status().stage.unwrap().weight_in_force, Percent::new(20.0));
}
