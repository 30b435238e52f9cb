//! A version that was stable before comes back at once.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase};

use super::{
    lab::Lab,
    specs::{by_pods, routed, with},
};

fn windowed(window: &Value) -> Value {
    with(&json!({"rollbackWindow": window}))
}

/// `v2` was promoted, `v1` before it.
fn promoted(spec: &Value) -> Lab {
    let mut lab = Lab::adopted(spec);
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    lab
}

fn started(lab: &Lab) -> [usize; 2] {
    ["RolloutStarted", "RolledBack"].map(|reason| lab.told(reason))
}

#[test]
fn the_version_before_comes_back_at_once_whatever_gates_and_schedule_say() {
    let mut lab = promoted(&windowed(&json!({})));
    lab.cluster.edit(&json!({
        "schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]},
        "gates": {"start": [{"name": "sign-off", "approval": {}}], "promote": [{"name": "again", "approval": {}}]},
    }));
    lab.cluster.push("v1");
    lab.decide();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO, "the weight comes when its pods do");
    let began = lab.cluster.now;
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1"), started(&lab)), (Phase::Stable, 10, [1, 1]));
    assert!(lab.cluster.now.duration_since(began).as_secs() < 120, "it takes its drains alone");
    assert!(!lab.status().rolls_back);
}

#[test]
fn without_a_window_and_after_it_the_version_before_is_a_new_one() {
    let mut lab = promoted(&routed());
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!(started(&lab), [2, 0]);
    let mut lab = promoted(&windowed(&json!({"for": "1h"})));
    lab.pass(3601);
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!((started(&lab), lab.stage().as_str()), ([2, 0], "canary"));
}

#[test]
fn only_as_many_as_the_window_says_come_back_at_once() {
    let mut lab = promoted(&windowed(&json!({"revisions": 1})));
    lab.cluster.push("v3");
    lab.finish();
    let former: Vec<_> = lab.status().former.into_iter().map(|former| former.images).collect();
    assert_eq!(former, [["v2"]]);
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!(started(&lab), [3, 0]);
}

#[test]
fn without_a_route_it_comes_back_by_its_pods() {
    let mut spec = by_pods();
    spec["rollbackWindow"] = json!({"for": "24h"});
    let mut lab = promoted(&spec);
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1"), started(&lab)), (Phase::Stable, 10, [1, 1]));
}

#[test]
fn a_version_that_does_not_come_up_any_more_leaves_the_traffic_where_it_was() {
    let mut lab = promoted(&windowed(&json!({})));
    lab.cluster.broken.insert("v1".to_owned());
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Reverted, 10));
}

#[test]
fn what_is_paused_stays_where_it_is() {
    let mut lab = promoted(&windowed(&json!({})));
    lab.cluster.edit(&json!({"paused": true}));
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Stable, 0));
}

#[test]
fn a_version_that_does_not_come_up_falls_back_to_no_stage_unjudged() {
    let mut spec = windowed(&json!({}));
    spec["onFailure"] = json!("StepBack");
    let mut lab = promoted(&spec);
    lab.cluster.broken.insert("v1".to_owned());
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!((lab.phase(), lab.told("SteppedBack")), (Phase::Reverted, 0));
}

#[test]
fn a_version_that_took_over_unjudged_makes_no_former_one_of_what_was_down() {
    let mut lab = Lab::in_stage(&windowed(&json!({})), "canary");
    lab.cluster.broken.insert("v1".to_owned());
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v2"), lab.status().former.len()), (10, 0), "{}", lab.status().message);
}
