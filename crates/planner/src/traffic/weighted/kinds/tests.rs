use proptest::prelude::*;
use serde_json::{Map, json};
use tidegate_api::Percent;

use super::*;
use crate::traffic::{Names, Router, Split, weighted::WeightedRoute};

/// Each kind, with a list of its own around an element for this Service and weight.
fn element(kind: &RouteKind, service: &str, weight: Option<i64>) -> Value {
    let mut element = match (kind.product, kind.kind) {
        ("Istio", _) => {
            json!({"destination": {"host": format!("{service}.shop.svc.cluster.local"), "port": {"number": 80}}})
        }
        ("Contour" | "Traefik", _) => json!({"name": service, "port": 80}),
        ("Linkerd", _) => json!({"name": service, "kind": "Service", "group": "core", "port": 80}),
        ("Kuma", _) => json!({"kind": "MeshService", "name": service, "port": 80}),
        ("APISIX", _) => json!({"serviceName": service, "servicePort": 80}),
        ("Gloo", _) => json!({"destination": {"kube": {"ref": {"name": service, "namespace": "shop"}, "port": 80}}}),
        other => panic!("no element for {other:?}"),
    };
    element.as_object_mut().unwrap().extend(weight.map(|weight| ("weight".to_owned(), weight.into())));
    element
}

/// An object of the kind with these lists, each in a rule of its own at the first place where it may have some.
fn object(kind: &RouteKind, lists: &[Vec<Value>]) -> Value {
    let Lists { rules, of_rule } = kind.lists[0];
    let mut inner: Vec<Value> = lists.iter().map(|list| nested(of_rule, list.clone().into())).collect();
    let mut parts = rules.split("/*").collect::<Vec<_>>();
    // A place that is no list has one rule.
    if let Some(pointer) = parts.pop().filter(|part| !part.is_empty()) {
        assert!(parts.is_empty(), "{rules}");
        inner.truncate(1);
        return with_metadata(kind, nested(pointer, inner.remove(0)));
    }
    let mut value = Value::Array(inner);
    for (depth, pointer) in parts.iter().rev().enumerate() {
        value = nested(pointer, if depth == 0 { value } else { json!([value]) });
    }
    with_metadata(kind, value)
}

fn nested(pointer: &str, value: Value) -> Value {
    pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(value, |value, name| json!({name: value}))
}

fn with_metadata(kind: &RouteKind, mut object: Value) -> Value {
    object["apiVersion"] = format!("{}/v1", kind.group).into();
    object["kind"] = kind.kind.into();
    object["metadata"] = json!({"name": "checkout", "namespace": "shop", "generation": 3});
    object
}

fn names() -> Names {
    Names::of("checkout")
}

fn route<'a>(kind: &'static RouteKind, names: &'a Names) -> WeightedRoute<'a> {
    WeightedRoute { kind, names, namespace: "shop", chosen: None }
}

fn split(kind: &'static RouteKind, object: &Value, percent: f64) -> Value {
    route(kind, &names()).split(object, Percent::new(percent).into()).unwrap()
}

/// Names and weights of the first list, in its order.
fn shown(kind: &RouteKind, object: &Value) -> Vec<(String, Option<i64>)> {
    let rule = kind.lists.iter().flat_map(|lists| lists.of(object)).next().unwrap();
    rule.list
        .iter()
        .map(|element| ((kind.service)(element).unwrap().0.to_owned(), element["weight"].as_i64()))
        .collect()
}

#[test]
fn of_every_kind_a_lone_service_reads_as_percents_and_comes_back_as_it_was() {
    for kind in KINDS {
        let before = object(kind, &[vec![element(kind, "checkout", (kind.product == "Gloo").then_some(1))]]);
        let after = split(kind, &before, 5.0);
        let mut weights = shown(kind, &after);
        weights.sort();
        let expected = [("checkout-canary", 5), ("checkout-stable", 95)];
        assert_eq!(weights, expected.map(|(name, weight)| (name.to_owned(), Some(weight))), "{}", kind.product);
        let names = names();
        let route = route(kind, &names);
        assert_eq!(route.canary_share(&after), Some(Percent::new(5.0)), "{}", kind.product);
        assert!(route.is_split(&after, Percent::new(5.0).into()) && !route.is_whole(&after), "{}", kind.product);
        assert_eq!((route.unsplit(&after), route.is_whole(&before)), (before, true), "{}", kind.product);
    }
}

