//! One pod of the new version that is bad, alone.

use serde_json::{Value, json};
use tidegate_api::{Phase, Verdict};
use tidegate_judge::{Counts, Origin};

use super::{lab::Lab, specs::routed};
use crate::plan::Traced;

/// `routed`, with this answer to a pod that is bad alone.
fn spec(suspect_pod: &str) -> Value {
    let mut spec = routed();
    spec["analysis"]["suspectPod"] = json!(suspect_pod);
    spec
}

/// In the stage of 25 %.
fn in_quarter(suspect_pod: &str) -> Lab {
    Lab::in_stage(&spec(suspect_pod), "quarter")
}

fn canary_pods(lab: &Lab) -> Vec<String> {
    let set = lab.cluster.running("v2").unwrap();
    lab.cluster.pods[set.name()].iter().map(|pod| pod.name.clone()).collect()
}

/// The check fails by the requests of `pod`.
fn fails_by(lab: &mut Lab, pod: &str, spares_others: bool) {
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.traced = vec![Traced {
        check: "errors".to_owned(),
        origin: Some(Origin {
            pod: Some(pod.to_owned()),
            node: Some("node-1".to_owned()),
            bad: (41.0, 44.0),
            others: Counts::exact(3.0, 800.0),
            stable: None,
            what: "failures",
        }),
        uid: Some(format!("uid of {pod}")),
        spares_others,
        names_pods: true,
    }];
}

fn is_well(lab: &mut Lab) {
    lab.verdicts.clear();
    lab.traced.clear();
}

fn deletions(lab: &Lab) -> Vec<&String> {
    lab.log.iter().filter(|write| write.starts_with("delete pod")).collect()
}

#[test]
fn a_pod_that_is_bad_alone_is_replaced_once_and_the_version_judged_on() {
    let mut lab = in_quarter("Replace");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], true);
    lab.decide();
    is_well(&mut lab);
    lab.settle();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "quarter"));
    assert_eq!(lab.status().replaced_pod.map(|pod| pod.name).as_ref(), Some(&pods[0]));
    assert_eq!(canary_pods(&lab).len(), pods.len());
    assert!(!canary_pods(&lab).contains(&pods[0]));
    lab.finish();
    assert_eq!(deletions(&lab), [&format!("delete pod {}", pods[0])]);
    assert_eq!(lab.steps.iter().filter(|step| *step == "SuspectPodReplaced").count(), 1);
    assert_eq!(lab.steps.last().map(String::as_str), Some("Promoted"));
    assert_eq!(lab.status().replaced_pod, None);
}

#[test]
fn a_second_suspect_fails_the_version() {
    let mut lab = in_quarter("Replace");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], true);
    lab.decide();
    is_well(&mut lab);
    lab.settle();
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[1], true);
    lab.finish();
    assert_eq!((lab.phase(), deletions(&lab).len()), (Phase::Reverted, 1));
    assert!(lab.status().message.contains("was replaced before, and a second one is not"), "{}", lab.status().message);
}

#[test]
fn nothing_is_replaced_unless_the_rollout_asks_for_it() {
    let mut lab = in_quarter("None");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], true);
    lab.finish();
    assert_eq!((lab.phase(), deletions(&lab).len()), (Phase::Reverted, 0));
}

#[test]
fn a_version_whose_other_pods_are_bad_too_fails_at_once() {
    let mut lab = in_quarter("Replace");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], false);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
    assert!(lab.status().message.contains("the others do not keep to the limit either"), "{}", lab.status().message);
}

#[test]
fn where_another_check_fails_by_something_else_nothing_is_replaced() {
    let mut spec = spec("Replace");
    spec["analysis"]["checks"].as_array_mut().unwrap().push(json!({"name": "heap", "query": {"expr": "1", "max": 2}}));
    let mut lab = Lab::in_stage(&spec, "quarter");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], true);
    lab.verdicts.insert("heap".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn the_only_pod_of_a_version_is_not_replaced() {
    let mut lab = Lab::in_stage(&spec("Replace"), "canary");
    let pods = canary_pods(&lab);
    assert_eq!(pods.len(), 1);
    fails_by(&mut lab, &pods[0], true);
    lab.decide();
    assert_eq!((lab.phase(), deletions(&lab).len()), (Phase::Reverting, 0));
    assert!(lab.status().message.contains("no other pod of the version is ready"), "{}", lab.status().message);
}

#[test]
fn a_pod_that_is_gone_already_and_series_without_pods_are_told() {
    for (change, sentence) in [
        ((|traced| traced.uid = None) as fn(&mut Traced), "it is not among the ready ones any more"),
        (|traced| traced.names_pods = false, "no series of the check has a label pod"),
    ] {
        let mut lab = in_quarter("Replace");
        let pods = canary_pods(&lab);
        fails_by(&mut lab, &pods[0], true);
        change(&mut lab.traced[0]);
        lab.decide();
        assert_eq!(lab.phase(), Phase::Reverting);
        assert!(lab.status().message.contains(sentence), "{}", lab.status().message);
    }
}

#[test]
fn an_operator_that_dies_in_between_deletes_the_pod_that_was_decided_on_and_no_other() {
    for after in 0..3 {
        let mut lab = in_quarter("Replace");
        let pods = canary_pods(&lab);
        fails_by(&mut lab, &pods[0], true);
        lab.dies_at = Some(lab.writes + after);
        lab.decide();
        lab.dies_at = None;
        if lab.status().replaced_pod.is_none() {
            lab.decide();
        }
        is_well(&mut lab);
        lab.finish();
        assert_eq!(deletions(&lab), [&format!("delete pod {}", pods[0])], "{after}");
        assert_eq!(lab.steps.last().map(String::as_str), Some("Promoted"), "{after}");
    }
}

#[test]
fn no_stage_is_left_while_the_pod_still_takes_requests_and_the_version_fails_if_it_stays() {
    let mut lab = in_quarter("Replace");
    let pods = canary_pods(&lab);
    fails_by(&mut lab, &pods[0], true);
    lab.cluster.forbids_deletions = true;
    lab.decide();
    is_well(&mut lab);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Progressing);
    assert!(lab.status().message.contains("pods is forbidden"), "{}", lab.status().message);
    lab.pass(3600);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Reverted, ""));
    let why = lab.status().failed[0].message.clone();
    assert!(why.contains("still takes requests after 1m (pods is forbidden)"), "{why}");
}
