//! The server as its clients meet it.

mod clients;
mod deletion;
mod reading;
mod time;
mod writing;

use serde_json::{Value, json};
use tidegate_clock::Clock;

use super::ApiServer;

fn server() -> ApiServer {
    ApiServer::new(Clock::starting_at("2026-03-02T09:00:00Z".parse().unwrap()), 1)
}

/// A request as it comes over HTTP: the status code, and the body.
fn ask(server: &ApiServer, method: &str, path: &str, body: &Value) -> (u16, Value) {
    ask_as(server, method, path, "application/merge-patch+json", body)
}

fn ask_as(server: &ApiServer, method: &str, path: &str, media_type: &str, body: &Value) -> (u16, Value) {
    use futures::FutureExt;
    use http_body_util::BodyExt;
    let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
    let (parts, ()) = request.header("user-agent", "tester/1.0").body(()).unwrap().into_parts();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = server.respond(&parts, &body.into());
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap())
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"a": "1"}})
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "shop:1", "ports": [{"containerPort": 80}]}]},
            },
        },
    })
}

/// `object` as one that belongs to `owner`.
fn owned(mut object: Value, owner: &Value) -> Value {
    let reference = json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    });
    object["metadata"]["ownerReferences"] = json!([reference]);
    object
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "shop:1"}]},
    })
}
