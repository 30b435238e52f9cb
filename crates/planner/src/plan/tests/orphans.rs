//! Rollouts that lose their finalizer, and what they leave behind.

use serde_json::json;
use tidegate_api::{FINALIZER, Percent, Phase};

use super::{
    cluster::user_route,
    lab::Lab,
    specs::{by_pods, routed, with},
};
use crate::workload::ownership;

fn has_finalizer(lab: &Lab) -> bool {
    let finalizers = lab.cluster.rollout.as_ref().and_then(|rollout| rollout.metadata.finalizers.clone());
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == FINALIZER))
}

#[test]
fn a_finalizer_that_somebody_took_off_is_put_back_by_the_look_that_sees_it_missing() {
    for mut lab in [Lab::adopted(&routed()), Lab::in_stage(&routed(), "quarter")] {
        lab.cluster.replace_rollout();
        lab.decide();
        assert!(has_finalizer(&lab));
        lab.settle();
        let pods = lab.cluster.pods_of("v1");
        lab.cluster.delete();
        lab.finish();
        assert!(lab.cluster.rollout.is_none(), "handed back");
        assert_eq!((pods, lab.cluster.pods_of("v1")), (10, 10));
        assert_eq!(lab.cluster.deployment.as_ref().unwrap().replicas(), 10);
    }
}

#[test]
fn a_count_that_was_replaced_away_stays_what_it_is() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.edit(&json!({"replicas": 14}));
    lab.settle();
    lab.cluster.replace_rollout();
    lab.settle();
    assert_eq!(lab.cluster.rollout.as_ref().unwrap().spec.replicas, Some(14));
    assert_eq!(lab.cluster.pods_of("v1"), 14);
    assert!(lab.cluster.ended.is_empty());
}

#[test]
fn pods_that_a_rollout_left_behind_are_taken_over_by_the_next_one() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::adopted(&spec);
        let pods = lab.cluster.all_pods();
        lab.cluster.lose_rollout();
        // The Deployment was applied again, with a new version and a count of its own.
        lab.cluster.push("v2");
        lab.cluster.scale_deployment(1);
        while lab.cluster.tick() {}
        assert_eq!(lab.cluster.pods_of("v2"), 1);
        lab.cluster.create_rollout(&spec);
        lab.until(|lab| lab.steps.contains(&"Adopted".to_owned()));
        let stable = lab.status().stable.unwrap();
        assert_eq!(stable.images, ["v1"]);
        assert!(pods.is_subset(&lab.cluster.all_pods()), "none of the pods that served was ended");
        assert_eq!(lab.cluster.rollout.as_ref().unwrap().spec.replicas, Some(10));
        let set = lab.cluster.replica_sets.get(&stable.replica_set).unwrap();
        assert!(ownership::is_of(lab.cluster.rollout.as_ref().unwrap(), set));
        lab.until(|lab| lab.phase() == Phase::Progressing);
        assert_eq!(lab.status().canary.unwrap().images, ["v2"], "what the Deployment asks for is judged");
        lab.finish();
        assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    }
}

#[test]
fn what_a_rollout_under_way_left_behind_goes_back_to_its_stable_version_first() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.lose_rollout();
    while lab.cluster.tick() {}
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
    lab.cluster.create_rollout(&routed());
    lab.until(|lab| lab.steps.contains(&"Adopted".to_owned()));
    assert_eq!(lab.status().stable.unwrap().images, ["v1"]);
    lab.until(|lab| lab.phase() == Phase::Progressing);
    assert_eq!(lab.status().canary.unwrap().images, ["v2"]);
    assert_eq!(lab.stage(), "canary", "it begins anew");
    assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0));
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.cluster.pods_of("v1")), (Phase::Stable, 10, 0));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.cluster.services.len(), 1);
}

#[test]
fn nothing_is_adopted_beside_pods_that_are_nobodys() {
    let mut lab = Lab::before_adoption(&routed());
    let stranger = "inventory-7f9c6b54d-x2x9k".to_owned();
    lab.cluster.strangers.push(stranger);
    while lab.cluster.tick() {}
    lab.settle();
    assert_eq!(lab.phase(), Phase::Pending);
    assert!(lab.status().message.contains("inventory-7f9c6b54d-x2x9k"), "{}", lab.status().message);
    lab.cluster.strangers.clear();
    while lab.cluster.tick() {}
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn a_route_is_not_pinned_to_fewer_pods_than_those_it_would_shut_out() {
    for (strangers, pinned) in [(9, true), (11, false)] {
        let mut lab = Lab::adopted(&with(&json!({})));
        lab.cluster.strangers = (0..strangers).map(|number| format!("inventory-7f9c6b54d-{number:05}")).collect();
        while lab.cluster.tick() {}
        lab.settle();
        assert_eq!(lab.cluster.weight_of("checkout-stable") == Percent::FULL, pinned, "{strangers}");
        assert!(lab.status().message.contains("nothing starts until they are gone"));
    }
}
