//! HTTPRoutes and GRPCRoutes as Envoy's virtual hosts: one for each namespace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use anyhow::{Context, Result, ensure};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::{clusters::Cluster, filters, list, matches};

/// The authority by which customers address the routes of a namespace.
pub fn authority(namespace: &str) -> String {
    format!("{namespace}.example")
}

/// All Services that routes point at, with or without weight, or that get copies.
pub fn clusters<'a>(routes: impl Iterator<Item = &'a DynamicObject>) -> BTreeSet<Cluster> {
    let clusters = |route: &'a DynamicObject| {
        let namespace = route.namespace().unwrap_or_default();
        list(&route.data["spec"]["rules"]).flat_map(move |rule| {
            let backends = list(&rule["backendRefs"]).map(|backend| Cluster::of(&namespace, backend));
            let mirrors = filters::mirrors(&namespace, rule).into_iter().map(|(cluster, _)| cluster);
            backends.chain(mirrors).collect::<Vec<_>>()
        })
    };
    routes.flat_map(clusters).collect()
}

/// The virtual hosts of all routes.
///
/// # Errors
/// What one of them says that is not played here.
pub fn virtual_hosts<'a>(routes: impl Iterator<Item = &'a DynamicObject>) -> Result<Vec<Value>> {
    let mut namespaces = BTreeMap::<_, Vec<_>>::new();
    for route in routes {
        let (namespace, name) = (route.namespace().unwrap_or_default(), route.name_any());
        let of_grpc = route.types.as_ref().is_some_and(|types| types.kind == "GRPCRoute");
        let of_route = namespaces.entry(namespace.clone()).or_default();
        for rule in list(&route.data["spec"]["rules"]) {
            let mut entry = entry(&namespace, rule, of_grpc).with_context(|| format!("route {namespace}/{name}"))?;
            if route.annotations().contains_key("rig/ignores-weights") {
                divide_evenly(&mut entry);
            }
            let matches = if of_grpc { matches::of_grpc(rule) } else { matches::of_http(rule) };
            of_route.extend(matches.into_iter().map(|one| {
                let mut entry = entry.clone();
                entry["match"] = one.said;
                ((Reverse(one.precedence), route.creation_timestamp(), name.clone()), entry)
            }));
        }
    }
    let hosts = namespaces.into_iter().map(|(namespace, mut routes)| {
        // Of equal matches in one route the first rule's wins, so the sort has to be stable.
        routes.sort_by(|(one, _), (other, _)| one.cmp(other));
        let routes: Vec<_> = routes.into_iter().map(|(_, entry)| entry).collect();
        json!({"name": namespace, "domains": [authority(&namespace)], "routes": routes})
    });
    Ok(hosts.collect())
}

/// What a gateway does that knows no weights but 0.
fn divide_evenly(entry: &mut Value) {
    let clusters = entry["route"]["weighted_clusters"]["clusters"].as_array_mut();
    for cluster in clusters.into_iter().flatten().filter(|cluster| cluster["weight"] != 0) {
        cluster["weight"] = 1.into();
    }
}

/// All that Envoy is told of a rule but what it matches.
fn entry(namespace: &str, rule: &Value, of_grpc: bool) -> Result<Value> {
    let mut entry = Value::from(filters::headers(&rule["filters"])?);
    let (field, action) = action(namespace, rule, of_grpc)?;
    entry[field] = action;
    Ok(entry)
}

/// A rule that leads nowhere answers by itself: 500 to requests, and UNAVAILABLE to calls, which Envoy makes of 503.
///
/// Streams may last for ever, so no route has Envoy's default timeout of 15 s.
fn action(namespace: &str, rule: &Value, of_grpc: bool) -> Result<(&'static str, Value)> {
    let mut weighted = Vec::new();
    for backend in list(&rule["backendRefs"]) {
        let only_headers = list(&backend["filters"]).all(|filter| filter["requestMirror"].is_null());
        ensure!(only_headers, "no copies of what goes to one backend are played here");
        let mut cluster = Value::from(filters::headers(&backend["filters"])?);
        cluster["name"] = Cluster::of(namespace, backend).to_string().into();
        cluster["weight"] = backend["weight"].as_u64().unwrap_or(1).into();
        weighted.push(cluster);
    }
    if weighted.iter().all(|backend| backend["weight"] == 0) {
        return Ok(("direct_response", json!({"status": if of_grpc { 503 } else { 500 }})));
    }
    let mirrors = filters::mirror_policies(&filters::mirrors(namespace, rule));
    let action = json!({
        "weighted_clusters": {"clusters": weighted},
        "request_mirror_policies": mirrors,
        "timeout": "0s",
    });
    Ok(("route", action))
}
