//! Routes that send requests to a port that the Service does not have.

use serde_json::Value;
use tidegate_api::manifest::item;
use tidegate_planner::traffic::GATEWAY_API;

use super::finding::{Finding, LocatedDocument};

/// The backends of all routes that name `service` with a port that it lacks, or with none.
pub fn check(service: &LocatedDocument, all: &[LocatedDocument]) -> Vec<Finding> {
    let listed = service.document.value().pointer("/spec/ports").and_then(Value::as_array);
    let ports: Vec<_> = listed.into_iter().flatten().filter_map(|port| port.get("port")?.as_i64()).collect();
    let known: Vec<_> = ports.iter().map(i64::to_string).collect();
    let routes = all.iter().filter(|written| written.group() == GATEWAY_API);
    routes
        .flat_map(|route| backends(route, service).into_iter().map(move |backend| (route, backend)))
        .filter_map(|(route, (path, backend))| {
            let port = backend.get("port").and_then(Value::as_i64);
            if port.is_some_and(|port| ports.contains(&port)) {
                return None;
            }
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let says = port.map_or_else(|| "no port".to_owned(), |port| format!("port {port}"));
            let message = format!(
                "{} {} names {says} of Service {}, which has {has}: correct it, or the gateway answers with an error",
                route.kind(),
                route.name(),
                service.name()
            );
            Some(route.error(format!("{path}.port"), message))
        })
        .collect()
}

/// The backends of a route that are `service`, and where they stand.
fn backends<'a>(route: &'a LocatedDocument, service: &LocatedDocument) -> Vec<(String, &'a Value)> {
    let rules = route.document.value().pointer("/spec/rules").and_then(Value::as_array);
    let rules = rules.into_iter().flatten().enumerate();
    let all = rules.flat_map(|(index, rule)| {
        let path = format!("{}.backendRefs", item("spec.rules", index));
        let backends = rule.get("backendRefs").and_then(Value::as_array).into_iter().flatten().enumerate();
        backends.map(move |(index, backend)| (item(&path, index), backend))
    });
    all.filter(|(_, backend)| {
        let text = |field: &str| backend.get(field).and_then(Value::as_str);
        let is_service =
            text("group").unwrap_or_default().is_empty() && text("kind").is_none_or(|kind| kind == "Service");
        let namespace = text("namespace").unwrap_or_else(|| route.namespace());
        is_service && text("name") == Some(service.name()) && namespace == service.namespace()
    })
    .collect()
}
