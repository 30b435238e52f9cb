use proptest::prelude::*;
use serde_json::json;

use super::*;

fn names() -> Names {
    Names::of("checkout")
}

fn split(route: &Value, names: &Names, share: Percent) -> Result<Value, UnusableRoute> {
    whole(names).split(route, share)
}

fn unsplit(route: &Value, names: &Names) -> Value {
    whole(names).unsplit(route)
}

/// All rules of a route beside the Service.
fn whole(names: &Names) -> Backends<'_> {
    Backends { names, namespace: "shop", chosen: None, quirks: Quirks::default() }
}

fn says(route: &Value, share: Percent) -> bool {
    whole(&names()).are_split(route, share)
}

fn percent(percent: f64) -> Percent {
    Percent::new(percent)
}

fn service(weight: i64) -> Value {
    json!({"group": "", "kind": "Service", "name": "checkout", "port": 80, "weight": weight})
}

fn other(name: &str, weight: i64) -> Value {
    json!({"name": name, "port": 80, "weight": weight})
}

fn route(rules: &[&[Value]]) -> Value {
    let rules: Vec<_> = rules.iter().map(|backends| json!({"backendRefs": backends})).collect();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "public"}], "rules": rules},
    })
}

/// Name and weight of each backend, rule by rule.
fn shown(route: &Value) -> Vec<Vec<(String, i64)>> {
    lists(route)
        .map(|(_, _, list)| list.iter().map(|b| (b["name"].as_str().unwrap().to_owned(), weight(b))).collect())
        .collect()
}

fn is_shown(route: &Value, rules: &[&[(&str, i64)]]) {
    let expected: Vec<Vec<_>> =
        rules.iter().map(|rule| rule.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()).collect();
    assert_eq!(shown(route), expected);
}

#[test]
fn a_lone_backend_reads_as_percents() {
    let split = split(&route(&[&[service(1)]]), &names(), percent(5.0)).unwrap();
    is_shown(&split, &[&[("checkout-stable", 95), ("checkout-canary", 5)]]);
    assert_eq!(split.pointer("/spec/rules/0/backendRefs/1/port"), Some(&json!(80)));
}

#[test]
fn tenths_of_a_percent_are_exact() {
    let split = split(&route(&[&[service(1)]]), &names(), percent(12.5)).unwrap();
    is_shown(&split, &[&[("checkout-stable", 875), ("checkout-canary", 125)]]);
}

#[test]
fn other_backends_keep_place_and_share() {
    let split = split(&route(&[&[other("a", 3), service(6), other("b", 0)]]), &names(), percent(25.0)).unwrap();
    is_shown(&split, &[&[("a", 300), ("checkout-stable", 450), ("checkout-canary", 150), ("b", 0)]]);
}

#[test]
fn rules_that_do_not_mention_the_service_are_left_alone() {
    let before = route(&[&[other("a", 3)], &[service(1)]]);
    let after = split(&before, &names(), percent(50.0)).unwrap();
    assert_eq!(after["spec"]["rules"][0], before["spec"]["rules"][0]);
}

#[test]
fn a_route_without_weights_means_the_same_after_the_round_trip() {
    let mut before = route(&[&[service(1), other("a", 1)]]);
    for backend in before.pointer_mut("/spec/rules/0/backendRefs").unwrap().as_array_mut().unwrap() {
        backend.as_object_mut().unwrap().remove("weight");
    }
    let after = unsplit(&split(&before, &names(), percent(5.0)).unwrap(), &names());
    assert!(carries(&before, &whole(&names()).joined(&after)));
}

#[test]
fn a_service_that_is_used_twice_in_a_rule_is_split_twice() {
    let mut second = service(3);
    second["port"] = json!(8080);
    let before = route(&[&[service(1), second]]);
    let after = split(&before, &names(), percent(10.0)).unwrap();
    is_shown(
        &after,
        &[&[("checkout-stable", 90), ("checkout-canary", 10), ("checkout-stable", 270), ("checkout-canary", 30)]],
    );
    assert_eq!(unsplit(&after, &names()), before);
}

#[test]
fn a_service_without_weight_stays_without() {
    let before = route(&[&[service(0), other("a", 5)]]);
    let after = split(&before, &names(), percent(12.5)).unwrap();
    is_shown(&after, &[&[("checkout-stable", 0), ("checkout-canary", 0), ("a", 500)]]);
    assert_eq!(unsplit(&after, &names()), before);
}

#[test]
fn a_route_to_another_service_is_refused() {
    assert_eq!(
        split(&route(&[&[other("cart", 1)]]), &names(), Percent::ZERO).unwrap_err().to_string(),
        "no rule of HTTPRoute shop/checkout points at Service checkout: add it to the backendRefs of a rule"
    );
}

