//! One request, written down once and sent to both servers.

use http::Method;
use serde_json::{Value, json};

/// One request. In its path and its body, `{ns}` stands for the namespace; see [`super::session::Session`] for what
/// else is filled in.
#[derive(Debug, Clone)]
pub struct Step {
    pub method: Method,
    pub path: String,
    pub content_type: &'static str,
    pub accept: &'static str,
    pub body: String,
}

const JSON: &str = "application/json";

fn step(method: Method, path: &str, content_type: &'static str, body: String) -> Step {
    Step { method, path: path.to_owned(), content_type, accept: JSON, body }
}

pub fn get(path: &str) -> Step {
    step(Method::GET, path, JSON, String::new())
}

pub fn post(path: &str, body: &Value) -> Step {
    step(Method::POST, path, JSON, body.to_string())
}

pub fn put(path: &str, body: &Value) -> Step {
    step(Method::PUT, path, JSON, body.to_string())
}

/// With options that say how; `null` for none.
pub fn delete(path: &str, options: &Value) -> Step {
    let body = if options.is_null() { String::new() } else { options.to_string() };
    step(Method::DELETE, path, JSON, body)
}

pub fn merge(path: &str, changes: &Value) -> Step {
    step(Method::PATCH, path, "application/merge-patch+json", changes.to_string())
}

pub fn json_patch(path: &str, changes: &Value) -> Step {
    step(Method::PATCH, path, "application/json-patch+json", changes.to_string())
}

pub fn strategic(path: &str, changes: &Value) -> Step {
    step(Method::PATCH, path, "application/strategic-merge-patch+json", changes.to_string())
}

/// Server-side apply.
pub fn apply(path: &str, manager: &str, object: &Value) -> Step {
    let path = format!("{path}{}fieldManager={manager}", if path.contains('?') { '&' } else { '?' });
    step(Method::PATCH, &path, "application/apply-patch+yaml", object.to_string())
}

impl Step {
    /// Method, path and body.
    pub fn request(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.body).trim_end().to_owned()
    }

    /// With something else than JSON as its body.
    pub fn raw(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// With another content type.
    pub fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Asks for another form of the answer.
    pub fn accepting(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }
}

/// The path of `ConfigMaps`, or of one.
pub fn config_maps(name: &str) -> String {
    path("/api/v1", "configmaps", name)
}

/// The path of Rollouts, or of one.
pub fn rollouts(name: &str) -> String {
    path("/apis/tidegate.dev/v1alpha1", "rollouts", name)
}

/// The path of Deployments, or of one.
pub fn deployments(name: &str) -> String {
    path("/apis/apps/v1", "deployments", name)
}

/// The path of Services, or of one.
pub fn services(name: &str) -> String {
    path("/api/v1", "services", name)
}

fn path(api: &str, plural: &str, name: &str) -> String {
    let slash = if name.is_empty() || name.starts_with('?') { "" } else { "/" };
    format!("{api}/namespaces/{{ns}}/{plural}{slash}{name}")
}

/// A `ConfigMap`.
pub fn config_map(name: &str, data: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    if data.as_object().is_some_and(|data| !data.is_empty()) {
        object["data"] = data.clone();
    }
    object
}

/// The same with labels.
pub fn labelled(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}})
}

/// A minimal Rollout.
pub fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
        "spec": {"workload": {"kind": "Deployment", "name": "none"}, "service": "none"},
    })
}

/// A Deployment that starts nothing.
pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 0, "paused": true, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [
                    {"name": "app", "image": "app:v1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                    {"name": "proxy", "image": "proxy:v1"},
                ]},
            },
        },
    })
}