#[test]
fn a_lone_weight_that_was_left_out_is_left_out_again_whatever_somebody_made_of_it() {
    for kind in KINDS.into_iter().filter(|kind| kind.product != "Gloo") {
        let before = object(kind, &[vec![element(kind, "checkout", None)]]);
        let mut after = split(kind, &before, 25.0);
        for lists in kind.lists {
            for list in lists.of_mut(&mut after) {
                for element in list {
                    element["weight"] = 1.into();
                }
            }
        }
        assert_eq!(route(kind, &names()).unsplit(&after), before, "{}", kind.product);
    }
}

#[test]
fn what_has_no_weight_beside_others_gets_what_its_kind_says() {
    let istio = find(None, "VirtualService").unwrap();
    let list = |kind| vec![element(kind, "checkout", Some(3)), element(kind, "old", None)];
    let after = split(istio, &object(istio, &[list(istio)]), 10.0);
    assert_eq!(shown(istio, &after)[2], ("old".to_owned(), Some(0)), "Istio: no requests");
    let contour = find(None, "HTTPProxy").unwrap();
    let equal = vec![element(contour, "checkout", None), element(contour, "old", None)];
    let after = split(contour, &object(contour, &[equal]), 10.0);
    assert_eq!(shown(contour, &after)[2], ("old".to_owned(), Some(100)), "Contour: as much as the other");
    let traefik = find(None, "IngressRoute").unwrap();
    let after = split(traefik, &object(traefik, &[list(traefik)]), 10.0);
    assert_eq!(shown(traefik, &after)[2], ("old".to_owned(), Some(100)), "Traefik: 1 of 4");
}

#[test]
fn weights_that_could_not_be_told_apart_again_are_refused_beforehand() {
    let traefik = find(None, "IngressRoute").unwrap();
    let mixed = vec![element(traefik, "checkout", Some(1)), element(traefik, "old", None)];
    let names = names();
    let refused = route(traefik, &names).can_restore(&object(traefik, &[mixed])).unwrap_err().to_string();
    assert!(
        refused.starts_with("IngressRoute shop/checkout: the weights of a rule could not be put back"),
        "{refused}"
    );
}

#[test]
fn an_istio_host_keeps_its_spelling_and_that_of_another_namespace_is_another_service() {
    let istio = find(None, "VirtualService").unwrap();
    for host in ["checkout", "checkout.shop.svc.cluster.local", "checkout.shop.svc.example.com"] {
        let before = object(istio, &[vec![json!({"destination": {"host": host}})]]);
        let after = split(istio, &before, 5.0);
        let canary = after.pointer("/spec/http/0/route/0/destination/host").unwrap();
        assert_eq!(*canary, host.replacen("checkout", "checkout-canary", 1));
        assert_eq!(route(istio, &names()).unsplit(&after), before);
    }
    for host in ["checkout.shop", "checkout.shop.svc", "checkout.example.com", "checkout.other.svc.cluster.local"] {
        let object = object(istio, &[vec![json!({"destination": {"host": host}})]]);
        let refused = route(istio, &names()).split(&object, Percent::new(5.0).into()).unwrap_err().to_string();
        assert!(
            refused.ends_with("no rule of it points at Service checkout of namespace shop: add it to one"),
            "{refused}"
        );
    }
}

#[test]
fn a_subset_of_istios_is_refused_with_what_to_do() {
    let istio = find(None, "VirtualService").unwrap();
    let object = object(istio, &[vec![json!({"destination": {"host": "checkout", "subset": "v1"}})]]);
    let refused = route(istio, &names()).split(&object, Percent::new(5.0).into()).unwrap_err().to_string();
    assert!(
        refused.contains("in spec.http[0], a destination names a subset") && refused.ends_with("leave subset out"),
        "{refused}"
    );
}

