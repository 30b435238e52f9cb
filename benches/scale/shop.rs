//! One shop: a Deployment, its Service and its HTTPRoute, and the Rollout that adopts it.

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_api::{Phase, Rollout};
use tidegate_apiserver::{ApiServer, Object};

/// How many pods a shop has.
const REPLICAS: usize = 2;

/// How many shops share a namespace.
const PER_NAMESPACE: usize = 100;

/// Where a shop is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// The name of its Rollout, its Deployment, its Service and its HTTPRoute.
    pub name: String,
}

impl Place {
    /// The place of the shop of that number. The first in a namespace creates it.
    pub fn number(server: &ApiServer, number: usize) -> Result<Self> {
        let namespace = format!("team-{:03}", number / PER_NAMESPACE);
        if number.is_multiple_of(PER_NAMESPACE) {
            create_namespace(server, &namespace)?;
        }
        Ok(Self { namespace, name: format!("app-{number:05}") })
    }

    /// The Rollout, and what it says of itself.
    pub fn rollout(&self, server: &ApiServer) -> Option<Rollout> {
        server.get("rollouts", &self.namespace, &self.name)?.parse()
    }

    /// Whether its Rollout is at rest with `version` as the stable one.
    pub fn serves(&self, server: &ApiServer, version: &str) -> bool {
        let status = self.rollout(server).and_then(|rollout| rollout.status).unwrap_or_default();
        status.phase == Phase::Stable
            && status.stable.is_some_and(|stable| stable.images.iter().any(|image| image.ends_with(version)))
    }

    /// Gives its Deployment another image.
    pub fn release(&self, server: &ApiServer, version: &str) -> Result<()> {
        let container = containers(version);
        let patch = json!({"spec": {"template": {"spec": {"containers": container}}}});
        server.merge("deployments", &self.namespace, &self.name, "", patch, "scale")?;
        Ok(())
    }

    /// Opens a shop there, whose Rollout has this plan.
    pub fn open(&self, server: &ApiServer, mut plan: Value) -> Result<()> {
        let Self { namespace, name } = self;
        let metadata = json!({"name": name, "namespace": namespace});
        let labels = json!({"app": name, "team": namespace});
        server.create(
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                "spec": {
                    "replicas": REPLICAS, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": containers("v1")}},
                },
            }),
            "scale",
        )?;
        server.create(
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
            }),
            "scale",
        )?;
        server.create(
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
                "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": name, "port": 80}]}]},
            }),
            "scale",
        )?;
        plan["workload"] = json!({"kind": "Deployment", "name": name});
        plan["service"] = json!(name);
        plan["traffic"] = json!({"gatewayAPI": {"routes": [{"name": name}]}});
        server.create(
            json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": metadata, "spec": plan}),
            "scale",
        )?;
        Ok(())
    }
}

/// Creates a namespace.
pub fn create_namespace(server: &ApiServer, name: &str) -> Result<()> {
    server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), "scale")?;
    Ok(())
}

/// Of a common size: what a service mesh and its probes make of it is larger.
fn containers(version: &str) -> Value {
    let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5, "failureThreshold": 3});
    let resources = json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}});
    let environment: Vec<_> =
        (0..6).map(|number| json!({"name": format!("SETTING_{number}"), "value": "some value"})).collect();
    json!([{
        "name": "app", "image": format!("registry.example/shop/checkout:{version}"),
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": environment, "resources": resources, "readinessProbe": probe, "livenessProbe": probe,
    }])
}

/// A plan of three stages that bake for `bake`, judged by errors and latency if `judged`.
pub fn plan(bake: &str, judged: bool) -> Value {
    let mut plan = json!({
        "stages": [
            {"name": "canary", "weight": "5%", "bake": bake},
            {"name": "quarter", "weight": "25%", "bake": bake},
            {"name": "full", "weight": "100%", "bake": bake},
        ],
        "drain": "0s",
    });
    if judged {
        plan["analysis"] = json!({"checks": [
            {"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}},
            {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
        ]});
    }
    plan
}

/// What a backend of an HTTPRoute's first rule weighs; nothing where there is no such backend.
pub fn weight(route: &Object, service: &str) -> Option<u64> {
    let backends = route.value().pointer("/spec/rules/0/backendRefs")?.as_array()?;
    let backend = backends.iter().find(|backend| backend.get("name").and_then(Value::as_str) == Some(service))?;
    Some(backend.get("weight").and_then(Value::as_u64).unwrap_or(1))
}
