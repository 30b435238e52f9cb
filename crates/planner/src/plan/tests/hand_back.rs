//! A deleted Rollout gives everything back.

use serde_json::json;
use tidegate_api::{AdoptionMode, Verdict};

use super::{
    cluster::{Cluster, Gateway, image_of, user_route},
    lab::Lab,
    specs::{by_pods, routed},
};
use crate::{
    plan::{Effect, desired},
    workload::{Ownership, ReplicaSet, ownership, taking_over},
};

/// Deletes the Rollout, and looks at what is left when it is gone.
fn delete(mut lab: Lab, image: &str, replicas: usize) {
    let serving = |lab: &Lab| -> std::collections::BTreeSet<String> {
        let sets = lab.cluster.replica_sets.values().filter(|set| image_of(set) == image);
        sets.flat_map(|set| lab.cluster.pods[set.name()].iter().map(|pod| pod.name.clone())).collect()
    };
    let before = serving(&lab);
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    while lab.cluster.tick() {}
    let deployment = lab.cluster.deployment.clone().unwrap();
    assert!(!deployment.spec.paused);
    assert_eq!(usize::try_from(deployment.replicas()).unwrap(), replicas);
    assert!(deployment.is_complete());
    assert_eq!(lab.cluster.pods_of(image), replicas);
    assert_eq!(lab.cluster.all_pods().len(), replicas, "no other version has pods");
    assert_eq!(serving(&lab), before, "no pod was restarted");
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.cluster.services.keys().collect::<Vec<_>>(), ["checkout"]);
    assert_eq!(lab.cluster.endpoints["checkout"].len(), replicas);
}

#[test]
fn at_rest_the_deployment_gets_its_pods_back() {
    for spec in [routed(), by_pods()] {
        delete(Lab::adopted(&spec), "v1", 10);
    }
}

#[test]
fn handing_back_takes_each_step_once() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    assert_eq!(
        lab.log,
        [
            "Deployment paused, to 0",
            "delete v1",
            "Deployment paused, to 10",
            "v1 changes its owner",
            "v1 changes its labels",
            "Deployment unpaused",
            "release the Rollout"
        ]
    );
}

#[test]
fn before_anything_was_touched_the_rollout_just_goes() {
    let lab = Lab::before_adoption(&routed());
    delete(lab, "v1", 10);
}

#[test]
fn in_the_middle_of_adoption_nothing_restarts() {
    for spec in [routed(), by_pods()] {
        for rounds in 1..16 {
            let mut lab = Lab::before_adoption(&spec);
            for round in 0..rounds {
                if round % 2 == 0 {
                    lab.decide();
                } else {
                    lab.cluster.tick();
                }
            }
            delete(lab, "v1", 10);
        }
    }
}

#[test]
fn in_each_stage_the_stable_version_is_handed_back() {
    for spec in [routed(), by_pods()] {
        for stage in ["canary", "quarter"] {
            delete(Lab::in_stage(&spec, stage), "v1", 10);
        }
    }
    delete(Lab::in_stage(&routed(), "full"), "v1", 10);
}

#[test]
fn between_two_stages_the_stable_version_is_handed_back() {
    for rounds in 1..12 {
        let mut lab = Lab::in_stage(&routed(), "canary");
        lab.sleep_until(lab.wake.unwrap());
        for _ in 0..rounds {
            lab.decide();
            lab.cluster.tick();
        }
        delete(lab, "v1", 10);
    }
}

#[test]
fn while_reverting_the_stable_version_is_handed_back() {
    for rounds in 1..6 {
        let mut lab = Lab::in_stage(&routed(), "quarter");
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        for _ in 0..rounds {
            lab.decide();
            lab.cluster.tick();
        }
        delete(lab, "v1", 10);
    }
}

#[test]
fn after_a_failure_the_stable_version_is_handed_back() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    delete(lab, "v1", 10);
}

#[test]
fn while_promoting_the_new_version_is_handed_back() {
    for rounds in 1..10 {
        let mut lab = Lab::in_stage(&routed(), "full");
        lab.sleep_until(lab.wake.unwrap());
        for _ in 0..rounds {
            lab.decide();
            lab.cluster.tick();
        }
        delete(lab, "v2", 10);
    }
}

#[test]
fn pods_that_a_second_replica_set_brought_up_are_handed_back_by_a_third() {
    let mut lab = Lab::before_adoption(&routed());
    lab.cluster.forbids_moving = true;
    lab.settle();
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    while lab.cluster.tick() {}
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    assert!(lab.cluster.deployment.unwrap().is_complete());
}

/// A Rollout whose second ReplicaSet is coming up, since the first may not change hands.
fn doubling() -> Lab {
    let mut lab = Lab::before_adoption(&routed());
    lab.cluster.forbids_moving = true;
    while lab.status().adoption.is_none_or(|adoption| adoption.mode != AdoptionMode::Surge) {
        lab.decide();
        lab.cluster.tick();
    }
    lab.decide();
    assert_eq!(lab.log.last().map(String::as_str), Some("create v1 with 10"));
    lab
}

#[test]
fn a_second_replica_set_that_was_coming_up_goes_and_the_deployment_goes_on() {
    let mut lab = doubling();
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    while lab.cluster.tick() {}
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    assert!(!lab.cluster.deployment.unwrap().spec.paused);
}

