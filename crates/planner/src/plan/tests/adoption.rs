//! Taking over a Deployment's pods.

use serde_json::json;
use tidegate_api::{AdoptionMode, AdoptionStep, Phase, condition::kind};

use super::{
    cluster::{Cluster, Controller, user_route},
    lab::Lab,
    specs::{by_pods, routed},
};

/// The reason why a Rollout with everything in place but one thing is not adopted, and the message.
fn refused(change: impl FnOnce(&mut Cluster)) -> (Lab, String) {
    let mut lab = Lab::before_adoption(&routed());
    change(&mut lab.cluster);
    lab.settle();
    assert_eq!(lab.phase(), Phase::Pending);
    assert_eq!(lab.log, [""; 0], "nothing is touched");
    let reason = lab.condition(kind::STALLED).unwrap_or_default();
    (lab, reason)
}

#[test]
fn adoption_takes_each_step_once_and_restarts_nothing() {
    let mut lab = Lab::before_adoption(&routed());
    let pods = lab.cluster.all_pods();
    lab.settle();
    assert_eq!(
        lab.log,
        ["claim the Rollout", "Deployment paused", "v1 changes its owner", "Deployment unpaused, to 0"]
    );
    assert_eq!(lab.steps, ["Adopted"]);
    assert_eq!(lab.cluster.all_pods(), pods);
    assert!(lab.cluster.ended.is_empty());
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.condition(kind::READY).as_deref(), Some("Stable"));
    assert_eq!(lab.status().stable.unwrap().ready, 10);
}

#[test]
fn the_count_is_written_where_the_user_left_it_out() {
    let lab = Lab::adopted(&routed());
    assert_eq!(lab.cluster.rollout.unwrap().spec.replicas, Some(10));
}

#[test]
fn a_count_that_the_user_wrote_is_kept_and_wins_after_adoption() {
    let mut spec = routed();
    spec["replicas"] = json!(12);
    let lab = Lab::adopted(&spec);
    assert_eq!(lab.cluster.rollout.as_ref().unwrap().spec.replicas, Some(12));
    assert_eq!(lab.cluster.pods_of("v1"), 12);
    assert!(lab.cluster.ended.is_empty());
}

