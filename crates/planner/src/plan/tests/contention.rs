//! Somebody else changes what the operator writes.

use serde_json::json;
use tidegate_api::{Percent, Phase, Span, StagePart, condition::kind};

use super::{
    cluster::{Cluster, user_route},
    lab::Lab,
    specs::{routed, with},
};
use crate::plan::{after, in_seconds};

fn foreign() -> serde_json::Value {
    json!([
        {"name": "checkout-stable", "port": 80, "weight": 50},
        {"name": "checkout-canary", "port": 80, "weight": 50},
    ])
}

#[test]
fn foreign_weights_are_written_back_three_times_and_then_held() {
    for backends in [foreign(), user_route()["rules"][0]["backendRefs"].clone()] {
        let mut lab = Lab::in_stage(&routed(), "canary");
        for time in 1..=3 {
            lab.cluster.write_backends(&backends);
            lab.settle();
            assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0), "time {time}");
            assert_eq!(lab.phase(), Phase::Progressing);
            lab.pass(5);
        }
        lab.cluster.write_backends(&backends);
        lab.settle();
        assert_eq!(lab.phase(), Phase::Held);
        assert_eq!(lab.cluster.routes["checkout"]["spec"]["rules"][0]["backendRefs"], backends);
        assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("Contention"));
        assert!(lab.status().message.contains("argocd-controller"), "{}", lab.status().message);
        assert_eq!(lab.stage(), "canary");
    }
}

/// Two routes, and a canary at 5 % of both.
fn two_routes() -> Lab {
    let mut spec = routed();
    spec["traffic"]["gatewayAPI"]["routes"] = json!([{"name": "checkout"}, {"name": "partners"}]);
    let mut cluster = Cluster::serving(10);
    let mut partners = cluster.routes["checkout"].clone();
    partners["metadata"]["name"] = json!("partners");
    cluster.routes.insert("partners".to_owned(), partners);
    cluster.create_rollout(&spec);
    let mut lab = Lab::new(cluster);
    lab.settle();
    lab.cluster.push("v2");
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab
}

#[test]
fn each_of_two_routes_has_its_own_quarrel() {
    let mut lab = two_routes();
    for _ in 1..=3 {
        lab.cluster.write_backends(&foreign());
        lab.settle();
        lab.pass(30);
        lab.cluster.write_backends_of("partners", &foreign());
        lab.settle();
        assert_eq!(lab.phase(), Phase::Progressing);
        lab.pass(30);
    }
    lab.cluster.write_backends(&foreign());
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);
    let counts = |lab: &Lab| lab.status().contentions.iter().map(|known| known.changes.len()).collect::<Vec<_>>();
    assert_eq!(counts(&lab), [4, 3]);
    lab.pass(30);
    lab.cluster.write_backends_of("partners", &foreign());
    lab.settle();
    assert_eq!((lab.phase(), counts(&lab)), (Phase::Held, vec![4, 4]));
}

#[test]
fn the_stage_stands_still_while_other_weights_are_in_force_and_says_which() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let since = |lab: &Lab| lab.status().stage.and_then(|stage| stage.since).unwrap();
    let began = since(&lab);
    for _ in 0..4 {
        lab.cluster.write_backends(&foreign());
        lab.settle();
    }
    let stage = lab.status().stage.unwrap();
    assert_eq!((stage.weight_in_force, stage.until), (Percent::new(50.0), None));
    // The writer goes on for twenty minutes, which is longer than the bake.
    for _ in 0..40 {
        lab.pass(30);
        lab.cluster.write_backends(&foreign());
        lab.settle();
        assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Held, "canary"));
    }
    lab.until(|lab| lab.phase() == Phase::Progressing);
    let stage = lab.status().stage.unwrap();
    assert_eq!((stage.name.as_str(), stage.weight_in_force), ("canary", Percent::new(5.0)));
    let stood_still = since(&lab).duration_since(began).as_secs();
    assert!((1200..1300).contains(&stood_still), "{stood_still}");
    let parts: Vec<_> = lab.status().begun.iter().map(|begun| begun.part).collect();
    assert_eq!(parts, [None, Some(StagePart::Disturbed), Some(StagePart::Resumed)]);
    lab.pass(590);
    assert_eq!(lab.stage(), "canary", "its bake is ten minutes of its own weight");
    lab.pass(15);
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_route_is_written_back_within_a_minute_after_the_writer_fell_silent_and_the_message_says_when() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    for _ in 0..4 {
        lab.cluster.write_backends(&foreign());
        lab.settle();
    }
    let tried = in_seconds(after(lab.cluster.now, Span::seconds(50)));
    assert!(lab.status().message.contains(&format!("written back at {tried}")), "{}", lab.status().message);
    lab.pass(49);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(50.0));
    lab.pass(1);
    assert_eq!((lab.cluster.canary_weight(), lab.phase()), (Percent::new(5.0), Phase::Held));
    lab.pass(45);
    assert_eq!(lab.phase(), Phase::Progressing);
}

