//! The watches of kinds that carry weights, on the embedded API server.

use serde_json::json;
use tidegate_apiserver::ApiServer;
use tidegate_clock::Clock;
use tidegate_planner::traffic::GATEWAY_API;

use super::*;

struct Lab {
    server: ApiServer,
    routes: Routes,
    index: Arc<Index>,
    woken: mpsc::UnboundedReceiver<String>,
}

impl Lab {
    fn new() -> Self {
        let server = ApiServer::new(Clock::System, 1);
        let scope = Scope { client: server.client(), namespace: None };
        let index = Arc::<Index>::default();
        let (routes, triggers) = Routes::new(scope, &Arc::default(), &index);
        let (waking, woken) = mpsc::unbounded_channel();
        tokio::spawn(triggers.for_each(move |rollout| {
            let _ = waking.send(rollout.name);
            std::future::ready(())
        }));
        for namespace in ["shop", "infra"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            server.create(namespace, "test").unwrap();
        }
        Self { server, routes, index, woken }
    }

    fn install(&self, kind: &str, plural: &str) {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{GATEWAY_API}")},
            "spec": {
                "group": GATEWAY_API, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [
                    {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
                ],
            },
        });
        self.server.create(definition, "test").unwrap();
    }

    /// An HTTPRoute with these backends.
    fn route(&self, namespace: &str, name: &str, services: &[&str]) {
        let backends: Vec<_> = services.iter().map(|name| json!({"name": name, "namespace": "shop"})).collect();
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace}, "spec": {"rules": [{"backendRefs": backends}]},
        });
        self.server.create(route, "test").unwrap();
    }

    /// The routes that give requests to the Service.
    fn pointing_at(&self, service: &str) -> Option<Vec<String>> {
        Some(self.routes.pointing_at("shop", service)?.iter().map(ToString::to_string).collect())
    }

    /// Until the API server says so of the route's kind.
    async fn says(&self, route: &RouteId, served: Served) {
        let mut answers = self.routes.answered();
        while self.routes.served(route) != served || !self.routes.are_known(&rollout("HTTPRoute", "a")) {
            answers.changed().await.unwrap();
        }
    }
}

fn rollout(kind: &str, name: &str) -> Rollout {
    serde_json::from_value(json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "workload": {"kind": "Deployment", "name": name}, "service": name,
            "traffic": {"gatewayAPI": {"routes": [{"kind": kind, "name": "checkout"}]}},
        },
    }))
    .unwrap()
}

fn note(lab: &Lab, rollout: &Rollout) {
    lab.routes.note(&rollout.metadata, Some(rollout));
}

fn checkout() -> RouteId {
    RouteId::http_route("checkout")
}

#[tokio::test(start_paused = true)]
async fn a_route_is_kept_with_all_that_its_user_wrote() {
    let lab = Lab::new();
    lab.install("HTTPRoute", "httproutes");
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"});
    let metadata = json!({"name": "checkout", "namespace": "shop", "annotations": annotations});
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": []},
    });
    lab.server.create(route, "test").unwrap();
    note(&lab, &rollout("HTTPRoute", "a"));
    lab.says(&checkout(), Served::Yes).await;
    let mut kept = serde_json::to_value(&*lab.routes.get(&checkout(), "shop").unwrap()).unwrap();
    let mut stored = lab.server.get("httproutes", "shop", "checkout").unwrap().value().clone();
    for route in [&mut kept, &mut stored] {
        route["metadata"].as_object_mut().unwrap().remove("managedFields");
    }
    assert_eq!(kept, stored);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_installed_late_is_found() {
    let lab = Lab::new();
    note(&lab, &rollout("HTTPRoute", "a"));
    assert!(!lab.routes.are_known(&rollout("HTTPRoute", "a")), "nobody has answered yet");
    lab.says(&checkout(), Served::Unknown).await;
    lab.install("HTTPRoute", "httproutes");
    lab.says(&checkout(), Served::Yes).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_watched_for_as_long_as_a_rollout_names_it() {
    let lab = Lab::new();
    let [one, other] = ["a", "b"].map(|name| rollout("HTTPRoute", name));
    note(&lab, &one);
    note(&lab, &other);
    note(&lab, &rollout("GRPCRoute", "a"));
    assert!(lab.routes.known(&checkout().kind).is_some());
    lab.routes.note(&other.metadata, None);
    assert!(lab.routes.known(&checkout().kind).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_grants_of_a_namespace_are_known_where_a_route_lies_in_another() {
    let lab = Lab::new();
    lab.install("HTTPRoute", "httproutes");
    lab.install("ReferenceGrant", "referencegrants");
    let grant = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"name": "infra", "namespace": "shop"}, "spec": {"from": [], "to": []},
    });
    lab.server.create(grant, "test").unwrap();
    let mut rollout = rollout("HTTPRoute", "a");
    let elsewhere = json!({"gatewayAPI": {"routes": [{"name": "public", "namespace": "infra"}]}});
    rollout.spec.traffic = serde_json::from_value(elsewhere).unwrap();
    note(&lab, &rollout);
    let mut answers = lab.routes.answered();
    while !lab.routes.are_known(&rollout) {
        answers.changed().await.unwrap();
    }
    assert_eq!(lab.routes.grants("shop").len(), 1);
    assert!(lab.routes.grants("other").is_empty());
}