#[test]
fn a_replica_set_that_somebody_deletes_under_the_paused_deployment_comes_back() {
    let mut lab = Lab::before_adoption(&routed());
    while !lab.cluster.deployment.as_ref().unwrap().spec.paused {
        lab.decide();
    }
    let name = lab.cluster.replica_sets.keys().next().unwrap().clone();
    lab.cluster.remove_replica_set(&name);
    lab.until(|lab| lab.phase() == Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
}

#[test]
fn adoption_waits_for_each_controller_in_turn() {
    let mut lab = Lab::before_adoption(&routed());
    let mut steps = Vec::new();
    for _ in 0..20 {
        lab.decide();
        steps.extend(lab.status().adoption.map(|adoption| adoption.step));
        lab.cluster.tick();
    }
    steps.dedup();
    assert_eq!(steps, [AdoptionStep::Pausing, AdoptionStep::Moving, AdoptionStep::Emptying, AdoptionStep::Adopted]);
}

#[test]
fn a_deployment_controller_that_sleeps_is_waited_for() {
    let mut lab = Lab::before_adoption(&routed());
    for _ in 0..5 {
        lab.decide();
    }
    assert_eq!(lab.status().adoption.unwrap().step, AdoptionStep::Pausing);
    assert_eq!(lab.log, ["claim the Rollout", "Deployment paused"]);
}

#[test]
fn a_deployment_that_is_missing_is_named_and_waited_for() {
    let (mut lab, reason) = refused(Cluster::delete_deployment);
    assert_eq!(reason, "WorkloadNotFound");
    let advice = "create it, or delete this Rollout, which cannot change to another, and make a new one";
    assert_eq!(lab.status().message, format!("Deployment checkout does not exist; {advice}"));
    lab.cluster.deployment = Cluster::serving(3).deployment;
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn a_service_that_is_missing_is_named_and_waited_for() {
    let (mut lab, reason) = refused(|cluster| {
        cluster.services.clear();
    });
    assert_eq!(reason, "ServiceNotFound");
    let advice = "create it, or delete this Rollout, which cannot change to another, and make a new one";
    assert_eq!(lab.status().message, format!("Service checkout does not exist; {advice}"));
    lab.cluster.create_service();
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn a_route_that_is_missing_is_named_and_waited_for() {
    let (mut lab, reason) = refused(|cluster| cluster.routes.clear());
    assert_eq!(reason, "RouteNotFound");
    lab.cluster.create_route();
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn a_route_that_does_not_mention_the_service_is_refused() {
    let (_, reason) = refused(|cluster| cluster.write_backends(&json!([{"name": "cart", "port": 80}])));
    assert_eq!(reason, "RouteUnusable");
}

#[test]
fn a_service_that_selects_other_pods_is_refused() {
    let (_, reason) = refused(|cluster| {
        let service = cluster.services.get_mut("checkout").unwrap();
        service.spec.as_mut().unwrap().selector = Some([("app".to_owned(), "cart".to_owned())].into());
    });
    assert_eq!(reason, "ServiceUnusable");
}

#[test]
fn a_service_of_somebody_else_in_the_place_of_a_revisions_is_refused() {
    let (_, reason) = refused(|cluster| {
        let mut taken = cluster.services["checkout"].clone();
        taken.metadata.name = Some("checkout-canary".to_owned());
        cluster.services.insert("checkout-canary".to_owned(), taken);
    });
    assert_eq!(reason, "ServiceUnusable");
}

#[test]
fn an_autoscaler_on_the_deployment_is_waited_for() {
    let (mut lab, reason) = refused(|cluster| cluster.autoscaler = Some("checkout".to_owned()));
    assert_eq!(reason, "AutoscalerTargetsDeployment");
    assert!(lab.status().message.contains("kind Rollout"));
    lab.cluster.autoscaler = None;
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn another_rollout_that_came_first_is_named() {
    let (_, reason) = refused(|cluster| cluster.rival = Some("Rollout cart already has it".to_owned()));
    assert_eq!(reason, "Conflict");
}

#[test]
fn a_spec_that_breaks_a_rule_is_refused() {
    let (_, reason) = refused(|cluster| cluster.edit(&json!({"stages": [{"name": "a", "weight": "5%"}]})));
    assert_eq!(reason, "InvalidSpec");
}

#[test]
fn a_deployment_in_the_middle_of_its_own_rollout_is_left_alone() {
    let (mut lab, _) = refused(|cluster| {
        cluster.broken.insert("v2".to_owned());
        cluster.push("v2");
    });
    assert!(lab.status().message.contains("has finished its own rollout"));
    lab.cluster.broken.clear();
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v2"), 10);
    assert_eq!(lab.cluster.pods_of("v1"), 0);
}

#[test]
fn where_a_replica_set_may_not_change_hands_a_second_one_comes_up_first() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::before_adoption(&spec);
        lab.cluster.forbids_moving = true;
        lab.settle();
        assert_eq!(lab.phase(), Phase::Stable, "{}", lab.status().message);
        assert_eq!(lab.status().adoption.unwrap().mode, AdoptionMode::Surge);
        assert_eq!(lab.steps, ["AdoptionRefused", "Adopted"]);
        assert_eq!(lab.log.iter().filter(|write| *write == "create v1 with 10").count(), 1);
        assert_eq!(lab.cluster.pods_of("v1"), 10);
        assert_eq!(lab.status().stable.unwrap().ready, 10);
    }
}

#[test]
fn a_deployment_of_no_pods_is_adopted() {
    let mut lab = Lab::new(Cluster::serving(0));
    lab.cluster.create_rollout(&routed());
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
}

#[test]
fn a_template_that_changes_while_it_is_adopted_starts_a_rollout_afterwards() {
    let mut lab = Lab::before_adoption(&routed());
    for _ in 0..3 {
        lab.decide();
    }
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!(lab.phase(), Phase::Progressing);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    assert!(lab.cluster.ended.is_empty());
}

#[test]
fn a_version_that_comes_just_before_the_pause_is_let_finish_first() {
    let mut lab = Lab::before_adoption(&routed());
    lab.decide();
    lab.cluster.push("v2");
    lab.cluster.run(Controller::Deployments);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    assert_eq!(lab.cluster.pods_of("v1"), 0);
}
