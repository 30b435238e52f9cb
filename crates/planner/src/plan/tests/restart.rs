//! The pods of the stable version replaced by others of the same version.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::json;
use tidegate_api::Phase;

use super::{
    lab::Lab,
    specs::{by_pods, routed, surging},
};
use crate::workload::Deployment;

fn ask(lab: &mut Lab, command: &str) {
    let stable = lab.status().stable.unwrap().revision;
    lab.cluster.annotate(&format!("tidegate.dev/{command}"), &format!("{stable} by jane at {}", lab.cluster.now));
    lab.decide();
}

/// What came of the last command of that name, and whether it was done.
fn answer(lab: &Lab) -> (bool, String) {
    let commands = lab.status().commands;
    let known = commands.iter().find(|known| known.command == "restart");
    known.map(|known| (known.done, known.message.clone())).unwrap_or_default()
}

fn pods(lab: &Lab) -> BTreeSet<String> {
    lab.cluster.all_pods()
}

#[test]
fn every_pod_is_replaced_and_there_are_never_fewer_ready_ones_than_are_wanted() {
    for spec in [routed(), by_pods()] {
        let mut lab = Lab::adopted(&spec);
        let (before, revision) = (pods(&lab), lab.status().stable);
        ask(&mut lab, "restart");
        assert_eq!(
            (lab.status().restart.map(|restart| (restart.surge, restart.of)), lab.told("Restarting")),
            (Some((1, 10)), 1)
        );
        lab.finish();
        assert_eq!((pods(&lab).len(), pods(&lab).intersection(&before).count()), (10, 0), "{:?}", lab.log);
        assert_eq!((lab.told("Restarted"), lab.status().restart), (1, None));
        assert!(answer(&lab).1.starts_with("10 pods of version"), "{}", answer(&lab).1);
        assert_eq!(lab.status().stable.map(|it| it.revision), revision.map(|it| it.revision));
        lab.is_at_rest();
    }
}

#[test]
fn one_more_comes_up_before_one_goes() {
    let mut lab = Lab::adopted(&routed());
    lab.log.clear();
    ask(&mut lab, "restart");
    assert_eq!(lab.log, ["v1 to 11"]);
    lab.cluster.ready_at_most("v1", Some(10));
    lab.settle();
    assert_eq!(lab.log, ["v1 to 11"], "the new one is not ready");
    lab.cluster.ready_at_most("v1", None);
    lab.settle();
    assert!(lab.log[1].starts_with("delete pod checkout-"), "{:?}", lab.log);
}

#[test]
fn max_surge_says_how_many_go_at_a_time() {
    let mut lab = Lab::adopted(&surging(&json!("50%")));
    ask(&mut lab, "restart");
    assert_eq!(lab.status().restart.map(|restart| restart.surge), Some(5));
    lab.finish();
    assert_eq!(lab.told("Restarted"), 1);
}

#[test]
fn it_is_done_once_and_after_a_crash_goes_on_to_the_same_end() {
    let mut lab = Lab::adopted(&routed());
    let before = pods(&lab);
    ask(&mut lab, "restart");
    for write in 1..8 {
        lab.dies_at = Some(lab.writes + write);
        lab.settle();
    }
    lab.dies_at = None;
    lab.finish();
    let after = pods(&lab);
    assert_eq!((after.len(), after.intersection(&before).count(), lab.told("Restarted")), (10, 0, 1));
    lab.pass(3600);
    assert_eq!(pods(&lab), after, "once");
}

#[test]
fn a_rollout_that_is_under_way_is_left_alone() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    ask(&mut lab, "restart");
    let (done, why) = answer(&lab);
    assert!(
        !done && why.ends_with("a rollout is under way, which brings new pods itself: ask again when it is over"),
        "{why}"
    );
    assert_eq!(lab.status().restart, None);
    lab.finish();
    assert_eq!(lab.told("Restarted"), 0);
}

#[test]
fn a_new_version_ends_it_and_wins() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.ready_at_most("v1", Some(10));
    ask(&mut lab, "restart");
    lab.settle();
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!((lab.phase(), lab.status().restart, lab.told("RestartStopped")), (Phase::Progressing, None, 1));
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
}

#[test]
fn a_version_that_is_not_the_stable_one_is_not_restarted() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.annotate("tidegate.dev/restart", "another by jane");
    lab.decide();
    assert!(answer(&lab).1.contains("version another is not the stable one"), "{}", answer(&lab).1);
    lab.cluster.edit(&json!({"replicas": 0}));
    lab.settle();
    ask(&mut lab, "restart");
    assert!(answer(&lab).1.ends_with("the Rollout is scaled to 0"), "{}", answer(&lab).1);
}

#[test]
fn pods_that_do_not_become_ready_end_it_and_the_old_ones_stay() {
    let mut lab = Lab::adopted(&routed());
    let before = pods(&lab);
    lab.cluster.ready_at_most("v1", Some(10));
    ask(&mut lab, "restart");
    lab.pass(599);
    assert!(lab.status().message.ends_with("restart: 0 of 10 pods are replaced"), "{}", lab.status().message);
    lab.pass(60);
    assert_eq!((lab.status().restart, lab.told("RestartStopped"), pods(&lab)), (None, 1, before));
    let why = answer(&lab).1;
    assert!(why.ends_with("no pod was replaced within 10m; look at the new ones"), "{why}");
}

#[test]
fn the_pods_are_looked_at_again_within_seconds_although_nothing_is_reported() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.ready_at_most("v1", Some(10));
    ask(&mut lab, "restart");
    lab.settle();
    assert!(lab.wake.is_some_and(|wake| wake <= lab.cluster.now + SignedDuration::from_secs(5)), "{:?}", lab.wake);
}

#[test]
fn abort_stops_it_and_wins_over_one_that_is_asked_for_at_the_same_time() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.ready_at_most("v1", Some(10));
    ask(&mut lab, "restart");
    lab.settle();
    ask(&mut lab, "abort");
    lab.settle();
    assert_eq!((lab.status().restart, lab.cluster.pods_of("v1"), lab.told("RestartStopped")), (None, 10, 1));

    let mut lab = Lab::adopted(&routed());
    let stable = lab.status().stable.unwrap().revision;
    lab.cluster.annotate("tidegate.dev/restart", &stable);
    lab.cluster.annotate("tidegate.dev/abort", &stable);
    lab.decide();
    assert_eq!((lab.status().restart, answer(&lab).0), (None, false));
}

#[test]
fn whoever_scales_meanwhile_gets_what_they_ask_for() {
    let mut lab = Lab::adopted(&routed());
    let before = pods(&lab);
    ask(&mut lab, "restart");
    lab.settle();
    lab.cluster.edit(&json!({"replicas": 14}));
    lab.settle();
    lab.cluster.edit(&json!({"replicas": 3}));
    lab.finish();
    assert_eq!((pods(&lab).len(), pods(&lab).intersection(&before).count()), (3, 0), "{:?}", lab.log);
}

#[test]
fn a_rollout_that_is_deleted_hands_back_what_there_is() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.ready_at_most("v1", Some(10));
    ask(&mut lab, "restart");
    lab.settle();
    lab.cluster.delete();
    lab.finish();
    assert_eq!(lab.cluster.deployment.as_ref().map(Deployment::replicas), Some(10));
}
