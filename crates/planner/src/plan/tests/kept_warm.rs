//! Fewer pods of the version before, kept up while the new one has all of the traffic.

use serde_json::json;
use tidegate_api::{Percent, Phase, Replicas, Verdict};

use super::{
    cluster::Gateway,
    lab::Lab,
    specs::{kept_warm, progressive},
};
use crate::workload::Deployment;

fn fail(lab: &mut Lab) {
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
}

fn warm(lab: &Lab) -> usize {
    lab.cluster.pods_of("v1")
}

/// In the last stage, with two pods of stable's ten.
fn drained() -> Lab {
    let mut lab = Lab::in_stage(&kept_warm(), "full");
    lab.pass(60);
    assert_eq!((warm(&lab), lab.cluster.pods_of("v2")), (2, 10));
    lab
}

#[test]
fn all_of_stables_pods_stay_until_the_full_weight_is_in_force_and_drained() {
    let mut lab = Lab::in_stage(&kept_warm(), "quarter");
    lab.pass(300);
    assert_eq!(warm(&lab), 10);
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.pass(29);
    assert_eq!(warm(&lab), 10);
    lab.pass(1);
    assert_eq!(warm(&lab), 2);
    lab.finish();
    assert_eq!((lab.phase(), warm(&lab), lab.cluster.pods_of("v2")), (Phase::Stable, 0, 10));
}

#[test]
fn a_gateway_that_has_not_answered_keeps_all_of_them() {
    let mut lab = Lab::in_stage(&kept_warm(), "quarter");
    lab.cluster.gateway = Gateway::Silent;
    lab.pass(1200);
    assert_eq!((lab.stage().as_str(), warm(&lab)), ("full", 10));
}

#[test]
fn a_version_that_fails_gives_back_what_the_warm_pods_carry_and_then_what_each_more_does() {
    let mut lab = drained();
    lab.cluster.ready_at_most("v1", Some(2));
    lab.log.clear();
    fail(&mut lab);
    assert_eq!(lab.log, ["route checkout-stable 20, checkout-canary 80", "v1 to 10"]);
    for ready in 3..=9 {
        lab.cluster.ready_at_most("v1", Some(ready));
        lab.settle();
        assert_eq!(lab.cluster.canary_weight(), Percent::new(f64::from(10 - i32::try_from(ready).unwrap()) * 10.0));
    }
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!((lab.phase(), warm(&lab), lab.cluster.pods_of("v2")), (Phase::Reverted, 10, 0));
}

#[test]
fn as_long_as_all_of_them_are_there_everything_goes_back_at_once() {
    let mut lab = Lab::in_stage(&kept_warm(), "full");
    lab.pass(10);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
}

#[test]
fn a_plan_that_keeps_all_of_them_again_does_not_forget_that_they_are_on_their_way() {
    let mut lab = drained();
    lab.cluster.ready_at_most("v1", Some(2));
    let mut stages = kept_warm()["stages"].clone();
    stages[2].as_object_mut().unwrap().remove("stableReplicas");
    lab.cluster.edit(&json!({"stages": stages}));
    lab.settle();
    assert_eq!(warm(&lab), 10);
    assert_eq!(lab.status().stage.unwrap().stable_replicas, Some(Replicas::Share(Percent::FULL)));
    fail(&mut lab);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(80.0));
}

#[test]
fn a_step_back_waits_for_the_pods_that_its_weight_takes() {
    let mut lab = drained();
    lab.cluster.edit(&json!({"onFailure": "StepBack"}));
    lab.cluster.ready_at_most("v1", Some(2));
    fail(&mut lab);
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight(), warm(&lab)), ("quarter", Percent::FULL, 10));
    lab.verdicts.clear();
    lab.cluster.ready_at_most("v1", Some(8));
    lab.settle();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Progressing, Percent::new(25.0)));
}

#[test]
fn another_version_and_a_deletion_bring_all_of_them_back() {
    let mut lab = drained();
    lab.cluster.ready_at_most("v1", Some(2));
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!((lab.cluster.canary_weight(), warm(&lab)), (Percent::new(80.0), 10));
    lab.cluster.ready_at_most("v1", None);
    lab.finish();
    assert_eq!((lab.phase(), warm(&lab)), (Phase::Stable, 10));

    let mut lab = drained();
    lab.cluster.delete();
    lab.finish();
    assert_eq!(lab.cluster.deployment.as_ref().map(Deployment::replicas), Some(10));
}

#[test]
fn weights_that_somebody_writes_bring_all_of_them_back() {
    let mut lab = drained();
    lab.cluster.write_backends(&json!([
        {"name": "checkout-stable", "port": 80, "weight": 50},
        {"name": "checkout-canary", "port": 80, "weight": 50},
    ]));
    lab.log.clear();
    lab.settle();
    assert!(lab.log.contains(&"v1 to 10".to_owned()), "{:?}", lab.log);
}

#[test]
fn a_count_is_never_more_than_all_and_a_share_follows_an_autoscaler() {
    let mut lab = drained();
    lab.cluster.edit(&json!({"replicas": 20}));
    lab.settle();
    assert_eq!(warm(&lab), 4);
    lab.cluster.edit(&json!({"replicas": 5}));
    lab.settle();
    assert_eq!(warm(&lab), 4, "what looks idle is the way back");

    let mut many = kept_warm();
    many["stages"][2]["stableReplicas"] = json!(30);
    let mut lab = Lab::in_stage(&many, "full");
    lab.pass(60);
    assert_eq!(warm(&lab), 10);
}

#[test]
fn where_pods_follow_the_traffic_they_are_what_is_left_of_stable_in_the_last_stage() {
    let mut spec = progressive();
    spec["stages"] = kept_warm()["stages"].clone();
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.pass(60);
    assert_eq!(warm(&lab), 8);
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.pass(60);
    assert_eq!(warm(&lab), 2);
}

#[test]
fn warm_pods_that_are_lost_bring_all_of_them_back() {
    let mut lab = drained();
    lab.cluster.broken.insert("v1".to_owned());
    lab.settle();
    assert_eq!((warm(&lab), lab.cluster.canary_weight()), (10, Percent::FULL));
}