#[test]
fn what_stands_alone_has_all_requests_and_so_has_a_canary_that_somebody_left_alone() {
    for kind in [find(None, "VirtualService"), find(None, "IngressRoute"), find(None, "HTTPProxy")].map(Option::unwrap)
    {
        let (names, zero) = (names(), object(kind, &[vec![element(kind, "checkout", Some(0))]]));
        let route = route(kind, &names);
        let refused = route.can_restore(&zero).unwrap_err().to_string();
        assert!(refused.ends_with("no 0 for a Service that stands alone"), "{refused}");
        let alone = object(kind, &[vec![element(kind, "checkout-canary", Some(0))]]);
        assert_eq!(route.canary_share(&alone), Some(Percent::new(100.0)), "{}", kind.product);
        let back = split(kind, &alone, 0.0);
        assert_eq!(shown(kind, &back), [("checkout-stable".to_owned(), Some(0))], "{}", kind.product);
    }
}

#[test]
fn a_version_without_requests_is_not_named_and_weights_stay_as_they_are() {
    for kind in KINDS {
        let list = |service: &str| vec![element(kind, service, Some(30)), element(kind, "old", Some(2_000_000))];
        let before = object(kind, &[list("checkout")]);
        let names = names();
        for (percent, service) in [(0.0, "checkout-stable"), (100.0, "checkout-canary")] {
            let after = split(kind, &before, percent);
            assert_eq!(after, object(kind, &[list(service)]), "{}", kind.product);
            assert_eq!(route(kind, &names).unsplit(&after), before, "{}", kind.product);
        }
    }
}

#[test]
fn a_mirror_of_contours_keeps_its_part_and_takes_none() {
    let contour = find(None, "HTTPProxy").unwrap();
    let mirror = json!({"name": "shadow", "port": 80, "mirror": true, "weight": 10});
    let before = object(contour, &[vec![element(contour, "checkout", None), mirror.clone()]]);
    let after = split(contour, &before, 5.0);
    let (names, list) = (names(), after.pointer("/spec/routes/0/services").unwrap());
    assert_eq!((list[0]["weight"].as_i64(), list[1]["weight"].as_i64(), &list[2]), (Some(5), Some(95), &mirror));
    assert_eq!(route(contour, &names).unsplit(&after), before);
}

#[test]
fn services_without_any_weight_are_refused() {
    let service = find(None, "TraefikService").unwrap();
    let object = object(service, &[vec![element(service, "checkout", Some(0)), element(service, "old", Some(0))]]);
    let refused = route(service, &names()).can_split(&object, &[Percent::new(5.0).into()]).unwrap_err().to_string();
    assert!(refused.ends_with("in spec.weighted, no Service has any weight: give one of them some"), "{refused}");
}

#[test]
fn a_subset_of_apisix_is_refused_with_what_to_do() {
    let apisix = find(None, "ApisixRoute").unwrap();
    let object = object(apisix, &[vec![json!({"serviceName": "checkout", "servicePort": 80, "subset": "v1"})]]);
    let refused = route(apisix, &names()).split(&object, Percent::new(5.0).into()).unwrap_err().to_string();
    assert!(refused.contains("in spec.http[0], a backend names a subset"), "{refused}");
}

#[test]
fn no_more_are_written_than_the_kind_takes() {
    let linkerd = find(None, "HTTPRoute").unwrap();
    let mut list = vec![element(linkerd, "old", None); 15];
    list.push(element(linkerd, "checkout", None));
    let refused = route(linkerd, &names()).split(&object(linkerd, &[list]), Percent::new(5.0).into()).unwrap_err();
    assert!(refused.to_string().contains("there is no room for another Service (a rule has at most 16)"), "{refused}");
}

#[test]
fn linkerd_and_gloo_are_believed_unless_they_report_a_fault() {
    let said = |kind: &'static RouteKind, status: Value| {
        let mut object = object(kind, &[vec![element(kind, "checkout", None)]]);
        object["status"] = status;
        (kind.acceptance)(&object)
    };
    let linkerd = find(None, "HTTPRoute").unwrap();
    let conditions = |kind: &str, status: &str| json!({"parents": [{"conditions": [{"type": kind, "status": status, "reason": "BackendNotFound"}]}]});
    assert_eq!(said(linkerd, conditions("Accepted", "True")), Acceptance::Accepted);
    assert!(matches!(said(linkerd, conditions("Accepted", "False")), Acceptance::Rejected(_)));
    let unresolved = "Linkerd does not resolve what HTTPRoute shop/checkout points at: BackendNotFound";
    assert_eq!(said(linkerd, conditions("ResolvedRefs", "False")), Acceptance::Unresolved(unresolved.to_owned(), None));
    let gloo = find(Some("gateway.solo.io"), "VirtualService").unwrap();
    let state = |state: Value| json!({"statuses": {"gloo-system": {"state": state}}});
    assert_eq!(said(gloo, state(json!("Accepted"))), Acceptance::Accepted);
    assert!(matches!(said(gloo, state(json!("Rejected"))), Acceptance::Rejected(_)));
}

