use proptest::prelude::*;
use serde_json::json;
use tidegate_api::{Match, Named};

use super::*;
use crate::traffic::{Names, Quirks, Sessions};

const HTTP: GatewayRouteKind = GatewayRouteKind::HTTPRoute;

fn as_route(names: &Names, kind: GatewayRouteKind) -> Route<'_> {
    let backends = Backends { names, namespace: "shop", chosen: None, quirks: Quirks::default() };
    Route { backends, kind }
}

fn service(name: &str, weight: i64) -> Value {
    json!({"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight})
}

fn rule(path: &str, backends: &[Value]) -> Value {
    json!({"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backends})
}

fn route(rules: &[Value]) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "public"}], "rules": rules},
    })
}

fn lone() -> Value {
    route(&[rule("/", &[service("checkout", 1)])])
}

fn header(name: &str, value: &str) -> Match {
    let named = Named { name: name.to_owned(), value: Some(value.to_owned()), regex: None };
    Match { headers: Some(vec![named]), ..Match::default() }
}

fn percent(percent: f64) -> Percent {
    Percent::new(percent)
}

/// A generation in which the canary had so many percent of those who are known.
fn known(before: f64) -> Sessions<'static> {
    Sessions { generation: "5d8f7", before: percent(before) }
}

/// Whether it says what was asked for, and gives back what stood there.
fn divided(before: &Value, split: Split<'_>) -> Value {
    let names = Names::of("checkout");
    let router = as_route(&names, HTTP);
    let after = router.split(before, split).unwrap();
    assert!(router.is_split(&after, split), "{after:#}");
    assert_eq!(router.split(&after, split).unwrap(), after, "once more is the same");
    assert!(!router.is_whole(&after));
    assert_eq!(router.unsplit(&after), *before);
    after
}

fn refusal(before: &Value, kind: GatewayRouteKind, split: Split<'_>) -> String {
    let names = Names::of("checkout");
    let router = as_route(&names, kind);
    assert!(router.split(before, Percent::ZERO.into()).is_ok(), "the way back is open");
    router.can_split(before, &[split]).unwrap_err().to_string()
}

fn rules_of(route: &Value) -> Vec<&Value> {
    rules(route).collect()
}

fn named_backends(rule: &Value) -> Vec<(&str, i64)> {
    let backends = rule["backendRefs"].as_array().unwrap();
    backends.iter().map(|it| (it["name"].as_str().unwrap(), it["weight"].as_i64().unwrap())).collect()
}

#[test]
fn requests_that_match_go_to_the_canary_and_nobody_else_does() {
    let matches = [header("X-Beta", "yes")];
    let after = divided(&lone(), Split { matches: &matches, ..Split::NONE });
    let [beta, all] = rules_of(&after)[..] else { panic!("{after:#}") };
    assert_eq!(
        beta["matches"],
        json!([{
            "path": {"type": "PathPrefix", "value": "/"},
            "headers": [{"type": "Exact", "name": "X-Beta", "value": "yes"}],
        }])
    );
    assert_eq!(named_backends(beta), [("checkout-canary", 100)]);
    assert_eq!(named_backends(all), [("checkout-stable", 100), ("checkout-canary", 0)]);
}

#[test]
fn cookies_and_queries_are_told_by_expressions() {
    let cookie = Named { name: "group.id".to_owned(), value: None, regex: Some("staff|beta".to_owned()) };
    let page = Named { name: "page".to_owned(), value: None, regex: Some("[0-9]+".to_owned()) };
    let matches = [Match { cookie: Some(cookie), query_params: Some(vec![page]), ..Match::default() }];
    let after = divided(&lone(), Split { matches: &matches, ..percent(5.0).into() });
    assert_eq!(
        rules_of(&after)[0]["matches"][0],
        json!({
            "path": {"type": "PathPrefix", "value": "/"},
            "headers": [{
                "type": "RegularExpression", "name": "Cookie", "value": r"^(.*;\s*)?group\.id=(staff|beta)(;.*)?$",
            }],
            "queryParams": [{"type": "RegularExpression", "name": "page", "value": "^([0-9]+)$"}],
        })
    );
}