#[test]
fn a_replica_set_that_changed_hands_although_it_was_refused_is_handed_back() {
    let mut lab = doubling();
    lab.cluster.forbids_moving = false;
    let (rollout, workload) = (lab.cluster.rollout.clone().unwrap(), lab.cluster.deployment.clone().unwrap());
    let is_first = |set: &&ReplicaSet| ownership::controller(*set) == workload.metadata.uid.as_deref();
    let first = lab.cluster.replica_sets.values().find(is_first).unwrap().clone();
    let moved = taking_over(&first, &Ownership::of(&rollout, &workload));
    lab.cluster.write(&Effect::PatchReplicaSet(first.name().to_owned(), moved)).unwrap();
    lab.cluster.push("v2");
    lab.cluster.delete();
    let mut least = 10;
    while lab.cluster.rollout.is_some() {
        let wrote = lab.decide();
        let moved = lab.cluster.tick();
        least = least.min(lab.cluster.pods_of("v1") + lab.cluster.pods_of("v2"));
        if !wrote && !moved {
            lab.sleep_until(lab.wake.expect("it waits for something"));
        }
    }
    while lab.cluster.tick() {}
    let deployment = lab.cluster.deployment.clone().unwrap();
    assert!(least >= 7, "never fewer than the Deployment's own rollout takes away: {least}");
    assert_eq!((lab.cluster.pods_of("v2"), deployment.spec.paused), (10, false));
}

#[test]
fn the_count_of_the_rollout_is_handed_back() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.edit(&json!({"replicas": 7}));
    lab.settle();
    delete(lab, "v1", 7);
}

#[test]
fn what_is_missing_never_blocks_deletion() {
    let losses: [fn(&mut Cluster); 5] = [
        Cluster::delete_deployment,
        |cluster| drop(cluster.services.remove("checkout")),
        |cluster| cluster.routes.clear(),
        |cluster| {
            cluster.delete_deployment();
            cluster.services.clear();
            cluster.routes.clear();
        },
        |cluster| {
            cluster.replica_sets.clear();
            cluster.pods.clear();
        },
    ];
    for lose in losses {
        for prepare in [
            || Lab::before_adoption(&routed()),
            || Lab::adopted(&routed()),
            || Lab::in_stage(&routed(), "quarter"),
            || Lab::in_stage(&by_pods(), "quarter"),
        ] {
            let mut lab = prepare();
            lose(&mut lab.cluster);
            lab.cluster.delete();
            lab.until(|lab| lab.cluster.rollout.is_none());
        }
    }
}

#[test]
fn a_gateway_that_never_accepts_does_not_block_deletion() {
    for gateway in [Gateway::Silent, Gateway::Rejects] {
        for stage in ["canary", "full"] {
            let mut lab = Lab::in_stage(&routed(), stage);
            lab.cluster.gateway = gateway;
            lab.cluster.delete();
            lab.until(|lab| lab.cluster.rollout.is_none());
            assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route(), "{gateway:?} in {stage}");
            assert_eq!(lab.cluster.deployment.as_ref().unwrap().replicas(), 10);
        }
    }
}

#[test]
fn a_stable_version_without_ready_pods_does_not_block_deletion() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.broken.insert("v1".to_owned());
    lab.cluster.tick();
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.cluster.deployment.as_ref().unwrap().replicas(), 10);
}

#[test]
fn where_nothing_is_left_to_serve_no_gateway_is_waited_for() {
    for gateway in [Gateway::Silent, Gateway::Rejects] {
        let mut lab = Lab::in_stage(&routed(), "quarter");
        lab.cluster.gateway = gateway;
        lab.cluster.delete();
        lab.cluster.delete_deployment();
        lab.cluster.replica_sets.clear();
        lab.cluster.pods.clear();
        let deleted = lab.cluster.now;
        lab.until(|lab| lab.cluster.rollout.is_none());
        assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route(), "{gateway:?}");
        assert!(lab.cluster.now.duration_since(deleted).as_secs() < 60, "{gateway:?}: {:?}", lab.log);
    }
}

#[test]
fn where_the_new_version_alone_serves_the_deployment_gets_its_pods() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    let serving = lab.cluster.pods[lab.cluster.running("v2").unwrap().name()].clone();
    lab.cluster.broken.insert("v1".to_owned());
    lab.cluster.tick();
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    assert!(serving.iter().all(|pod| !lab.cluster.ended.contains(&pod.name)), "{:?}", lab.log);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}

#[test]
fn a_deployment_that_git_scales_up_in_the_same_moment_gets_its_pods_back_all_the_same() {
    for spec in [routed(), by_pods()] {
        for rounds in 0..6 {
            let mut lab = Lab::adopted(&spec);
            lab.cluster.delete();
            for _ in 0..rounds {
                lab.decide();
                lab.cluster.tick();
            }
            lab.cluster.scale_deployment(3);
            lab.until(|lab| lab.cluster.rollout.is_none());
            while lab.cluster.tick() {}
            let deployment = lab.cluster.deployment.as_ref().unwrap();
            assert!(deployment.is_complete() && !deployment.spec.paused);
        }
    }
}

#[test]
fn a_service_that_was_overlooked_goes_with_the_rollout() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let services = lab.cluster.services.clone();
    lab.cluster.delete();
    let mut leaving = lab.cluster.rollout.clone().unwrap();
    lab.until(|lab| lab.cluster.rollout.is_none());
    lab.cluster.services = services;
    leaving.status.as_mut().unwrap().adoption = None;
    let effects = desired(&leaving, &lab.cluster.observe(&leaving, None), lab.cluster.now);
    let deleted = |effect: &Effect| matches!(effect, Effect::DeleteService { .. });
    assert_eq!(effects.iter().filter(|desired| deleted(&desired.effect)).count(), 2, "{effects:?}");
    assert!(matches!(effects.last().unwrap().effect, Effect::PatchRollout(_)), "and the Rollout after them");
}

#[test]
fn a_route_is_restored_although_pods_that_somebody_starts_never_let_the_drain_end() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.delete();
    lab.until(|lab| lab.status().draining_since.is_some());
    lab.cluster.scale_deployment(3);
    lab.until(|lab| lab.cluster.rollout.is_none());
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}