#[test]
fn a_service_of_another_namespace_is_refused() {
    let mut foreign = service(1);
    foreign["namespace"] = json!("infra");
    let route = route(&[&[foreign]]);
    assert_eq!(
        split(&route, &names(), Percent::ZERO).unwrap_err().to_string(),
        "HTTPRoute shop/checkout points at Service checkout in namespace infra: \
         the Service and the Rollout have to be in the same namespace"
    );
}

#[test]
fn what_is_no_service_is_not_ours() {
    let mut import = service(1);
    (import["group"], import["kind"]) = (json!("multicluster.x-k8s.io"), json!("ServiceImport"));
    assert!(split(&route(&[&[import]]), &names(), Percent::ZERO).is_err());
    let mut core = service(1);
    core["group"] = json!("core");
    core["namespace"] = json!("shop");
    assert!(split(&route(&[&[core]]), &names(), Percent::ZERO).is_ok());
}

#[test]
fn weights_without_room_are_refused() {
    let large = route(&[&[service(1)], &[service(1), other("a", 5_000)]]);
    assert!(split(&large, &names(), percent(5.0)).is_ok());
    assert_eq!(
        split(&large, &names(), percent(0.5)).unwrap_err().to_string(),
        "weight 5000 in rule 2 of HTTPRoute shop/checkout is too large to be split at 0.5%: times 1000 it would exceed \
         1000000; divide all weights of the rule by the same number"
    );
}

#[test]
fn a_rule_that_is_full_is_refused() {
    let mut backends = vec![service(1)];
    backends.extend((0..15).map(|index| other(&format!("b{index}"), 1)));
    assert_eq!(
        split(&route(&[&backends]), &names(), percent(5.0)).unwrap_err().to_string(),
        "rule 1 of HTTPRoute shop/checkout has no room for another backend (a rule has at most 16): remove one from it"
    );
}

#[test]
fn a_share_finer_than_any_weight_is_refused() {
    let error = split(&route(&[&[service(1)]]), &names(), percent(0.000_01)).unwrap_err();
    assert!(error.to_string().contains("at most four decimals"), "{error}");
}

#[test]
fn a_route_says_one_split_at_a_time() {
    let before = route(&[&[service(1), other("a", 1)], &[service(0)]]);
    assert!(whole(&names()).are_whole(&before));
    for share in [0.0, 0.1, 5.0, 33.3333, 100.0] {
        let split = split(&before, &names(), percent(share)).unwrap();
        assert!(says(&split, percent(share)) && !says(&split, percent(50.0)) && !whole(&names()).are_whole(&split));
    }
}

/// A route whose rules are called `a`, `b` and `c`.
fn named() -> Value {
    let mut route = route(&[&[service(1)], &[service(1), other("x", 1)], &[other("x", 1)]]);
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        route["spec"]["rules"][index]["name"] = json!(name);
    }
    route
}

#[test]
fn rules_that_were_not_chosen_stay_with_stable_until_the_canary_has_everything() {
    let (names, chosen) = (names(), ["b".to_owned()]);
    let router = Backends { names: &names, namespace: "shop", chosen: Some(&chosen), quirks: Quirks::default() };
    let split = router.split(&named(), percent(5.0)).unwrap();
    let other = ("x", 1);
    is_shown(
        &split,
        &[
            &[("checkout-stable", 100), ("checkout-canary", 0)],
            &[("checkout-stable", 95), ("checkout-canary", 5), ("x", 100)],
            &[other],
        ],
    );
    assert!(router.are_split(&split, percent(5.0)));
    let full = router.split(&split, percent(100.0)).unwrap();
    is_shown(
        &full,
        &[
            &[("checkout-stable", 0), ("checkout-canary", 100)],
            &[("checkout-stable", 0), ("checkout-canary", 100), ("x", 100)],
            &[other],
        ],
    );
    assert_eq!(router.unsplit(&full), named());
}

#[test]
fn a_chosen_rule_has_to_be_there_at_the_start_and_its_name_never_closes_the_way_back() {
    let names = names();
    for missing in ["c", "d"] {
        let chosen = ["b".to_owned(), missing.to_owned()];
        let router = Backends { names: &names, namespace: "shop", chosen: Some(&chosen), quirks: Quirks::default() };
        assert_eq!(
            router.has_chosen_rules(&named()).unwrap_err().to_string(),
            format!(
                "HTTPRoute shop/checkout has no rule called {missing} that points at Service checkout: give the rule \
                 that name, or choose another in spec.traffic.gatewayAPI.routes"
            )
        );
        assert!(router.split(&named(), Percent::ZERO).is_ok());
    }
}

