//! An API server that asks who somebody is, and whether they may.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task,
};

use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION, request::Parts};
use kube::Client;
use serde_json::{Value, json};
use tidegate_apiserver::{
    ApiServer,
    authorization::{Attributes, User, allows},
};
use tidegate_clock::Clock;

/// The API server, and the tokens that it knows.
#[derive(Clone)]
pub struct Door {
    /// What is behind it.
    pub server: ApiServer,
    tokens: Arc<Mutex<BTreeMap<String, String>>>,
    questions: Arc<Mutex<Vec<String>>>,
    is_silent: Arc<Mutex<bool>>,
    /// Who comes through; nobody is the dashboard itself, which may ask for reviews.
    token: Option<String>,
}

impl Default for Door {
    fn default() -> Self {
        let server = ApiServer::new(Clock::System, 1);
        for definition in tidegate_api::definitions() {
            server.create(serde_json::to_value(definition).unwrap(), "test").unwrap();
        }
        let door =
            Self { server, tokens: Arc::default(), questions: Arc::default(), is_silent: Arc::default(), token: None };
        for name in ["shop", "bank"] {
            door.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        for (user, token) in [("jane", "janes"), ("bob", "bobs"), ("root", "roots")] {
            door.know(token, user);
        }
        door.let_in("jane", "shop", &["get", "list", "watch", "patch"]);
        door.let_in("bob", "shop", &["get", "list"]);
        door.let_in("root", "", &["*"]);
        door
    }
}

impl Door {
    /// From now on, `token` is `user`'s.
    pub fn know(&self, token: &str, user: &str) {
        self.tokens.lock().unwrap().insert(token.to_owned(), user.to_owned());
    }

    /// From now on, `token` is nobody's.
    pub fn expire(&self, token: &str) {
        self.tokens.lock().unwrap().remove(token);
    }

    /// From now on, it does not answer; or does again.
    pub fn silence(&self, is_silent: bool) {
        *self.is_silent.lock().unwrap() = is_silent;
    }

    /// Lets `user` do that with the Rollouts of a namespace, or of all.
    pub fn let_in(&self, user: &str, namespace: &str, verbs: &[&str]) {
        let (prefix, place) =
            if namespace.is_empty() { ("Cluster", json!({})) } else { ("", json!({"namespace": namespace})) };
        let object = |kind: &str| {
            let mut metadata = place.clone();
            metadata["name"] = user.into();
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{prefix}{kind}"), "metadata": metadata})
        };
        let mut role = object("Role");
        role["rules"] = json!([{"verbs": verbs, "apiGroups": ["tidegate.dev"], "resources": ["rollouts"]}]);
        let mut binding = object("RoleBinding");
        binding["roleRef"] =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": format!("{prefix}Role"), "name": user});
        binding["subjects"] = json!([{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]);
        self.put(role);
        self.put(binding);
    }

    /// Takes that back.
    pub fn shut_out(&self, user: &str, namespace: &str) {
        self.server.delete("rolebindings", namespace, user, "test").unwrap();
    }

    /// Creates an object, with its status.
    pub fn put(&self, mut object: Value) {
        let status = object.as_object_mut().unwrap().remove("status");
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        self.server.create(object, "test").unwrap();
        if let Some(status) = status {
            self.server.merge("rollouts", &namespace, &name, "status", json!({"status": status}), "test").unwrap();
        }
    }

    /// What the dashboard has asked about people.
    pub fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap().clone()
    }

    /// The dashboard's own client.
    pub fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    /// The client of whoever has `token`.
    pub fn client_as(&self, token: &str) -> Client {
        Client::new(Self { token: Some(token.to_owned()), ..self.clone() }, "default")
    }

    fn review(&self, kind: &str, body: &Bytes) -> Response<Body> {
        let mut review: Value = serde_json::from_slice(body).unwrap();
        let spec = review["spec"].clone();
        let text =
            |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        review["status"] = if kind == "tokenreviews" {
            let user = self.tokens.lock().unwrap().get(&text(&spec, "/token")).cloned();
            self.questions.lock().unwrap().push("who".to_owned());
            match user {
                Some(user) => {
                    json!({"authenticated": true, "user": {"username": user, "groups": ["system:authenticated"]}})
                }
                None => json!({"authenticated": false, "error": "unknown token"}),
            }
        } else {
            let (user, verb, namespace) = (
                text(&spec, "/user"),
                text(&spec, "/resourceAttributes/verb"),
                text(&spec, "/resourceAttributes/namespace"),
            );
            let groups: Vec<_> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            self.questions.lock().unwrap().push(format!("{user} {verb} {namespace}"));
            let who = User { name: &user, groups: &groups };
            let name = text(&spec, "/resourceAttributes/name");
            let wanted = Attributes {
                verb: &verb,
                group: "tidegate.dev",
                resource: "rollouts",
                subresource: "",
                namespace: &namespace,
                name: &name,
            };
            json!({"allowed": allows(&self.server, &who, &wanted)})
        };
        answer(201, &review)
    }

    /// Why whoever comes through may not; the name of one who may goes on with the request.
    fn refusal(&self, parts: &mut Parts) -> Option<Response<Body>> {
        let token = self.token.as_ref()?;
        let refused = |code: u16, reason: &str, message: String| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                "message": message, "metadata": {}});
            Some(answer(code, &status))
        };
        let Some(user) = self.tokens.lock().unwrap().get(token).cloned() else {
            return refused(401, "Unauthorized", "Unauthorized".to_owned());
        };
        let steps: Vec<_> = parts.uri.path().split('/').collect();
        if let ["", "apis", "tidegate.dev", _, "namespaces", namespace, "rollouts", name] = steps[..] {
            let verb = if parts.method == http::Method::GET { "get" } else { "patch" };
            let wanted =
                Attributes { verb, group: "tidegate.dev", resource: "rollouts", subresource: "", namespace, name };
            if !allows(&self.server, &User { name: &user, groups: &[] }, &wanted) {
                return refused(403, "Forbidden", format!("{user} may not {verb} {name}"));
            }
        }
        parts.headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {user}")).unwrap());
        None
    }
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

impl tower::Service<Request<kube::client::Body>> for Door {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            if *door.is_silent.lock().unwrap() {
                return Ok(answer(
                    503,
                    &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503, "message": "gone", "reason": "ServiceUnavailable", "metadata": {}}),
                ));
            }
            let kind = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
            if matches!(kind.as_str(), "tokenreviews" | "subjectaccessreviews") {
                return Ok(door.review(&kind, &body));
            }
            Ok(door.refusal(&mut parts).unwrap_or_else(|| door.server.respond(&parts, &body)))
        })
    }
}
