//! What routes ask of requests, and how particular that is.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule>, and `#grpcrouterule` there.

use serde_json::{Value, json};

use super::list;

/// Two names of one thing.
type Alike = fn(&str, &str) -> bool;

/// One match of a rule.
pub struct Match {
    /// As Envoy says it.
    pub said: Value,
    /// The greater one comes first, since Envoy takes the first that matches.
    pub precedence: [usize; 6],
}

/// What a rule of an HTTPRoute asks of requests; each of them is enough.
pub fn of_http(rule: &Value) -> Vec<Match> {
    or_anything(list(&rule["matches"]).map(http).collect(), http)
}

/// The same of a GRPCRoute.
pub fn of_grpc(rule: &Value) -> Vec<Match> {
    or_anything(list(&rule["matches"]).map(grpc).collect(), grpc)
}

fn or_anything(matches: Vec<Match>, translated: fn(&Value) -> Match) -> Vec<Match> {
    if matches.is_empty() { vec![translated(&Value::Null)] } else { matches }
}

fn http(wanted: &Value) -> Match {
    let mut headers = named(&wanted["headers"], str::eq_ignore_ascii_case);
    let params = named(&wanted["queryParams"], |one, other| one == other);
    let method = wanted["method"].as_str();
    let (mut said, [kind, length]) = path(&wanted["path"]);
    let precedence = [0, kind, length, method.map_or(0, |_| 1), headers.len(), params.len()];
    headers.extend(method.map(|method| json!({"name": ":method", "string_match": {"exact": method}})));
    said["headers"] = headers.into();
    said["query_parameters"] = params.into();
    Match { said, precedence }
}

/// Where regular expressions stand is left to the implementation: here as Envoy Gateway has them, below exact paths.
fn path(path: &Value) -> (Value, [usize; 2]) {
    let value = path["value"].as_str().unwrap_or("/");
    match path["type"].as_str() {
        Some("Exact") => (json!({"path": value}), [2, value.len()]),
        Some("RegularExpression") => (json!({"safe_regex": {"regex": value}}), [1, value.len()]),
        _ => match value.trim_end_matches('/') {
            "" => (json!({"prefix": "/"}), [0, 1]),
            prefix => (json!({"path_separated_prefix": prefix}), [0, value.len()]),
        },
    }
}

/// Calls come before requests, so that an HTTPRoute for everything leaves a GRPCRoute its methods.
fn grpc(wanted: &Value) -> Match {
    let headers = named(&wanted["headers"], str::eq_ignore_ascii_case);
    let of = |field: &str| wanted["method"][field].as_str();
    let (service, method) = (of("service"), of("method"));
    let mut said = match (service, method) {
        (None, None) => json!({"prefix": "/"}),
        _ if of("type") == Some("RegularExpression") => {
            either(service.map(|service| format!("(?:{service})")), method.map(|method| format!("(?:{method})")))
        }
        (Some(service), Some(method)) => json!({"path": format!("/{service}/{method}")}),
        (service, method) => either(service.map(|service| service.replace('.', r"\.")), method.map(str::to_owned)),
    };
    let length = |part: Option<&str>| part.map_or(0, str::len);
    let precedence = [1, length(service), length(method), headers.len(), 0, 0];
    said["grpc"] = json!({});
    said["headers"] = headers.into();
    Match { said, precedence }
}

/// A service and a method as regular expressions, or any in their place.
fn either(service: Option<String>, method: Option<String>) -> Value {
    let or_any = |part: Option<String>| part.unwrap_or_else(|| "[^/]+".to_owned());
    json!({"safe_regex": {"regex": format!("/{}/{}", or_any(service), or_any(method))}})
}

/// Headers or parameters. Of two with the same name, the second is not heeded.
fn named(wanted: &Value, alike: Alike) -> Vec<Value> {
    let mut heeded = Vec::<Value>::new();
    for one in list(wanted) {
        let name = one["name"].as_str().unwrap_or_default();
        if heeded.iter().any(|known| known["name"].as_str().is_some_and(|known| alike(known, name))) {
            continue;
        }
        let matcher = match one["type"].as_str() {
            Some("RegularExpression") => json!({"safe_regex": {"regex": one["value"]}}),
            _ => json!({"exact": one["value"]}),
        };
        heeded.push(json!({"name": name, "string_match": matcher}));
    }
    heeded
}