#[test]
fn chosen_rules_carry_the_weights_and_the_others_follow_at_the_end() {
    let istio = find(None, "VirtualService").unwrap();
    let mut before = object(istio, &[vec![element(istio, "checkout", None)], vec![element(istio, "checkout", None)]]);
    before["spec"]["http"][1]["name"] = "api".into();
    let (names, chosen) = (names(), ["api".to_owned()]);
    let router = WeightedRoute { chosen: Some(&chosen), ..route(istio, &names) };
    let weights = |percent: f64| {
        let after = router.split(&before, Percent::new(percent).into()).unwrap();
        [0, 1].map(|rule| {
            let first = &after["spec"]["http"][rule]["route"][0];
            (
                first["destination"]["host"].as_str().unwrap().split('.').next().unwrap().to_owned(),
                first["weight"].as_i64(),
            )
        })
    };
    let [stable, canary] = ["checkout-stable", "checkout-canary"].map(str::to_owned);
    assert_eq!(weights(5.0), [(stable, None), (canary.clone(), Some(5))]);
    assert_eq!(weights(100.0), [(canary.clone(), None), (canary, None)]);
    let other = ["web".to_owned()];
    let missing = WeightedRoute { chosen: Some(&other), ..router };
    let refused = missing.can_split(&before, &[Percent::new(5.0).into()]).unwrap_err().to_string();
    assert!(refused.contains("it has no rule called web that points at Service checkout"), "{refused}");
}

#[test]
fn a_stage_that_asks_for_more_than_a_weight_is_refused() {
    let contour = find(None, "HTTPProxy").unwrap();
    let object = object(contour, &[vec![element(contour, "checkout", None)]]);
    let mirrored = Split { mirror: Percent::new(5.0), ..Percent::new(5.0).into() };
    let refused = route(contour, &names()).can_split(&object, &[mirrored]).unwrap_err().to_string();
    assert!(refused.contains("it carries weights only"), "{refused}");
}

#[test]
fn contour_is_waited_for_and_its_refusal_is_told() {
    let contour = find(None, "HTTPProxy").unwrap();
    let said = |conditions: Value| {
        let mut object = object(contour, &[vec![element(contour, "checkout", None)]]);
        object["status"] = json!({"conditions": conditions});
        (contour.acceptance)(&object)
    };
    let valid = |status: &str, generation: i64| json!([{"type": "Valid", "status": status, "observedGeneration": generation, "errors": [{"reason": "ServiceUnresolvedReference"}]}]);
    assert!(matches!(said(json!([])), Acceptance::Waiting(_)));
    assert!(matches!(said(valid("True", 2)), Acceptance::Waiting(_)), "of the generation before");
    assert_eq!(said(valid("True", 3)), Acceptance::Accepted);
    let refused = "Contour reports that HTTPProxy shop/checkout is not valid: ServiceUnresolvedReference";
    assert_eq!(said(valid("False", 3)), Acceptance::Rejected(refused.to_owned()));
}