#[test]
fn a_writer_who_answers_every_write_back_is_answered_once_a_minute_at_most() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let before = lab.log.len();
    for _ in 0..600 {
        if lab.cluster.canary_weight() == Percent::new(5.0) {
            lab.cluster.write_backends(&foreign());
        }
        lab.settle();
        lab.pass(1);
        assert_eq!(lab.stage(), "canary");
    }
    let written_back = lab.log.len() - before;
    assert!((10..=16).contains(&written_back), "{written_back}");
    assert_eq!(lab.phase(), Phase::Held);
}

#[test]
fn a_held_rollout_goes_on_when_the_other_writer_gives_in() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let ours = lab.cluster.routes["checkout"]["spec"]["rules"][0]["backendRefs"].clone();
    for _ in 0..4 {
        lab.cluster.write_backends(&foreign());
        lab.settle();
    }
    assert_eq!(lab.phase(), Phase::Held);
    lab.cluster.write_backends(&ours);
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_failure_is_acted_on_whoever_writes_the_route() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    for _ in 0..4 {
        lab.cluster.write_backends(&foreign());
        lab.settle();
    }
    lab.verdicts.insert("errors".to_owned(), tidegate_api::Verdict::Fail);
    lab.decide();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
}

#[test]
fn a_deployment_that_somebody_scales_up_is_scaled_back_with_growing_pauses() {
    let mut lab = Lab::adopted(&routed());
    let start = lab.cluster.now;
    let mut answers = Vec::new();
    for _ in 0..5 {
        lab.cluster.scale_deployment(3);
        lab.until(|lab| lab.cluster.deployment.as_ref().unwrap().spec.replicas == Some(0));
        answers.push(lab.cluster.now.duration_since(start).as_secs());
    }
    assert_eq!(answers[0], 0);
    let pauses: Vec<_> = answers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && pauses[3] >= 16, "{pauses:?}");
    assert!(lab.steps.iter().all(|step| step == "ForeignPods"));
    assert!(lab.status().history[0].message.contains("argocd-controller"));
}

#[test]
fn traffic_stays_on_the_stable_version_while_foreign_pods_are_behind_the_service() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.scale_deployment(3);
    while lab.cluster.tick() {}
    assert_eq!(lab.cluster.endpoints["checkout"].len(), 13);
    let mut pinned = false;
    for _ in 0..12 {
        lab.decide();
        lab.cluster.tick();
        pinned |= lab.cluster.weight_of("checkout-stable") == Percent::FULL;
        if pinned {
            assert!(
                lab.cluster.weight_of("checkout-stable") == Percent::FULL
                    || lab.cluster.endpoints["checkout"].len() == 10
            );
        }
    }
    assert!(pinned);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.cluster.all_pods().len(), 10);
}

#[test]
fn foreign_pods_of_the_version_that_failed_get_no_traffic() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), tidegate_api::Verdict::Fail);
    lab.finish();
    lab.cluster.scale_deployment(3);
    lab.settle();
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    assert_eq!(lab.cluster.pods_of("v2"), 0);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}

#[test]
fn a_deployment_that_is_scaled_up_in_mid_flight_does_not_stop_the_rollout() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.scale_deployment(3);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.all_pods().len(), 10);
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn old_pods_that_somebody_gave_traffic_in_the_last_stage_are_drained_anew() {
    let mut lab = Lab::in_stage(&routed(), "full");
    lab.pass(590);
    lab.cluster.write_backends(&foreign());
    lab.cluster.tick();
    lab.pass(10);
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Promoting, 10));
    lab.pass(29);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    lab.pass(1);
    assert_eq!(lab.cluster.pods_of("v1"), 0);
}

#[test]
fn pods_that_somebody_gave_traffic_while_they_drain_are_drained_anew_by_an_operator_that_dies_meanwhile() {
    for write in 1..4 {
        let compared = json!({"name": "errors", "errorRate": {"preset": "pod-http", "relative": {}}});
        let mut lab = Lab::in_stage(&with(&json!({"analysis": {"controlShare": "1%", "checks": [compared]}})), "full");
        lab.pass(600);
        assert_eq!(lab.phase(), Phase::Promoting);
        lab.pass(29);
        lab.cluster.write_backends(&foreign());
        lab.cluster.tick();
        lab.dies_at = Some(lab.writes + write);
        lab.decide();
        lab.dies_at = None;
        lab.cluster.tick();
        lab.pass(29);
        assert_eq!(lab.cluster.pods_of("v1"), 10, "dies at write {write}");
        lab.finish();
        assert_eq!(lab.cluster.pods_of("v1"), 0);
    }
}
