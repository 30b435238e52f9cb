//! What people do: manifests, and changes to them.

use k8s_openapi::{
    api::core::v1::Service,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use serde_json::{Value, json};
use tidegate_api::{ROLLOUT_UID_LABEL, Rollout};

use super::Cluster;
use crate::{plan::Effect, traffic::RouteId, workload::Deployment};

impl Cluster {
    /// A Deployment of ten pods of `v1` that serve, a Service, and a route that points at it.
    pub fn serving(replicas: i32) -> Self {
        Self::serving_as("checkout", replicas)
    }

    /// The same with another name of the Deployment.
    pub fn serving_as(name: &str, replicas: i32) -> Self {
        let mut cluster = Self::new();
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "checkout"}},
                "template": template("v1"),
            },
        }))
        .unwrap();
        let mut deployment = deployment;
        cluster.stamp(&mut deployment.metadata);
        cluster.deployment = Some(deployment);
        cluster.create_service();
        cluster.create_route();
        while cluster.tick() {}
        cluster
    }

    pub fn create_service(&mut self) {
        let mut service: Service = serde_json::from_value(json!({
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": {"selector": {"app": "checkout"}, "ports": [{"port": 80}]},
        }))
        .unwrap();
        self.stamp(&mut service.metadata);
        self.services.insert("checkout".to_owned(), service);
    }

    pub fn create_route(&mut self) {
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "checkout", "namespace": "shop", "generation": 1, "resourceVersion": self.version()},
            "spec": user_route(),
        });
        self.routes.insert("checkout".to_owned(), route);
    }

    /// Creates a Rollout with this spec; workload, Service and route are filled in where they are left out.
    pub fn create_rollout(&mut self, spec: &Value) {
        let mut rollout: Rollout = serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": spec,
        }))
        .unwrap();
        self.stamp(&mut rollout.metadata);
        self.rollout = Some(rollout);
    }

    /// `kubectl set image`: a new template.
    pub fn push(&mut self, image: &str) {
        let mut template = template(image);
        if let Some(name) = &self.mounted {
            template["spec"]["volumes"] = json!([{"name": "settings", "configMap": {"name": name}}]);
        }
        let patch = json!({"spec": {"template": template}});
        self.write(&Effect::PatchDeployment("checkout".to_owned(), patch)).unwrap();
    }

    /// From now on no more than so many pods of an image are ready; all of them without a number.
    pub fn ready_at_most(&mut self, image: &str, pods: Option<usize>) {
        match pods {
            Some(pods) => self.limits.insert(image.to_owned(), pods),
            None => self.limits.remove(image),
        };
    }

    /// `kubectl scale deployment`.
    pub fn scale_deployment(&mut self, replicas: i32) {
        let patch = json!({"spec": {"replicas": replicas}});
        self.write(&Effect::PatchDeployment("checkout".to_owned(), patch)).unwrap();
    }

    /// `kubectl patch rollout`.
    pub fn edit(&mut self, spec: &Value) {
        self.write(&Effect::PatchRollout(json!({"spec": spec}))).unwrap();
    }

    /// `kubectl annotate rollout`.
    pub fn annotate(&mut self, key: &str, value: &str) {
        self.write(&Effect::PatchRollout(json!({"metadata": {"annotations": {key: value}}}))).unwrap();
    }

    /// `kubectl delete rollout`.
    pub fn delete(&mut self) {
        let now = self.now;
        let version = self.version();
        let Some(rollout) = &mut self.rollout else { return };
        let meta = &mut rollout.metadata;
        if meta.deletion_timestamp.is_none() {
            meta.deletion_timestamp = Some(Time(now));
            meta.generation = meta.generation.map(|generation| generation + 1);
            meta.resource_version = Some(version);
        }
        self.let_go();
    }

    /// `kubectl replace -f rollout.yaml`, of a file without finalizers and count.
    pub fn replace_rollout(&mut self) {
        let patch = json!({"metadata": {"finalizers": null}, "spec": {"replicas": null}});
        self.write(&Effect::PatchRollout(patch)).unwrap();
    }

    /// The Rollout goes without having handed anything back: what it owned stays with its second owner, the Deployment.
    pub fn lose_rollout(&mut self) {
        let Some(uid) = self.rollout.take().and_then(|rollout| rollout.metadata.uid) else { return };
        let version = self.version();
        let abandon = |meta: &mut ObjectMeta| {
            let owners = meta.owner_references.get_or_insert_default();
            let before = owners.len();
            owners.retain(|owner| owner.uid != uid);
            if owners.len() < before {
                meta.resource_version = Some(version.clone());
            }
        };
        self.replica_sets.values_mut().for_each(|set| abandon(&mut set.metadata));
        self.services.values_mut().for_each(|service| abandon(&mut service.metadata));
    }

    /// Whether an object was left behind by a Rollout that is gone.
    pub fn is_orphan(&self, meta: &ObjectMeta) -> bool {
        let holder = meta.labels.as_ref().and_then(|labels| labels.get(ROLLOUT_UID_LABEL));
        let present = self.rollout.as_ref().and_then(|rollout| rollout.metadata.uid.as_ref());
        let mut owners = meta.owner_references.iter().flatten();
        holder.is_some() && holder != present && owners.any(|owner| owner.kind == "Deployment")
    }

    /// `kubectl delete deployment`: its own ReplicaSets go with it.
    pub fn delete_deployment(&mut self) {
        let owned = self.replica_sets.values().filter(|set| self.belongs_to_deployment(set));
        for name in owned.map(|set| set.name().to_owned()).collect::<Vec<_>>() {
            self.remove_replica_set(&name);
        }
        self.deployment = None;
    }

    /// Somebody writes these backends into the route.
    pub fn write_backends(&mut self, backends: &Value) {
        self.write_backends_of("checkout", backends);
    }

    /// The same of the route of that name.
    pub fn write_backends_of(&mut self, name: &str, backends: &Value) {
        let mut route = self.routes[name].clone();
        route["spec"]["rules"][0]["backendRefs"] = backends.clone();
        self.write(&Effect::ReplaceRoute(RouteId::http_route(name), Box::new(route))).unwrap();
    }

    /// Somebody writes these rules into the route.
    pub fn write_rules(&mut self, rules: &Value) {
        let mut route = self.routes["checkout"].clone();
        route["spec"]["rules"] = rules.clone();
        self.write(&Effect::ReplaceRoute(RouteId::http_route("checkout"), Box::new(route))).unwrap();
    }
}

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "checkout", "image": image}]},
    })
}

/// The route as its user wrote it.
pub fn user_route() -> Value {
    json!({
        "parentRefs": [{"name": "public"}],
        "hostnames": ["shop.example.com"],
        "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": "checkout", "port": 80, "weight": 1}],
        }],
    })
}