#[test]
fn a_route_of_another_namespace_is_split_where_it_points_at_the_services_own() {
    let (names, mut ours) = (names(), service(1));
    ours["namespace"] = json!("shop");
    let mut before = route(&[&[ours, service(3)]]);
    before["metadata"]["namespace"] = json!("infra");
    let split = whole(&names).split(&before, percent(25.0)).unwrap();
    is_shown(&split, &[&[("checkout-stable", 75), ("checkout-canary", 25), ("checkout", 300)]]);
    assert_eq!(split["spec"]["rules"][0]["backendRefs"][1]["namespace"], "shop");
    assert_eq!(whole(&names).unsplit(&split), before);
}

#[test]
fn changes_by_somebody_else_are_seen() {
    let before = route(&[&[service(1)], &[service(2), other("a", 1)]]);
    let ours = split(&before, &names(), percent(5.0)).unwrap();
    let changes: [(&str, Value); 4] = [
        ("/spec/rules/0/backendRefs/0/weight", json!(50)),
        ("/spec/rules/0/backendRefs/1/port", json!(81)),
        ("/spec/rules/1/backendRefs/2/weight", json!(150)),
        ("/spec/rules/1/backendRefs", json!([service(2)])),
    ];
    for (field, value) in changes {
        let mut edited = ours.clone();
        *edited.pointer_mut(field).unwrap() = value;
        assert!(!says(&edited, percent(5.0)), "{field}");
        let mended = split(&edited, &names(), percent(5.0)).unwrap();
        assert!(says(&mended, percent(5.0)), "{field}");
    }
}

#[test]
fn half_a_pair_becomes_the_service() {
    for (lost, left, beside) in [(1, 19, 20), (0, 1, 20)] {
        let mut route = split(&route(&[&[service(1), other("a", 1)]]), &names(), percent(5.0)).unwrap();
        route.pointer_mut("/spec/rules/0/backendRefs").unwrap().as_array_mut().unwrap().remove(lost);
        is_shown(&unsplit(&route, &names()), &[&[("checkout", left), ("a", beside)]]);
    }
}

#[test]
fn a_pair_that_differs_in_more_than_its_weight_becomes_two_backends() {
    let mut route = split(&route(&[&[service(1)]]), &names(), percent(20.0)).unwrap();
    route["spec"]["rules"][0]["backendRefs"][1]["port"] = json!(81);
    let whole = unsplit(&route, &names());
    is_shown(&whole, &[&[("checkout", 4), ("checkout", 1)]]);
    assert_eq!(whole["spec"]["rules"][0]["backendRefs"][1]["port"], 81);
}

fn any_backend(name: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Value> {
    let filter = prop_oneof![
        Just(Value::Null),
        Just(json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}])),
    ];
    let defaults = any::<bool>();
    (name, 0_i64..1_000, 1_u16.., filter, defaults).prop_map(|(name, weight, port, filters, defaults)| {
        let mut backend = json!({"name": name, "weight": weight, "port": port, "later": {"field": [1, null]}});
        if defaults {
            (backend["group"], backend["kind"]) = (json!(""), json!("Service"));
        }
        if !filters.is_null() {
            backend["filters"] = filters;
        }
        backend
    })
}

fn any_rule() -> impl Strategy<Value = Value> {
    let others = || prop::collection::vec(any_backend(prop_oneof![Just("a"), Just("checkout"), Just("b")]), 0..4);
    (others(), others(), prop::option::of(any_backend(Just("checkout")))).prop_map(|(mut before, after, ours)| {
        before.extend(ours);
        before.extend(after);
        json!({"matches": [{"path": {"value": "/"}}], "timeouts": {"request": "1s"}, "backendRefs": before})
    })
}

/// A route with the Service in at least one rule, all weights explicit, as the API server stores them.
fn any_route() -> impl Strategy<Value = Value> {
    let redirect = json!({"filters": [{"type": "RequestRedirect"}]});
    let rule = prop_oneof![4 => any_rule(), 1 => Just(redirect)];
    (prop::collection::vec(rule, 0..4), any_backend(Just("checkout"))).prop_map(|(mut rules, ours)| {
        rules.push(json!({"backendRefs": [ours]}));
        let mut route = route(&[]);
        route["spec"]["rules"] = json!(rules);
        route["spec"]["hostnames"] = json!(["shop.example.com"]);
        route["status"] = json!({"parents": []});
        route
    })
}

fn tenths() -> impl Strategy<Value = Percent> {
    (0_i32..=1_000).prop_map(|tenths| percent(f64::from(tenths) / 10.0))
}

