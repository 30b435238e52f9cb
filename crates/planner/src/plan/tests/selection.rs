//! Selectors of Services that move from version to version.

use serde_json::json;
use tidegate_api::{
    Percent, Phase,
    condition::{kind, reason},
};

use super::{
    lab::Lab,
    specs::{by_pods, routed},
};
use crate::plan::Effect;

/// The label of the pods, and the selector of the Service, with `version`.
fn labelled(lab: &mut Lab, pods: &str, selector: Option<&str>) {
    let template = json!({"metadata": {"labels": {"app": "checkout", "version": pods}}, "spec": {"containers": [{"name": "checkout", "image": pods}]}});
    lab.cluster
        .write(&Effect::PatchDeployment("checkout".to_owned(), json!({"spec": {"template": template}})))
        .unwrap();
    let patch = json!({"spec": {"selector": {"app": "checkout", "version": selector}}});
    lab.cluster.write(&Effect::PatchService("checkout".to_owned(), patch)).unwrap();
}

fn serving_v1(spec: &serde_json::Value) -> Lab {
    let mut lab = Lab::before_adoption(spec);
    labelled(&mut lab, "v1", Some("v1"));
    while lab.cluster.tick() {}
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Stable, 10), "{}", lab.status().message);
    lab
}

#[test]
fn a_selector_that_moves_with_the_version_is_refused_and_the_route_stays_with_the_pods_that_serve() {
    let mut lab = serving_v1(&routed());
    // The route waits for no gateway to hear of them: what it says leads to nobody.
    lab.cluster.services_are_news = true;
    labelled(&mut lab, "v2", Some("v2"));
    lab.settle();
    assert_eq!(lab.cluster.pods_of("v2"), 0, "nothing starts");
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some(reason::SERVICE_UNUSABLE));
    let message = lab.status().message;
    for part in ["Service checkout selects version=v2", "the pods that serve", "leave version out of its selector"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(lab.cluster.weight_of("checkout-stable"), Percent::FULL);
    assert_eq!(lab.cluster.endpoints["checkout-stable"].len(), 10, "and it leads to all of them");
    labelled(&mut lab, "v2", None);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
}

#[test]
fn the_same_without_a_route_starts_nothing() {
    let mut lab = serving_v1(&by_pods());
    labelled(&mut lab, "v2", Some("v2"));
    lab.settle();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some(reason::SERVICE_UNUSABLE));
}

#[test]
fn a_label_that_moves_alone_is_refused_with_advice_that_is_safe_to_follow() {
    let mut lab = serving_v1(&routed());
    labelled(&mut lab, "v2", Some("v1"));
    lab.settle();
    let message = lab.status().message;
    assert!(message.contains("leave version out of its selector"), "{message}");
    assert!(!message.contains("make its selector match"), "{message}");
    labelled(&mut lab, "v2", None);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
}

#[test]
fn a_selector_that_moves_in_mid_flight_holds_the_rollout_where_it_is() {
    let mut lab = serving_v1(&routed());
    labelled(&mut lab, "v2", None);
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.name == "quarter" && stage.since.is_some()));
    labelled(&mut lab, "v2", Some("v2"));
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
    assert_eq!(lab.cluster.endpoints["checkout-stable"].len(), 10);
}
