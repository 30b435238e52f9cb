//! Counts that change, and pods that go, while a rollout lasts.

use serde_json::json;
use tidegate_api::{Percent, Phase, Verdict};

use super::{
    cluster::{Cluster, user_route},
    lab::Lab,
    specs::{by_pods, routed},
};

#[test]
fn at_rest_the_count_follows_the_spec_both_ways() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::adopted(&spec);
        for count in [14, 3] {
            lab.cluster.edit(&json!({"replicas": count}));
            lab.settle();
            assert_eq!(lab.cluster.pods_of("v1"), usize::try_from(count).unwrap());
        }
        assert_eq!(lab.log, ["v1 to 14", "v1 to 3"]);
    }
}

#[test]
fn an_autoscaler_raises_the_count_in_mid_flight_and_never_lowers_it() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::in_stage(&spec, "quarter");
        lab.cluster.edit(&json!({"replicas": 20}));
        lab.settle();
        assert_eq!(lab.cluster.pods_of("v1"), 20);
        lab.cluster.edit(&json!({"replicas": 4}));
        lab.settle();
        assert_eq!(lab.cluster.pods_of("v1"), 20);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Stable);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (0, 4));
    }
}

#[test]
fn a_canary_that_loses_all_its_pods_gets_no_traffic_and_its_clock_anew() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.pass(300);
    lab.cluster.broken.insert("v2".to_owned());
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
    assert_eq!(lab.status().stage.unwrap().since, None);
    assert_eq!(lab.status().stage.unwrap().weight_in_force, Percent::ZERO);
    lab.pass(60);
    lab.cluster.broken.clear();
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0));
    assert_eq!(lab.status().stage.unwrap().since, Some(lab.cluster.now));
    lab.pass(599);
    assert_eq!(lab.stage(), "canary");
    lab.pass(1);
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_canary_that_stays_without_pods_reverts_at_the_progress_deadline() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::in_stage(&spec, "canary");
        lab.cluster.broken.insert("v2".to_owned());
        lab.settle();
        lab.pass(600);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
    }
}

#[test]
fn with_no_stable_pod_ready_the_route_is_left_alone_and_nothing_is_scaled_down() {
    for stage in ["canary", "full"] {
        let mut lab = Lab::in_stage(&routed(), stage);
        let (weight, pods) = (lab.cluster.canary_weight(), lab.cluster.all_pods());
        lab.cluster.broken.insert("v1".to_owned());
        lab.settle();
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.settle();
        lab.pass(24 * 3600);
        assert_eq!(lab.cluster.canary_weight(), weight);
        assert_eq!(lab.cluster.all_pods(), pods);
        lab.cluster.broken.clear();
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
        assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    }
}

#[test]
fn a_fix_for_a_stable_version_without_ready_pods_gets_there() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.broken.insert("v1".to_owned());
    lab.settle();
    lab.cluster.push("v2");
    lab.settle();
    lab.pass(30);
    assert_eq!(lab.cluster.pods_of("v2"), 1, "a moment without endpoints is no reason");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    assert!(lab.steps.iter().any(|step| step == "StableLost"), "{:?}", lab.steps);
}

#[test]
fn a_paused_rollout_takes_over_from_nobody() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.broken.insert("v1".to_owned());
    lab.settle();
    lab.cluster.push("v2");
    lab.settle();
    lab.cluster.edit(&json!({"paused": true}));
    lab.pass(3600);
    assert_eq!(lab.phase(), Phase::Held, "{}", lab.status().message);
    assert!(lab.status().message.contains("no pod of the stable ReplicaSet"), "{}", lab.status().message);
}

#[test]
fn a_new_version_of_a_workload_of_no_pods_waits_until_there_are_some() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::new(Cluster::serving(0));
        lab.cluster.create_rollout(&spec);
        lab.settle();
        lab.cluster.push("v2");
        lab.finish();
        assert_eq!(lab.cluster.all_pods().len(), 0);
        assert_eq!(lab.phase(), Phase::Stable);
        assert!(lab.status().message.contains("scaled to 0"), "{}", lab.status().message);
        lab.cluster.edit(&json!({"replicas": 4}));
        lab.finish();
        assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 4));
    }
}

#[test]
fn a_workload_that_is_scaled_to_nothing_comes_back() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.edit(&json!({"replicas": 0}));
    lab.settle();
    assert_eq!(lab.cluster.all_pods().len(), 0);
    lab.cluster.edit(&json!({"replicas": 2}));
    lab.settle();
    assert_eq!(lab.cluster.pods_of("v1"), 2);
}

#[test]
fn one_pod_alone_is_promoted() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::new(Cluster::serving(1));
        lab.cluster.create_rollout(&spec);
        lab.settle();
        lab.cluster.push("v2");
        lab.finish();
        assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 1));
    }
}

#[test]
fn a_stable_replica_set_that_somebody_deletes_comes_back_while_its_template_is_known() {
    let mut lab = Lab::adopted(&routed());
    let name = lab.status().stable.unwrap().replica_set;
    lab.cluster.remove_replica_set(&name);
    lab.settle();
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
}

#[test]
fn a_stage_that_was_held_for_something_missing_gets_its_time_anew() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.broken.insert("v2".to_owned());
    lab.cluster.push("v2");
    lab.settle();
    let service = lab.cluster.services.remove("checkout").unwrap();
    lab.settle();
    lab.pass(3600);
    assert_eq!(lab.phase(), Phase::Held);
    lab.cluster.services.insert("checkout".to_owned(), service);
    lab.settle();
    lab.pass(599);
    assert_eq!(lab.phase(), Phase::Progressing);
    lab.cluster.broken.clear();
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_stable_replica_set_that_somebody_deletes_in_mid_flight_is_not_waited_for() {
    for (pushed, serves) in [("v2", "v2"), ("v3", "v3")] {
        let mut lab = Lab::in_stage(&routed(), "canary");
        let stable = lab.status().stable.unwrap().replica_set;
        lab.cluster.remove_replica_set(&stable);
        lab.cluster.push(pushed);
        lab.finish();
        assert_eq!((lab.phase(), lab.cluster.pods_of(serves)), (Phase::Stable, 10), "{}", lab.status().message);
    }
}
