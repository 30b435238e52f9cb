//! A namespace with one Deployment, one Service and one route, all called `checkout`, on virtual time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidegate_apiserver::{ApiServer, Change, Changes, Object};
use tidegate_clock::Clock;

use crate::controllers::{Controllers, Handle, ModelSettings, PodView};

pub const SHOP: &str = "shop";
pub const NAME: &str = "checkout";

/// How long anything may take in virtual time.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Lab {
    pub api: ApiServer,
    pub controllers: Handle,
    /// Everything that happened.
    pub changes: Changes,
}

impl Lab {
    /// A namespace without anything in it.
    pub fn empty(seed: u64, settings: ModelSettings) -> Self {
        let clock = Clock::starting_at("2026-03-02T09:00:00Z".parse().unwrap());
        let api = ApiServer::new(clock, seed);
        let changes = api.changes();
        let controllers = Controllers::new(api.clone(), clock, seed, settings);
        let handle = controllers.handle();
        tokio::spawn(controllers.run());
        let lab = Self { api, controllers: handle, changes };
        lab.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}));
        lab.create(http_routes());
        lab
    }

    /// With a Deployment of so many pods, all of which are available.
    pub async fn with(replicas: i32) -> Self {
        let lab = Self::empty(1, ModelSettings::default());
        lab.create(deployment(replicas));
        lab.complete().await;
        lab
    }

    pub fn create(&self, object: Value) {
        self.api.create(object, "user").unwrap();
    }

    pub fn get(&self, kind: &str, name: &str) -> Arc<Object> {
        self.api.get(kind, SHOP, name).unwrap()
    }

    pub fn patch(&self, kind: &str, name: &str, patch: Value) {
        self.api.merge(kind, SHOP, name, "", patch, "user").unwrap();
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    pub fn patch_deployment(&self, spec: Value) {
        self.patch("deployments", NAME, json!({"spec": spec}));
    }

    pub fn release(&self, image: &str) {
        self.patch_deployment(json!({"template": {"spec": {"containers": [container(image)]}}}));
    }

    pub fn deployment(&self) -> Value {
        self.get("deployments", NAME).value().clone()
    }

    /// The ReplicaSets, the oldest first.
    pub fn sets(&self) -> Vec<Value> {
        let mut sets: Vec<Value> =
            self.api.list("replicasets", Some(SHOP)).iter().map(|set| set.value().clone()).collect();
        sets.sort_by_key(|set| set["metadata"]["creationTimestamp"].to_string());
        sets
    }

    /// The ReplicaSet that holds an image.
    pub fn set_of(&self, image: &str) -> Value {
        let holds = |set: &Value| set["spec"]["template"]["spec"]["containers"][0]["image"] == image;
        self.sets().into_iter().find(holds).unwrap()
    }

    pub fn pods(&self) -> Vec<PodView> {
        self.controllers.pods(SHOP)
    }

    /// The names of the pods of an image.
    pub fn pods_of(&self, image: &str) -> BTreeSet<String> {
        self.pods().into_iter().filter(|pod| pod.image == image).map(|pod| pod.name).collect()
    }

    /// Lets virtual time pass until `holds`.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.within(PATIENCE, what, holds).await;
    }

    /// The same with another patience.
    pub async fn within(&self, patience: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let met = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let met = tokio::time::timeout(patience, met).await;
        let sets = self.sets();
        assert!(met.is_ok(), "waited in vain until {what}\n{:#}\n{sets:#?}", self.deployment());
    }

    /// Lets virtual time pass.
    pub async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets the Deployment's own rollout finish.
    pub async fn complete(&self) {
        self.until("the Deployment is complete", Self::is_complete).await;
    }

    pub fn is_complete(&self) -> bool {
        let deployment: tidegate_planner::workload::Deployment = self.get("deployments", NAME).parse().unwrap();
        deployment.is_complete()
    }

    pub fn is_observed(&self) -> bool {
        let deployment: tidegate_planner::workload::Deployment = self.get("deployments", NAME).parse().unwrap();
        deployment.is_observed()
    }

    /// What happened since this was last asked.
    pub fn log(&mut self) -> Vec<Change> {
        self.changes.drain()
    }
}

pub fn deployment(replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": SHOP},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [container("checkout:1")]},
            },
        },
    })
}

fn container(image: &str) -> Value {
    json!({"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]})
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub fn service(name: &str, selector: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SHOP},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": "http"}]},
    })
}

/// A route that shares out its traffic between Services by their weights.
pub fn route(backends: &[(&str, u32)]) -> Value {
    let backend = |(name, weight): &(&str, u32)| json!({"name": name, "port": 80, "weight": weight});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": NAME, "namespace": SHOP},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"backendRefs": backends.iter().map(backend).collect::<Vec<_>>()}],
        },
    })
}

fn http_routes() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "httproutes.gateway.networking.k8s.io"},
        "spec": {
            "group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}
