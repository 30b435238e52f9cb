//! HTTPRoutes and GRPCRoutes as Envoy's virtual hosts: one for each namespace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::clusters::Cluster;

/// The authority by which customers address the routes of a namespace.
pub fn authority(namespace: &str) -> String {
    format!("{namespace}.example")
}

/// All Services that routes point at, with or without weight.
pub fn clusters<'a>(routes: impl Iterator<Item = &'a DynamicObject>) -> BTreeSet<Cluster> {
    let clusters = |route: &'a DynamicObject| {
        let namespace = route.namespace().unwrap_or_default();
        let backends = list(&route.data["spec"]["rules"]).flat_map(|rule| list(&rule["backendRefs"]));
        backends.map(move |backend| cluster(&namespace, backend))
    };
    routes.flat_map(clusters).collect()
}

/// The virtual hosts of all routes.
pub fn virtual_hosts<'a>(routes: impl Iterator<Item = &'a DynamicObject>) -> Vec<Value> {
    let mut namespaces = BTreeMap::<_, Vec<_>>::new();
    for route in routes {
        let namespace = route.namespace().unwrap_or_default();
        for rule in list(&route.data["spec"]["rules"]) {
            let (field, action) = action(&namespace, rule);
            let matches = matches(rule).into_iter().map(|one| json!({"match": one, field: action}));
            namespaces.entry(namespace.clone()).or_default().extend(matches);
        }
    }
    let host = |(namespace, mut routes): (String, Vec<Value>)| {
        // The first of those that are equally specific wins, so the sort has to be stable.
        routes.sort_by_key(|route| Reverse(precedence(&route["match"])));
        json!({"name": namespace, "domains": [authority(&namespace)], "routes": routes})
    };
    namespaces.into_iter().map(host).collect()
}

/// Streams may last for ever, so no route has Envoy's default timeout of 15 s.
fn action(namespace: &str, rule: &Value) -> (&'static str, Value) {
    let weighted: Vec<_> = list(&rule["backendRefs"])
        .map(|backend| {
            let weight = backend["weight"].as_u64().unwrap_or(1);
            json!({"name": cluster(namespace, backend).to_string(), "weight": weight})
        })
        .collect();
    if weighted.iter().all(|backend| backend["weight"] == 0) {
        return ("direct_response", json!({"status": 500}));
    }
    ("route", json!({"weighted_clusters": {"clusters": weighted}, "timeout": "0s"}))
}

/// What a rule asks of requests; each of them is enough.
fn matches(rule: &Value) -> Vec<Value> {
    let matches: Vec<_> = list(&rule["matches"]).map(one_match).collect();
    if matches.is_empty() { vec![json!({"prefix": "/"})] } else { matches }
}

fn one_match(wanted: &Value) -> Value {
    let mut headers: Vec<_> = list(&wanted["headers"]).map(named).collect();
    let mut translated = if wanted["method"].is_object() {
        method_of_service(&wanted["method"])
    } else {
        let method = wanted["method"].as_str();
        headers.extend(method.map(|method| json!({"name": ":method", "string_match": {"exact": method}})));
        path(&wanted["path"])
    };
    translated["headers"] = headers.into();
    translated["query_parameters"] = list(&wanted["queryParams"]).map(named).collect();
    translated
}

fn path(path: &Value) -> Value {
    let value = path["value"].as_str().unwrap_or("/");
    match path["type"].as_str() {
        Some("Exact") => json!({"path": value}),
        Some("RegularExpression") => json!({"safe_regex": {"regex": value}}),
        _ if value == "/" => json!({"prefix": value}),
        _ => json!({"path_separated_prefix": value.trim_end_matches('/')}),
    }
}

/// What a GRPCRoute calls a method, as a path.
fn method_of_service(method: &Value) -> Value {
    match (method["service"].as_str(), method["method"].as_str()) {
        (Some(service), Some(method)) => json!({"path": format!("/{service}/{method}"), "grpc": {}}),
        (Some(service), None) => json!({"prefix": format!("/{service}/"), "grpc": {}}),
        (None, Some(method)) => json!({"safe_regex": {"regex": format!("/[^/]+/{method}")}, "grpc": {}}),
        (None, None) => json!({"prefix": "/", "grpc": {}}),
    }
}

/// A header or a query parameter.
fn named(wanted: &Value) -> Value {
    let value = &wanted["value"];
    let matcher = match wanted["type"].as_str() {
        Some("RegularExpression") => json!({"safe_regex": {"regex": value}}),
        _ => json!({"exact": value}),
    };
    json!({"name": wanted["name"], "string_match": matcher})
}

/// How specific a match is: exact paths first, then long ones, then those with more headers and query parameters.
fn precedence(wanted: &Value) -> [usize; 4] {
    let length = |field: &str| wanted[field].as_str().map_or(0, str::len);
    let count = |field: &str| wanted[field].as_array().map_or(0, Vec::len);
    let prefix = length("prefix").max(length("path_separated_prefix"));
    [length("path"), prefix, count("headers"), count("query_parameters")]
}

fn cluster(namespace: &str, backend: &Value) -> Cluster {
    let namespace = backend["namespace"].as_str().unwrap_or(namespace).to_owned();
    Cluster { namespace, service: backend["name"].as_str().unwrap_or_default().to_owned() }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