/// Each backend's part of its rule, with stable and canary as one.
fn shares(route: &Value) -> Vec<Vec<f64>> {
    let joined = |rule: Vec<(String, i64)>| {
        let sum = rule.iter().map(|(_, weight)| *weight as f64).sum::<f64>();
        let mut shares = Vec::new();
        for (name, weight) in rule {
            let share = if sum > 0.0 { weight as f64 / sum } else { 0.0 };
            if name.ends_with("-canary") { *shares.last_mut().unwrap() += share } else { shares.push(share) }
        }
        shares
    };
    shown(route).into_iter().map(joined).collect()
}

fn without_backends(route: &Value) -> Value {
    with_backends(route, vec![Cow::Borrowed(&[][..]); lists(route).count()])
}

proptest! {
    #[test]
    fn a_split_is_undone_exactly(route in any_route(), share in tenths()) {
        let split = split(&route, &names(), share).unwrap();
        prop_assert_eq!(unsplit(&split, &names()), route);
    }

    #[test]
    fn a_split_depends_on_the_last_share_alone(route in any_route(), one in tenths(), other in tenths()) {
        let first = split(&route, &names(), one).unwrap();
        prop_assert_eq!(split(&first, &names(), other).unwrap(), split(&route, &names(), other).unwrap());
    }

    #[test]
    fn nothing_but_backends_changes(route in any_route(), share in tenths()) {
        let split = split(&route, &names(), share).unwrap();
        prop_assert_eq!(without_backends(&split), without_backends(&route));
    }

    #[test]
    fn every_backend_keeps_its_share(route in any_route(), share in tenths()) {
        let split = split(&route, &names(), share).unwrap();
        for (before, after) in shares(&route).concat().into_iter().zip(shares(&split).concat()) {
            prop_assert!((before - after).abs() < 1e-12);
        }
        prop_assert_eq!(shares(&route).concat().len(), shares(&split).concat().len());
    }

    #[test]
    fn the_canary_has_exactly_its_part_of_the_service(route in any_route(), share in tenths()) {
        let split = split(&route, &names(), share).unwrap();
        for rule in shown(&split) {
            for pair in rule.windows(2).filter(|pair| pair[1].0 == "checkout-canary") {
                let sum = (pair[0].1 + pair[1].1) as f64;
                prop_assert!((pair[1].1 as f64 - sum * share.fraction()).abs() < 1e-6);
            }
        }
        prop_assert!(says(&split, share));
    }

    #[test]
    fn whatever_somebody_does_to_a_split_the_way_back_is_open(
        route in any_route(), share in tenths(), changes in prop::collection::vec(0..=MAX, 32),
    ) {
        let split_by_us = split(&route, &names(), share).unwrap();
        let mut changes = changes.into_iter().cycle();
        let mut by_others = |backend| changed(backend, None, changes.next().unwrap());
        let others = lists(&split_by_us).map(|(_, _, list)| list.iter().map(&mut by_others).collect::<Vec<_>>().into()).collect();
        let edited = with_backends(&split_by_us, others);
        let back = split(&edited, &names(), Percent::ZERO).unwrap();
        for (before, after) in shares(&edited).concat().into_iter().zip(shares(&back).concat()) {
            prop_assert!((before - after).abs() < 1e-3);
            prop_assert_eq!(before > 0.0, after > 0.0);
        }
    }
}

#[test]
fn where_a_gateway_refuses_weight_0_what_gets_nothing_is_left_out_and_nothing_is_lost_by_it() {
    let names = names();
    let quirks = Quirks { refuses_zero_weights: true, ..Quirks::default() };
    let router = Backends { quirks, ..whole(&names) };
    let user = route(&[&[service(3), other("blog", 1)]]);
    let mut now = user.clone();
    for (share, weights) in [
        (0.0, vec![("checkout-stable", 300), ("blog", 100)]),
        (5.0, vec![("checkout-stable", 285), ("checkout-canary", 15), ("blog", 100)]),
        (100.0, vec![("checkout-canary", 300), ("blog", 100)]),
        (25.0, vec![("checkout-stable", 225), ("checkout-canary", 75), ("blog", 100)]),
    ] {
        now = router.split(&now, percent(share)).unwrap();
        let said: Vec<_> = backends(&now).map(|backend| (backend["name"].as_str().unwrap(), weight(backend))).collect();
        assert_eq!(said, weights);
        assert!(router.are_split(&now, percent(share)));
        assert_eq!(router.canary_share(&now), Some(percent(share)));
        assert_eq!(router.unsplit(&now), user);
    }
}