#[test]
fn istio_is_believed_unless_it_reports_an_error_on_what_was_written() {
    let istio = find(None, "VirtualService").unwrap();
    let said = |status: Value| {
        let mut object = object(istio, &[vec![element(istio, "checkout", None)]]);
        object["status"] = status;
        (istio.acceptance)(&object)
    };
    let error = json!([{"level": "ERROR", "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}]);
    assert_eq!(said(json!({})), Acceptance::Accepted);
    assert_eq!(said(json!({"observedGeneration": "2", "validationMessages": error})), Acceptance::Accepted);
    let refused = "Istio reports an error on VirtualService shop/checkout: IST0101";
    let rejected = said(json!({"observedGeneration": "3", "validationMessages": error}));
    assert_eq!(rejected, Acceptance::Rejected(refused.to_owned()));
}

#[test]
fn a_manifest_may_name_every_kind_and_no_other() {
    let mut known: Vec<_> = KINDS.iter().map(|kind| kind.kind).collect();
    known.sort_unstable();
    known.dedup();
    let mut named = tidegate_api::WEIGHTED_KINDS.to_vec();
    named.sort_unstable();
    assert_eq!(known, named);
}

#[test]
fn kinds_of_one_name_are_told_apart_by_their_group() {
    let product = |group: Option<&str>, kind: &str| find(group, kind).map(|kind| kind.product);
    assert_eq!(product(None, "VirtualService"), Some("Istio"));
    assert_eq!(product(Some("gateway.solo.io"), "VirtualService"), Some("Gloo"));
    assert_eq!(product(Some("example.com"), "VirtualService"), None);
}

fn lists() -> impl Strategy<Value = Vec<Vec<(bool, Option<i64>)>>> {
    let weight = prop_oneof![Just(None), (0i64..9).prop_map(Some), Just(Some(100))];
    prop::collection::vec(prop::collection::vec((any::<bool>(), weight), 1..4), 1..3)
}

proptest! {
    #[test]
    fn whatever_can_be_restored_is_after_any_number_of_splits(
        which in 0..KINDS.len(), lists in lists(), percents in prop::collection::vec(0u32..=1000, 1..4)
    ) {
        let (kind, names) = (KINDS[which], names());
        let elements = |list: &Vec<(bool, Option<i64>)>| {
            let named = |(number, (ours, weight)): (usize, &(bool, Option<i64>))| {
                element(kind, if *ours { "checkout" } else { ["old", "other", "third"][number] }, *weight)
            };
            list.iter().enumerate().map(named).collect::<Vec<_>>()
        };
        let before = object(kind, &lists.iter().map(elements).collect::<Vec<_>>());
        let route = route(kind, &names);
        prop_assume!(route.can_restore(&before).is_ok());
        let mut after = before.clone();
        for tenths in percents {
            let wanted = Split::from(Percent::new(f64::from(tenths) / 10.0));
            after = route.split(&after, wanted).unwrap();
            prop_assert!(route.is_split(&after, wanted));
            prop_assert_eq!(&route.split(&before, wanted).unwrap(), &after, "from wherever it is reached");
            prop_assert_eq!(&route.unsplit(&after), &before);
        }
    }

    #[test]
    fn whatever_somebody_writes_the_way_back_is_open(
        which in 0..KINDS.len(),
        ours in prop::collection::vec(prop_oneof![Just(None), (0i64..2_000_000).prop_map(Some)], 2),
        others in prop::collection::vec((any::<bool>(), prop_oneof![Just(None), (0i64..2_000_000).prop_map(Some)]), 0..3),
        added in any::<bool>(),
    ) {
        let (kind, names) = (KINDS[which], names());
        let mut list: Vec<_> = ["checkout-stable", "checkout-canary"].iter().zip(ours).map(|(name, weight)| element(kind, name, weight)).collect();
        let of_others: Vec<_> = others.iter().map(|(ours, weight)| element(kind, if *ours { "checkout" } else { "old" }, *weight)).collect();
        let lists = if added { vec![list, of_others] } else { list.extend(of_others); vec![list] };
        let back = route(kind, &names).split(&object(kind, &lists), Percent::ZERO.into()).unwrap();
        prop_assert_eq!(route(kind, &names).canary_share(&back).unwrap_or(Percent::ZERO), Percent::ZERO);
    }

    #[test]
    fn nothing_panics_whatever_the_object_is(which in 0..KINDS.len(), text in "[a-c/]{0,6}") {
        let kind = KINDS[which];
        let odd = [json!({}), json!([]), json!(7), json!({"spec": {"http": 7, "routes": [7, {}], "rules": [{"backendRefs": [7]}]}}), Value::Object(Map::from_iter([(text, json!(1))]))];
        let names = names();
        let route = route(kind, &names);
        for object in &odd {
            prop_assert!(route.split(object, Percent::ZERO.into()).is_err() && route.is_whole(object));
            prop_assert_eq!(&route.unsplit(object), object);
        }
    }
}
