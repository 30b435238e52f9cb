//! The dashboard before an API server that knows who may do what.

mod access;
mod acting;
mod door;
mod following;
mod streaming;

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Access, Cluster, Dashboard, Laptop, Part, Proxy, Store};
use door::Door;

/// The port that a laptop's dashboard says it listens on.
const PORT: u16 = 4321;

/// A Rollout of `namespace` on its way, as an API server has it.
fn rollout(namespace: &str, name: &str, version: usize) -> Value {
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": version.to_string()},
        "spec": {"workload": {"kind": "Deployment", "name": name}, "service": name},
        "status": {
            "phase": "Progressing", "message": format!("{name} is on its way"),
            "canary": {"revision": "7f9c", "replicaSet": "a"},
            "stage": {"name": "canary", "index": 1, "of": 3, "weight": "5%", "weightInForce": "5%", "enteredAt": "2026-03-02T09:00:00Z"},
        },
    })
}

/// A dashboard, and what stands behind it.
struct Scene {
    dashboard: Arc<Dashboard>,
    door: Door,
}

impl Scene {
    fn new(access: impl FnOnce(&Door) -> Access) -> Self {
        let door = Door::default();
        let store = Arc::new(Store::default());
        for (namespace, name) in [("shop", "checkout"), ("shop", "search"), ("bank", "ledger")] {
            store.put(rollout(namespace, name, 1), Timestamp::UNIX_EPOCH);
        }
        let explain = Arc::new(|_: &_, _| vec![Part { head: "why".to_owned(), lines: vec!["so".to_owned()] }]);
        let dashboard = Dashboard::new(store, access(&door), Arc::new(|| Timestamp::UNIX_EPOCH), explain);
        Self { dashboard: Arc::new(dashboard), door }
    }

    /// In a cluster where people may act.
    fn cluster() -> Self {
        Self::new(|door| {
            let clients = door.clone();
            Access::Cluster(Box::new(Cluster::new(
                door.client(),
                None,
                Some(Arc::new(move |token| Ok(clients.client_as(token)))),
            )))
        })
    }

    fn behind(proxy: Proxy) -> Self {
        Self::new(|door| Access::Cluster(Box::new(Cluster::new(door.client(), Some(proxy), None))))
    }

    /// On a laptop; with the token of its link.
    fn laptop() -> (Self, String) {
        let mut token = String::new();
        let scene = Self::new(|door| {
            let laptop = Laptop::new(door.client(), PORT);
            laptop.link().split_once("token=").unwrap().1.clone_into(&mut token);
            Access::Laptop(laptop)
        });
        (scene, token)
    }

    fn router(&self) -> Router {
        self.dashboard.clone().router()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let code = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (StatusCode, String) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let code = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The names in the list that somebody with these headers gets.
    async fn names(&self, headers: &[(&str, &str)]) -> Vec<String> {
        let (code, body) = self.get("/api/rollouts", headers).await;
        assert_eq!(code, StatusCode::OK, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        body["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
