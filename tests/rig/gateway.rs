//! Plays the gateway: accepts HTTPRoutes, says so in their status, and knows which weights are in force.
//!
//! Annotations of the route say how it behaves: `rig/accept-after` (default 50ms), `rig/never-accept`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tidegate::api::Span;
use tokio::time::sleep;

/// Where a route sends a request, and how large its share is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The Service.
    pub service: String,
    /// Relative to the other backends of the same rule.
    pub weight: u64,
}

/// Weights that came into force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The generation of the route.
    pub generation: i64,
    /// The backends of its first rule.
    pub backends: Vec<Backend>,
}

/// By namespace and name: everything that ever was in force, oldest first.
type Routes = HashMap<(String, String), Vec<InForce>>;

/// Accepts all HTTPRoutes.
#[derive(Clone)]
pub struct Gateway {
    client: Client,
    routes: Arc<Mutex<Routes>>,
}

impl Gateway {
    /// Starts to follow all routes.
    pub fn start(client: Client) -> Self {
        let gateway = Self { client, routes: Arc::default() };
        tokio::spawn(gateway.clone().follow());
        gateway
    }

    /// What is in force now.
    pub fn in_force(&self, namespace: &str, route: &str) -> Option<InForce> {
        self.routes().get(&(namespace.to_owned(), route.to_owned()))?.last().cloned()
    }

    /// Everything that ever was in force, oldest first.
    pub fn history(&self, namespace: &str, route: &str) -> Vec<InForce> {
        self.routes().get(&(namespace.to_owned(), route.to_owned())).cloned().unwrap_or_default()
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(self) {
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &route_resource());
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(route) | watcher::Event::InitApply(route)) => {
                    tokio::spawn(self.clone().see(route));
                }
                Ok(watcher::Event::Delete(route)) => {
                    self.routes().remove(&(route.namespace().unwrap_or_default(), route.name_any()));
                }
                _ => {}
            }
        }
    }

    async fn see(self, route: DynamicObject) {
        let observed = route.data["status"]["parents"][0]["conditions"][0]["observedGeneration"].as_i64();
        if observed == route.metadata.generation || route.annotations().contains_key("rig/never-accept") {
            return;
        }
        let after = route.annotations().get("rig/accept-after").and_then(|text| text.parse::<Span>().ok());
        sleep(after.map_or(Duration::from_millis(50), Span::duration)).await;
        if let Err(error) = self.accept(&route).await {
            eprintln!("gateway: route {}: {error:#}", route.name_any());
        }
    }

    /// Programs the route, unless it has changed or gone in the meantime. One that names a missing Service stays out
    /// of force until the Service is there.
    async fn accept(&self, seen: &DynamicObject) -> Result<()> {
        let namespace = seen.namespace().unwrap_or_default();
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &namespace, &route_resource());
        let mut complained = false;
        loop {
            let Some(route) = api.get_opt(&seen.name_any()).await? else { return Ok(()) };
            if route.metadata.generation != seen.metadata.generation {
                return Ok(());
            }
            let backends = backends(&route);
            let missing = self.missing_service(&namespace, &backends).await?;
            if missing.is_none() {
                self.put_in_force(&route, backends);
            }
            if missing.is_none() || !complained {
                let status = Patch::Merge(status(&route, missing.as_deref()));
                api.patch_status(&route.name_any(), &PatchParams::default(), &status).await?;
            }
            if missing.is_none() {
                return Ok(());
            }
            complained = true;
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn put_in_force(&self, route: &DynamicObject, backends: Vec<Backend>) {
        let generation = route.metadata.generation.unwrap_or_default();
        let key = (route.namespace().unwrap_or_default(), route.name_any());
        let mut routes = self.routes();
        let history = routes.entry(key).or_default();
        if history.last().is_none_or(|last| last.generation < generation) {
            history.push(InForce { generation, backends });
        }
    }

    async fn missing_service(&self, namespace: &str, backends: &[Backend]) -> Result<Option<String>> {
        let services = Api::<Service>::namespaced(self.client.clone(), namespace);
        for backend in backends {
            if services.get_opt(&backend.service).await?.is_none() {
                return Ok(Some(backend.service.clone()));
            }
        }
        Ok(None)
    }
}

/// HTTPRoutes, as an untyped resource.
pub fn route_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"))
}

/// The backends of a route's first rule, with the weights that its spec asks for.
pub fn backends(route: &DynamicObject) -> Vec<Backend> {
    let references = route.data["spec"]["rules"][0]["backendRefs"].as_array().into_iter().flatten();
    let backend = |reference: &Value| {
        let service = reference["name"].as_str().unwrap_or_default().to_owned();
        Backend { service, weight: reference["weight"].as_u64().unwrap_or(1) }
    };
    references.map(backend).collect()
}

fn status(route: &DynamicObject, missing: Option<&str>) -> Value {
    let now = jiff::Timestamp::now().to_string();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "observedGeneration": route.metadata.generation, "lastTransitionTime": now,
        })
    };
    let resolved = match missing {
        None => condition("ResolvedRefs", "True", "ResolvedRefs", ""),
        Some(service) => condition("ResolvedRefs", "False", "BackendNotFound", &format!("no Service {service}")),
    };
    let conditions = [condition("Accepted", "True", "Accepted", ""), resolved];
    let parents = route.data["spec"]["parentRefs"].as_array().into_iter().flatten();
    let parents: Vec<_> = parents
        .map(|parent| json!({"parentRef": parent, "controllerName": "rig.example/gateway", "conditions": conditions}))
        .collect();
    json!({"status": {"parents": parents}})
}