#[test]
fn a_regex_that_has_no_room_in_a_route_with_its_anchors_is_refused() {
    let of = |length: usize| Named { name: "page".to_owned(), value: None, regex: Some("é".repeat(length)) };
    let page = |length| Match { query_params: Some(vec![of(length)]), ..Match::default() };
    let splits = |matches: &'static [Match]| Split { matches, ..percent(5.0).into() };
    let kept = divided(&lone(), splits(vec![page(1020)].leak()));
    let value = rules_of(&kept)[0]["matches"][0]["queryParams"][0]["value"].as_str().unwrap().to_owned();
    assert_eq!(value.chars().count(), 1024);
    for length in [1021, 1024] {
        let said = refusal(&lone(), GatewayRouteKind::HTTPRoute, splits(vec![page(length)].leak()));
        let why =
            format!("asks for parameter page with a regex of {length} characters, of which a route has room for 1020");
        assert!(said.contains(&why), "{said}");
    }
    let header = Match { headers: Some(vec![of(1024)]), ..Match::default() };
    divided(&lone(), splits(vec![header].leak()));
}

#[test]
fn every_rule_of_the_service_gets_its_own_and_other_fields_come_along() {
    let mut first = rule("/a", &[service("other", 3), service("checkout", 1)]);
    first["name"] = json!("a");
    first["timeouts"] = json!({"request": "3s"});
    first["filters"] = json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "shop"}}]);
    let before = route(&[first, rule("/other", &[service("other", 1)]), rule("/b", &[service("checkout", 1)])]);
    let matches = [header("X-Beta", "yes"), header("X-Beta", "maybe")];
    let after = divided(&before, Split { matches: &matches, ..percent(25.0).into() });
    let [a_beta, a, other, b_beta, _] = rules_of(&after)[..] else { panic!("{after:#}") };
    assert_eq!(named_backends(a_beta), [("other", 300), ("checkout-canary", 100)]);
    assert_eq!((&a_beta["timeouts"], &a_beta["filters"]), (&a["timeouts"], &a["filters"]));
    assert_eq!((a_beta.get("name"), a["name"].as_str()), (None, Some("a")), "names are given once");
    assert_eq!(named_backends(other), [("other", 1)]);
    assert_eq!(b_beta["matches"].as_array().unwrap().len(), 2);
}

#[test]
fn copies_go_to_the_canary_and_its_share_stays() {
    let mut before = lone();
    before["spec"]["rules"][0]["filters"] = json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "shop"}}]);
    for before in [before, lone()] {
        let after = divided(&before, Split { mirror: percent(0.5), ..percent(5.0).into() });
        let filters = rules_of(&after)[0]["filters"].as_array().unwrap();
        assert_eq!(
            filters.last().unwrap(),
            &json!({"type": "RequestMirror", "requestMirror": {
                "backendRef": {"group": "", "kind": "Service", "name": "checkout-canary", "port": 80},
                "fraction": {"numerator": 5000, "denominator": 1_000_000},
            }})
        );
        assert_eq!(named_backends(rules_of(&after)[0]), [("checkout-stable", 95), ("checkout-canary", 5)]);
    }
}

#[test]
fn somebody_elses_mirror_is_theirs() {
    let mut before = lone();
    let theirs = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": service("shadow", 1)}}]);
    before["spec"]["rules"][0]["filters"] = theirs.clone();
    let after = divided(&before, Split { mirror: percent(10.0), ..percent(5.0).into() });
    assert_eq!(rules_of(&after)[0]["filters"][0], theirs[0]);
}