#[tokio::test(start_paused = true)]
async fn routes_are_found_by_the_services_that_they_give_requests_to() {
    let lab = Lab::new();
    lab.install("HTTPRoute", "httproutes");
    lab.route("shop", "checkout", &["checkout", "basket"]);
    lab.route("shop", "admin", &["checkout"]);
    lab.route("infra", "public", &["checkout"]);
    note(&lab, &rollout("HTTPRoute", "a"));
    lab.says(&checkout(), Served::Yes).await;
    assert_eq!(lab.pointing_at("checkout").unwrap(), ["HTTPRoute admin", "HTTPRoute checkout"]);
    assert_eq!(lab.pointing_at("basket").unwrap(), ["HTTPRoute checkout"]);
    assert!(lab.pointing_at("other").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_woken_when_a_route_comes_to_point_at_its_service_and_when_it_does_not_any_more() {
    let mut lab = Lab::new();
    lab.install("HTTPRoute", "httproutes");
    lab.route("shop", "admin", &["basket"]);
    let rollout = rollout("HTTPRoute", "a");
    lab.index.update(&rollout.metadata, Some(&rollout));
    note(&lab, &rollout);
    lab.says(&checkout(), Served::Yes).await;
    for (service, found) in [("a", &["HTTPRoute admin"][..]), ("basket", &[])] {
        let spec = json!({"spec": {"rules": [{"backendRefs": [{"name": service}]}]}});
        lab.server.merge("httproutes", "shop", "admin", "", spec, "test").unwrap();
        assert_eq!(lab.woken.recv().await.as_deref(), Some("a"));
        assert_eq!(lab.pointing_at("a").unwrap(), found);
    }
}

#[tokio::test(start_paused = true)]
async fn which_routes_point_at_a_service_is_not_known_before_all_their_kinds_are() {
    let lab = Lab::new();
    lab.install("HTTPRoute", "httproutes");
    lab.route("shop", "admin", &["checkout"]);
    note(&lab, &rollout("HTTPRoute", "a"));
    lab.says(&checkout(), Served::Yes).await;
    let other = rollout("GRPCRoute", "b");
    note(&lab, &other);
    assert_eq!(lab.pointing_at("checkout"), None);
    let mut answers = lab.routes.answered();
    while !lab.routes.are_known(&other) {
        answers.changed().await.unwrap();
    }
    assert_eq!(lab.pointing_at("checkout").unwrap(), ["HTTPRoute admin"]);
    lab.routes.note(&other.metadata, None);
    assert!(answers.has_changed().unwrap(), "what was said because of its objects is to be taken back");
}

/// A Rollout that names a kind of its own.
fn of_kind(index: usize) -> Rollout {
    let mut rollout = rollout("HTTPRoute", &format!("r{index}"));
    let custom = json!([{"apiVersion": "example.com/v1", "kind": format!("Kind{index:03}"), "name": "checkout",
                         "set": [{"path": "spec.weight", "value": "{{canary.weight}}"}]}]);
    rollout.spec.traffic = serde_json::from_value(json!({"custom": custom})).unwrap();
    rollout
}

fn route_of(rollout: &Rollout) -> RouteId {
    RouteId::of(&rollout.spec.routes()[0], "shop")
}

#[tokio::test(start_paused = true)]
async fn manifests_cannot_have_kinds_watched_without_end() {
    let lab = Lab::new();
    for index in 0..100 {
        note(&lab, &of_kind(index));
    }
    assert_eq!(lab.routes.lock().watched.len(), MOST_KINDS);
    assert_eq!(lab.routes.served(&route_of(&of_kind(99))), Served::NoRoom { most: MOST_KINDS });
    assert!(lab.routes.are_known(&of_kind(99)), "nobody will answer for it");
    note(&lab, &rollout("HTTPRoute", "a"));
    assert!(lab.routes.known(&checkout().kind).is_some(), "the kinds of gatewayAPI have their own room");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_waits_for_room_is_watched_when_another_is_named_no_more() {
    let lab = Lab::new();
    let (first, last) = (of_kind(0), of_kind(MOST_KINDS));
    for index in 0..=MOST_KINDS {
        note(&lab, &of_kind(index));
    }
    assert!(lab.routes.known(&route_of(&last).kind).is_none());
    lab.routes.note(&first.metadata, None);
    assert!(lab.routes.known(&route_of(&last).kind).is_some());
    lab.says(&route_of(&last), Served::Unknown).await;
    assert!(lab.routes.lock().waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_room_who_names_the_kind_no_more() {
    let lab = Lab::new();
    for index in 0..=MOST_KINDS {
        note(&lab, &of_kind(index));
    }
    lab.routes.note(&of_kind(MOST_KINDS).metadata, None);
    assert!(lab.routes.lock().waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_no_grant_by_its_name_alone() {
    let lab = Lab::new();
    lab.install("ReferenceGrant", "referencegrants");
    let grant = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"from": [], "to": []},
    });
    lab.server.create(grant, "test").unwrap();
    assert!(!is_grant(&Kind { group: "example.com".to_owned(), ..grants() }));
    let mut rollout = rollout("HTTPRoute", "a");
    let custom = json!([{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant", "name": "checkout",
                         "set": [{"path": "spec.weight", "value": "{{canary.weight}}"}]}]);
    rollout.spec.traffic = serde_json::from_value(json!({"custom": custom})).unwrap();
    note(&lab, &rollout);
    lab.says(&route_of(&rollout), Served::Yes).await;
    assert!(lab.routes.get(&route_of(&rollout), "shop").is_some());
    assert!(lab.routes.grants("shop").is_empty(), "nobody asked for them");
}
