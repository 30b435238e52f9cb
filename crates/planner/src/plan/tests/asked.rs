//! What the status says of the Deployment.

use serde_json::json;
use tidegate_api::{
    Phase, Verdict,
    condition::{kind, reason},
};

use super::{lab::Lab, specs::routed};
use crate::plan::Effect;

/// Whether the status speaks of the Deployment as it stands.
fn speaks_of_it(lab: &Lab) -> bool {
    let generation = lab.cluster.deployment.as_ref().unwrap().metadata.generation;
    lab.status().workload.is_some_and(|workload| workload.observed_generation == generation)
}

#[test]
fn the_status_says_which_generation_of_the_deployment_it_speaks_of() {
    let mut lab = Lab::adopted(&routed());
    assert!(speaks_of_it(&lab));
    lab.cluster.push("v2");
    assert!(!speaks_of_it(&lab), "it is ready, but for another generation");
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
    lab.settle();
    assert!(speaks_of_it(&lab));
    assert_eq!(lab.condition(kind::READY), None);
    assert_eq!(lab.status().workload.unwrap().images, ["v2"]);
    lab.finish();
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
}

#[test]
fn a_version_that_waits_is_not_the_one_that_serves() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.edit(&json!({"paused": true}));
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.condition(kind::READY), None);
    assert_eq!(lab.condition(kind::RECONCILING).as_deref(), Some(reason::PAUSED));
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
}

#[test]
fn a_warning_lasts_while_somebody_else_sets_the_count_of_the_deployment() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.scale_deployment(3);
    lab.finish();
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::REPLICAS_IN_WORKLOAD));
    let conditions = lab.status().conditions;
    let warning = conditions.iter().find(|condition| condition.type_ == kind::WARNING).unwrap();
    assert!(warning.message.starts_with("argocd-controller sets spec.replicas of Deployment checkout"), "{warning:?}");
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE), "nothing waits for it");
    lab.cluster
        .write(&Effect::PatchDeployment("checkout".to_owned(), json!({"spec": {"minReadySeconds": 1}})))
        .unwrap();
    lab.finish();
    assert_eq!(lab.condition(kind::WARNING), None, "changed without a count");
}

/// As a tool that applies a release writes it: into the Rollout and into the Deployment.
fn release(lab: &mut Lab, image: &str) {
    lab.cluster.edit(&json!({"workload": {"kind": "Deployment", "name": "checkout", "image": image}}));
}

#[test]
fn what_was_said_of_a_version_does_not_stand_for_a_release_that_the_deployment_does_not_ask_for_yet() {
    let mut lab = Lab::adopted(&routed());
    release(&mut lab, "v2");
    lab.settle();
    assert_eq!(lab.condition(kind::READY), None);
    assert_eq!(lab.condition(kind::RECONCILING).as_deref(), Some(reason::WORKLOAD_BEHIND));
    let conditions = lab.status().conditions;
    assert!(conditions.iter().any(|it| it.message == "Deployment checkout does not ask for v2 yet, but for v1"));
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
}

#[test]
fn a_failure_is_not_that_of_the_release_after_it() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Reverted, Some(reason::REVERTED)));
    release(&mut lab, "v3");
    lab.settle();
    assert_eq!(lab.condition(kind::STALLED), None);
    assert_eq!(lab.condition(kind::RECONCILING).as_deref(), Some(reason::WORKLOAD_BEHIND));
    lab.verdicts.clear();
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
}

#[test]
fn a_refusal_is_told_whatever_the_deployment_asks_for() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.services.remove("checkout");
    release(&mut lab, "v2");
    lab.settle();
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some(reason::SERVICE_NOT_FOUND));
}