#[test]
fn a_user_stays_where_they_came_to_and_is_drawn_once_more_in_each_stage() {
    let split = Split { sessions: Some(known(5.0)), ..percent(25.0).into() };
    let after = divided(&lone(), split);
    let [canary, stable, before, drawn] = rules_of(&after)[..] else { panic!("{after:#}") };
    let cookie = |rule: &Value| rule["matches"][0]["headers"][0]["value"].as_str().unwrap().to_owned();
    let of = |value: &str| format!(r"^(.*;\s*)?tidegate-checkout=({value})(;.*)?$");
    assert_eq!((cookie(canary), named_backends(canary)), (of("5d8f7-canary"), vec![("checkout-canary", 100)]));
    assert_eq!((cookie(stable), named_backends(stable)), (of("5d8f7-stable-250000"), vec![("checkout-stable", 100)]));
    // Of the 95 % that were stable's, 21.05 % make the canary's 5 % a quarter of all.
    assert_eq!(
        (cookie(before), named_backends(before)),
        (of("5d8f7-stable-[0-9]+"), vec![("checkout-stable", 7895), ("checkout-canary", 2105)])
    );
    assert_eq!(named_backends(drawn), [("checkout-stable", 75), ("checkout-canary", 25)]);
    let set = |rule: &Value, backend: usize| {
        let value = rule["backendRefs"][backend].pointer("/filters/0/responseHeaderModifier/add/0/value");
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let attributes = "; Path=/; HttpOnly; SameSite=Lax";
    for rule in [before, drawn] {
        assert_eq!(set(rule, 0), Some(format!("tidegate-checkout=5d8f7-stable-250000{attributes}")));
        assert_eq!(set(rule, 1), Some(format!("tidegate-checkout=5d8f7-canary{attributes}")));
    }
    assert_eq!((set(canary, 0), set(stable, 0)), (None, None), "who has it already keeps it");
}

#[test]
fn in_the_first_stage_there_is_nobody_to_draw_again_and_in_the_last_nobody_to_keep() {
    let first = divided(&lone(), Split { sessions: Some(known(0.0)), ..percent(5.0).into() });
    assert_eq!(rules_of(&first).len(), 3);
    let last = divided(&lone(), Split { sessions: Some(known(25.0)), ..Percent::FULL.into() });
    assert_eq!(rules_of(&last).len(), 1);
}

#[test]
fn response_headers_of_the_users_own_are_kept_beside_the_cookie() {
    let mut before = lone();
    let own =
        json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-A", "value": "1"}]}}]);
    before["spec"]["rules"][0]["backendRefs"][0]["filters"] = own.clone();
    let split = Split { sessions: Some(known(0.0)), ..percent(5.0).into() };
    let after = divided(&before, split);
    let filters = &rules_of(&after)[2]["backendRefs"][1]["filters"];
    assert_eq!(filters[0]["responseHeaderModifier"]["set"], own[0]["responseHeaderModifier"]["set"]);
    before["spec"]["rules"][0]["backendRefs"][0]["filters"][0]["responseHeaderModifier"]["add"] =
        json!([{"name": "set-cookie", "value": "a=b"}]);
    assert_eq!(
        refusal(&before, HTTP, split),
        "rule 1 of HTTPRoute shop/checkout has a backend that adds a header Set-Cookie of its own, beside which sessionPersistence has no room"
    );
}

#[test]
fn a_match_by_query_comes_before_a_cookie() {
    let page = Named { name: "beta".to_owned(), value: Some("1".to_owned()), regex: None };
    let matches = [Match { query_params: Some(vec![page]), ..Match::default() }];
    let after = divided(&lone(), Split { matches: &matches, sessions: Some(known(0.0)), ..percent(5.0).into() });
    let asked = rules_of(&after)[0]["matches"].as_array().unwrap();
    assert!(asked.iter().any(|it| it["headers"][0]["name"] == "Cookie" && it["queryParams"][0]["name"] == "beta"));
}

#[test]
fn what_cannot_be_said_is_refused_with_the_reason() {
    let matches = [header("x-beta", "yes")];
    let split = Split { matches: &matches, ..Split::NONE };
    let tcp = refusal(&lone(), GatewayRouteKind::TCPRoute, split);
    assert!(tcp.contains("since it knows connections only"), "{tcp}");
    let query = [Match { query_params: Some(vec![Named::default()]), ..Match::default() }];
    let grpc = refusal(&lone(), GatewayRouteKind::GRPCRoute, Split { matches: &query, ..Split::NONE });
    assert!(grpc.contains("the parameters of a query"), "{grpc}");
    let sessions = Split { sessions: Some(known(0.0)), ..percent(5.0).into() };
    let grpc = refusal(&lone(), GatewayRouteKind::GRPCRoute, sessions);
    assert!(grpc.contains("callers of gRPC keep no cookies"), "{grpc}");

    let mut twice = lone();
    twice["spec"]["rules"][0]["matches"][0]["headers"] = json!([{"type": "Exact", "name": "X-Beta", "value": "no"}]);
    assert_eq!(
        refusal(&twice, HTTP, split),
        "rule 1 of HTTPRoute shop/checkout would have a match that asks for header x-beta twice, of which a gateway heeds only one"
    );
    let many: Vec<_> = (0..9).map(|place| rule(&format!("/{place}"), &[service("checkout", 1)])).collect();
    assert_eq!(
        refusal(&route(&many), HTTP, split),
        "HTTPRoute shop/checkout has no room for what match and sessionPersistence add to it: it would have 18 rules of at most 16, and 18 matches of at most 128; choose fewer rules, or divide it into two routes"
    );
}

#[test]
fn a_rule_beside_that_would_lose_requests_is_not_robbed() {
    let mut admin = rule("/", &[service("admin", 1)]);
    admin["matches"][0]["headers"] = json!([{"type": "Exact", "name": "X-Admin", "value": "yes"}]);
    let before = route(&[admin, rule("/", &[service("checkout", 1)])]);
    let matches = [header("X-Beta", "yes")];
    let refused = refusal(&before, HTTP, Split { matches: &matches, ..Split::NONE });
    assert!(refused.starts_with("rule 1 of HTTPRoute shop/checkout takes some of the requests of rule 2"), "{refused}");
    divided(&before, Split { mirror: percent(10.0), ..Split::NONE });
}

#[test]
fn a_rule_that_gets_no_requests_gets_no_more() {
    let before = route(&[rule("/", &[service("checkout", 0), service("other", 1)])]);
    let matches = [header("X-Beta", "yes")];
    let names = Names::of("checkout");
    let after = as_route(&names, HTTP).split(&before, Split { matches: &matches, ..Split::NONE }).unwrap();
    assert_eq!(rules_of(&after).len(), 1);
}

#[test]
fn whatever_somebody_does_to_what_was_added_the_way_back_leads_to_the_users_rules() {
    let matches = [header("X-Beta", "yes")];
    let split = Split { matches: &matches, mirror: percent(10.0), sessions: Some(known(1.0)), ..percent(5.0).into() };
    let names = Names::of("checkout");
    let router = as_route(&names, HTTP);
    let before = lone();
    let after = router.split(&before, split).unwrap();
    for gone in 0..rules(&after).count() - 1 {
        let mut robbed = after.clone();
        robbed["spec"]["rules"].as_array_mut().unwrap().remove(gone);
        assert!(!router.is_split(&robbed, split));
        assert_eq!(router.split(&robbed, split).unwrap(), after, "it is repaired");
        assert_eq!(router.unsplit(&robbed), before);
    }
    let mut overwritten = after.clone();
    let last = rules(&after).count() - 1;
    overwritten["spec"]["rules"][last] = before["spec"]["rules"][0].clone();
    assert_eq!(router.unsplit(&overwritten), before, "the user's rule came back before ours were gone");
    let plain = router.split(&after, percent(5.0).into()).unwrap();
    assert_eq!(plain, router.split(&before, percent(5.0).into()).unwrap(), "a stage with less takes it away");
}

proptest! {
    #[test]
    fn whatever_a_split_adds_the_route_comes_back_as_it_was(
        paths in 1_usize..4, weight in 0_u8..100, mirror in 0_u8..=100, matched in any::<bool>(), before in proptest::option::of(0_u8..100),
    ) {
        let rules: Vec<_> = (0..paths).map(|place| rule(&format!("/{place}"), &[service("checkout", 2), service("x", 1)])).collect();
        let matches = [header("X-Beta", "yes")];
        let split = Split {
            weight: percent(f64::from(weight)),
            matches: if matched { &matches } else { &[] },
            mirror: percent(f64::from(mirror)),
            sessions: before.map(|before| known(f64::from(before))),
        };
        if weight > 0 || !split.is_plain() {
            divided(&route(&rules), split);
        }
    }
}
