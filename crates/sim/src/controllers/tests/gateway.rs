//! The gateway and the data plane behind it.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_api::GatewayRouteKind;

use super::{
    Lab,
    lab::{NAME, SHOP, deployment, route, service},
};
use crate::controllers::{Delay, Entry, GatewayMode, ModelSettings, To};

const ROUTE: Entry<'_> = Entry::Route { kind: GatewayRouteKind::HTTPRoute, name: NAME, rule: 0 };

/// How much goes to pods of an image, and how much fails with a code.
fn goes_to(lab: &Lab, image: &str) -> f64 {
    let pods = lab.pods_of(image);
    let shares = lab.controllers.shares(SHOP, ROUTE);
    shares.iter().filter(|share| matches!(&share.to, To::Pod(name) if pods.contains(name))).map(|it| it.share).sum()
}

fn fails_with(lab: &Lab, code: u16) -> f64 {
    let shares = lab.controllers.shares(SHOP, ROUTE);
    shares.iter().filter(|share| share.to == To::Nobody(code)).map(|share| share.share).sum()
}

fn condition(lab: &Lab, kind: &str) -> Value {
    let route = lab.get("httproutes", NAME);
    let conditions = route.value()["status"]["parents"][0]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

async fn routed() -> Lab {
    let lab = Lab::with(4).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.create(route(&[(NAME, 1)]));
    lab.until("the route is in force", |lab| goes_to(lab, "checkout:1") > 0.999).await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_route_in_force_is_reported_at_its_generation() {
    let lab = routed().await;
    lab.until("it is reported", |lab| condition(lab, "Accepted")["status"] == "True").await;
    assert_eq!(condition(&lab, "ResolvedRefs")["observedGeneration"], 1);
    assert_eq!(lab.controllers.shares(SHOP, ROUTE).len(), 4);
    assert_eq!(lab.controllers.shares(SHOP, Entry::Service(NAME)).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_missing_is_reported_and_its_share_fails_until_it_is_there() {
    let lab = routed().await;
    lab.patch("httproutes", NAME, json!({"spec": route(&[(NAME, 9), ("gone", 1)])["spec"]}));
    lab.until("it is told", |lab| condition(lab, "ResolvedRefs")["reason"] == "BackendNotFound").await;
    assert!((fails_with(&lab, 500) - 0.1).abs() < 1e-9 && (goes_to(&lab, "checkout:1") - 0.9).abs() < 1e-9);
    lab.create(service("gone", json!({"app": "nobody"})));
    lab.until("it is known", |lab| condition(lab, "ResolvedRefs")["status"] == "True").await;
    lab.until("nobody is behind it", |lab| (fails_with(lab, 503) - 0.1).abs() < 1e-9).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_a_route_names_for_the_first_time_is_known_with_its_endpoints() {
    let mut settings = ModelSettings::default();
    settings.pace.data_plane = Delay::Fixed(Duration::from_secs(5));
    let lab = Lab::empty(1, settings);
    lab.create(deployment(4));
    lab.create(service(NAME, json!({"app": NAME})));
    lab.create(route(&[(NAME, 1)]));
    lab.complete().await;
    lab.pass(10).await;
    lab.create(service("alone", json!({"app": NAME})));
    // Its EndpointSlice is there by then, and the proxies have not been told of it.
    lab.pass(2).await;
    lab.patch("httproutes", NAME, json!({"spec": route(&[("alone", 1)])["spec"]}));
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(goes_to(&lab, "checkout:1") > 0.999);
    }
    assert_eq!(condition(&lab, "ResolvedRefs")["observedGeneration"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_in_force_stays_so_while_the_gateway_is_silent_or_refuses() {
    for mode in [GatewayMode::Silent, GatewayMode::Rejecting] {
        let lab = routed().await;
        lab.until("it is reported", |lab| condition(lab, "Accepted")["status"] == "True").await;
        lab.controllers.set_gateway(mode);
        lab.patch("httproutes", NAME, json!({"spec": route(&[("gone", 1)])["spec"]}));
        lab.pass(5).await;
        assert!(goes_to(&lab, "checkout:1") > 0.999, "{mode:?}");
        let refused = condition(&lab, "Accepted")["status"] == "False";
        assert_eq!(refused, mode == GatewayMode::Rejecting);
        lab.controllers.set_gateway(GatewayMode::Accepting);
        lab.until("it is in force", |lab| fails_with(lab, 500) > 0.999).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_gateway_reports_the_generation_before() {
    let lab = routed().await;
    lab.controllers.set_gateway(GatewayMode::ReportingLate);
    lab.patch("httproutes", NAME, json!({"spec": route(&[(NAME, 7)])["spec"]}));
    lab.pass(5).await;
    assert_eq!(condition(&lab, "Accepted")["observedGeneration"], 1);
    assert_eq!(lab.get("httproutes", NAME).value()["metadata"]["generation"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_gateway_takes_its_time() {
    let lab = routed().await;
    lab.controllers.set_gateway(GatewayMode::Slow(Delay::Fixed(Duration::from_secs(20))));
    lab.pass(21).await;
    lab.patch("httproutes", NAME, json!({"spec": route(&[("gone", 1)])["spec"]}));
    lab.pass(19).await;
    assert!(fails_with(&lab, 500) < 0.001);
    lab.pass(2).await;
    assert!(fails_with(&lab, 500) > 0.999);
}

#[tokio::test(start_paused = true)]
async fn without_a_route_nobody_answers() {
    let lab = routed().await;
    lab.api.delete("httproutes", SHOP, NAME, "user").unwrap();
    lab.until("the gateway knows", |lab| fails_with(lab, 404) > 0.999).await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_whose_shares_are_off_divides_what_both_versions_have_and_nothing_else() {
    let lab = routed().await;
    lab.controllers.set_gateway(GatewayMode::Misdividing(0.25));
    for service_of in ["checkout-stable", "checkout-canary"] {
        lab.create(service(service_of, json!({"app": NAME})));
    }
    let of_nobody = |lab: &Lab| fails_with(lab, 500);
    let follow = |backends: &[(&str, u32)]| lab.patch("httproutes", NAME, json!({"spec": route(backends)["spec"]}));
    follow(&[("checkout-stable", 99), ("checkout-canary", 1), ("gone", 100)]);
    lab.until("it is in force", |lab| (of_nobody(lab) - 0.5).abs() < 0.001).await;
    follow(&[("gone", 95), ("checkout-canary", 5)]);
    lab.until("one version alone has its weight", |lab| (of_nobody(lab) - 0.95).abs() < 0.001).await;
    lab.api.delete("services", SHOP, "checkout-stable", "user").unwrap();
    follow(&[("checkout-stable", 95), ("checkout-canary", 5)]);
    lab.until("the new one has its share", |lab| (of_nobody(lab) - 0.75).abs() < 0.001).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_copies_changes_nothing_about_who_answers_and_one_that_asks_for_headers_answers_who_has_them() {
    let lab = routed().await;
    let mut spec = route(&[(NAME, 1)])["spec"].clone();
    let mirror = json!({"backendRef": {"name": NAME, "port": 80}, "fraction": {"numerator": 1, "denominator": 4}});
    spec["rules"][0]["filters"] = json!([{"type": "RequestMirror", "requestMirror": mirror}]);
    let asks =
        json!({"matches": [{"headers": [{"name": "X-Beta", "value": "yes"}]}], "backendRefs": [{"name": "gone"}]});
    let plain = spec["rules"][0].clone();
    spec["rules"] = json!([asks, plain]);
    let copied = |lab: &Lab| lab.controllers.copies(SHOP, ROUTE).iter().map(|share| share.share).sum::<f64>();
    assert!(lab.controllers.copies(SHOP, ROUTE).is_empty());
    lab.patch("httproutes", NAME, json!({"spec": spec}));
    lab.until("a quarter is copied", |lab| (copied(lab) - 0.25).abs() < 1e-9).await;
    assert!(goes_to(&lab, "checkout:1") > 0.999);
    let particular = Entry::Particular { kind: GatewayRouteKind::HTTPRoute, name: NAME };
    let answers = lab.controllers.shares(SHOP, particular);
    assert_eq!(answers.iter().map(|share| &share.to).collect::<Vec<_>>(), [&To::Nobody(500)]);
    lab.patch("httproutes", NAME, json!({"spec": route(&[(NAME, 1)])["spec"]}));
    lab.until("no rule asks for them", |lab| lab.controllers.shares(SHOP, particular).is_empty()).await;
}
