//! A route that points at the Service, and that the Rollout does not name.

use tidegate_api::{
    Phase,
    condition::{kind, reason},
};

use super::{lab::Lab, specs::routed};
use crate::traffic::RouteId;

const SENTENCE: &str = "HTTPRoute admin points at Service checkout and is not named in spec.traffic: during a rollout its requests go to the pods of both versions, past the weights; name it there";

fn point_at_the_service(lab: &mut Lab, routes: &[&str]) {
    lab.cluster.bypassing_routes = Some(routes.iter().map(|name| RouteId::http_route(name)).collect());
    lab.settle();
}

#[test]
fn a_route_that_passes_the_weights_by_is_told_once_and_for_as_long_as_it_is_there() {
    let mut lab = Lab::adopted(&routed());
    assert_eq!(lab.warning(), None);
    point_at_the_service(&mut lab, &["admin"]);
    assert_eq!((lab.warning().as_deref(), lab.told(reason::ROUTE_NOT_NAMED)), (Some(SENTENCE), 1));
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::ROUTE_NOT_NAMED));
    lab.pass(3600);
    assert_eq!((lab.warning().as_deref(), lab.told(reason::ROUTE_NOT_NAMED)), (Some(SENTENCE), 1));
    point_at_the_service(&mut lab, &[]);
    assert_eq!((lab.warning(), lab.told(reason::ROUTE_NOT_NAMED)), (None, 1));
}

#[test]
fn it_costs_one_write_of_the_status() {
    let mut lab = Lab::adopted(&routed());
    let before = lab.writes;
    point_at_the_service(&mut lab, &["admin"]);
    lab.pass(3600);
    assert_eq!(lab.writes - before, 1);
}

#[test]
fn a_warning_neither_refuses_nor_holds_and_is_no_step_of_the_rollout() {
    let mut lab = Lab::before_adoption(&routed());
    point_at_the_service(&mut lab, &["admin"]);
    assert_eq!((lab.phase(), lab.condition(kind::READY).as_deref()), (Phase::Stable, Some(reason::STABLE)));
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    assert_eq!((lab.warning().as_deref(), lab.told(reason::ROUTE_NOT_NAMED)), (Some(SENTENCE), 1));
    assert!(lab.status().history.iter().all(|step| step.reason != reason::ROUTE_NOT_NAMED));
}

#[test]
fn one_more_such_route_is_told_again() {
    let mut lab = Lab::adopted(&routed());
    point_at_the_service(&mut lab, &["admin"]);
    point_at_the_service(&mut lab, &["admin", "internal"]);
    assert_eq!(lab.told(reason::ROUTE_NOT_NAMED), 2);
    assert!(lab.warning().unwrap().starts_with("HTTPRoute admin and HTTPRoute internal point at Service checkout"));
}

#[test]
fn while_it_is_not_known_which_routes_there_are_what_was_said_stands() {
    let mut lab = Lab::adopted(&routed());
    point_at_the_service(&mut lab, &["admin"]);
    lab.cluster.bypassing_routes = None;
    lab.settle();
    assert_eq!((lab.warning().as_deref(), lab.told(reason::ROUTE_NOT_NAMED)), (Some(SENTENCE), 1));
}

#[test]
fn the_second_of_two_rollouts_for_one_service_is_not_told_of_the_others_routes() {
    let mut lab = Lab::before_adoption(&routed());
    lab.cluster.rival = Some("Rollout other already has Service checkout".to_owned());
    point_at_the_service(&mut lab, &["admin"]);
    assert_eq!((lab.condition(kind::STALLED).as_deref(), lab.warning()), (Some(reason::CONFLICT), None));
}
