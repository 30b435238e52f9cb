//! The operator dies before any write: the one that comes after it ends where the first would have.

use serde_json::json;
use tidegate_api::Verdict;

use super::{
    lab::Lab,
    specs::{by_pods, routed, with},
};

/// What must not depend on where the operator died.
fn end(lab: &Lab) -> impl PartialEq + std::fmt::Debug {
    let status = lab.status();
    let cluster = &lab.cluster;
    let sets = cluster.replica_sets.values().map(|set| (set.name().to_owned(), set.replicas(), set.status.clone()));
    let deployment = cluster.deployment.as_ref().map(|deployment| deployment.spec.clone());
    let routes: Vec<_> = cluster.routes.values().map(|route| route["spec"].clone()).collect();
    let mut made: Vec<_> =
        lab.log.iter().filter(|write| write.starts_with("create") || write.starts_with("delete")).cloned().collect();
    made.sort_unstable();
    let decided = (status.phase, status.route, status.stage, status.stable, status.canary, status.adoption);
    (decided, lab.steps.clone(), sets.collect::<Vec<_>>(), deployment, routes, cluster.ended.len(), made)
}

/// Plays everything to its end, and every round of it once for each write in it that may be the last of a process.
fn crash_everywhere(mut lab: Lab) -> Lab {
    loop {
        let before = lab.clone();
        lab.settle();
        for write in before.writes..lab.writes {
            let mut other = before.clone();
            other.dies_at = Some(write);
            other.settle();
            assert_eq!(end(&other), end(&lab), "died before write {write}");
        }
        match lab.wake {
            Some(wake) => lab.sleep_until(wake),
            None => return lab,
        }
    }
}

#[test]
fn adoption_survives_a_crash_before_any_write() {
    let lab = crash_everywhere(Lab::before_adoption(&routed()));
    assert!(lab.cluster.ended.is_empty());
}

#[test]
fn adoption_by_a_second_replica_set_survives_a_crash_before_any_write() {
    let mut lab = Lab::before_adoption(&routed());
    lab.cluster.forbids_moving = true;
    crash_everywhere(lab);
}

#[test]
fn a_promotion_survives_a_crash_before_any_write() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    assert_eq!(crash_everywhere(lab).cluster.pods_of("v2"), 10);
}

#[test]
fn a_promotion_by_pods_survives_a_crash_before_any_write() {
    let mut lab = Lab::adopted(&by_pods());
    lab.cluster.push("v2");
    assert_eq!(crash_everywhere(lab).cluster.pods_of("v2"), 10);
}

#[test]
fn a_revert_survives_a_crash_before_any_write() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::in_stage(&spec, "full");
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        assert_eq!(crash_everywhere(lab).cluster.pods_of("v1"), 10);
    }
}

#[test]
fn a_version_that_replaces_another_survives_a_crash_before_any_write() {
    let mut lab = Lab::in_stage(&with(&json!({"stages": [{"name": "full", "weight": "100%"}]})), "full");
    lab.cluster.push("v3");
    assert_eq!(crash_everywhere(lab).cluster.pods_of("v3"), 10);
}

#[test]
fn handing_back_survives_a_crash_before_any_write() {
    for stage in ["canary", "full"] {
        let mut lab = Lab::in_stage(&routed(), stage);
        lab.cluster.delete();
        let lab = crash_everywhere(lab);
        assert!(lab.cluster.rollout.is_none());
    }
}

#[test]
fn a_change_of_configuration_survives_a_crash_before_any_write() {
    let mut lab = Lab::before_adoption(&with(&json!({"track": [{"configMap": "settings"}]})));
    lab.cluster.configure("settings", &json!({"mode": "old"}));
    lab.cluster.mounted = Some("settings".to_owned());
    lab.finish();
    lab.cluster.push("v2");
    assert_eq!(crash_everywhere(lab.clone()).cluster.pods_of("v2"), 10);
    lab.finish();
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    let mut lab = crash_everywhere(lab);
    lab.cluster.delete();
    crash_everywhere(lab);
}
