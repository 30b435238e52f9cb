//! A policy that is attached to the Service alone.

use tidegate_api::{
    Phase,
    condition::{kind, reason},
};

use super::{lab::Lab, specs::routed};
use crate::traffic::RouteId;

const SENTENCE: &str = "BackendTLSPolicy tls is for Service checkout, and during a rollout requests go to Services checkout-stable and checkout-canary without it: attach one to these, too";

fn attached() -> Vec<String> {
    vec!["BackendTLSPolicy tls".to_owned()]
}

#[test]
fn a_policy_for_the_service_is_told_once_before_the_first_release_and_holds_nothing() {
    let mut lab = Lab::before_adoption(&routed());
    lab.cluster.policies = Some(attached());
    lab.settle();
    assert_eq!((lab.warning().as_deref(), lab.told(reason::POLICY_NOT_ATTACHED)), (Some(SENTENCE), 1));
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::POLICY_NOT_ATTACHED));
    assert_eq!(lab.condition(kind::READY).as_deref(), Some(reason::STABLE));
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told(reason::POLICY_NOT_ATTACHED)), (Phase::Stable, 10, 1));
    lab.cluster.policies = Some(Vec::new());
    lab.settle();
    assert_eq!((lab.warning(), lab.told(reason::POLICY_NOT_ATTACHED)), (None, 1));
}

#[test]
fn while_it_is_not_known_which_policies_there_are_what_was_said_stands() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.policies = None;
    lab.settle();
    assert_eq!(lab.warning(), None);
    lab.cluster.policies = Some(attached());
    lab.settle();
    lab.cluster.policies = None;
    lab.settle();
    assert_eq!((lab.warning().as_deref(), lab.told(reason::POLICY_NOT_ATTACHED)), (Some(SENTENCE), 1));
}

#[test]
fn a_route_past_the_weights_is_told_first() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.policies = Some(attached());
    lab.cluster.bypassing_routes = Some(vec![RouteId::http_route("admin")]);
    lab.settle();
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::ROUTE_NOT_NAMED));
    assert_eq!(lab.told(reason::POLICY_NOT_ATTACHED), 0);
    lab.cluster.bypassing_routes = Some(Vec::new());
    lab.settle();
    assert_eq!((lab.warning().as_deref(), lab.told(reason::POLICY_NOT_ATTACHED)), (Some(SENTENCE), 1));
}
