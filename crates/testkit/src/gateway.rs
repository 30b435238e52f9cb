//! The gateway: accepts routes, says so in their status, and knows which weights are in force.
//!
//! What it accepts is in force once [`envoy`](super::envoy) follows it; or, in a world without Envoy, at once. In a world
//! of [`traefik`], that one accepts, and is believed: what it says is in force may be so a little later.
//!
//! Annotations of the route say how it behaves: `rig/accept-after` (default 50ms), `rig/never-accept`,
//! `rig/reject` (refuses each change from then on, and goes on with what it had),
//! `rig/reports-old-generation` (follows the route, and says so of its generation before), `rig/ignores-weights` (with
//! Envoy: gives each backend that has a weight as much as any other).

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, TypeMeta},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tidegate_api::Span;
use tokio::time::sleep;

use super::{
    envoy::{Adapter, Reload},
    route_kinds, traefik,
};

/// The group of the Gateway API.
pub(super) const GATEWAY_API: &str = "gateway.networking.k8s.io";

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
    /// The backends of its first rule for everybody.
    pub backends: Vec<Backend>,
    /// How they came into force.
    pub reload: Reload,
}

/// By kind, namespace and name: everything that ever was in force, oldest first.
type Routes = HashMap<[String; 3], Vec<InForce>>;

/// Who leads requests along the routes.
#[derive(Clone)]
pub enum Leader {
    /// Nobody: [`load`](super::load) goes by what is in force here.
    Played,
    /// Envoy, as told.
    Envoy(Arc<Adapter>),
    /// Traefik, which reads the routes and writes their status by itself: here its words are only heard.
    Traefik(traefik::Addresses),
}

impl Leader {
    /// How much later than it says it may follow a route. Traefik gathers changes for two seconds, and needs as long again
    /// on a busy machine.
    pub fn lag(&self) -> Duration {
        match self {
            Self::Played | Self::Envoy(_) => Duration::ZERO,
            Self::Traefik(_) => Duration::from_secs(5),
        }
    }

    /// Where customers send their requests.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Played => None,
            Self::Envoy(adapter) => Some(adapter.envoy.address),
            Self::Traefik(addresses) => Some(addresses.web),
        }
    }
}

/// Accepts whatever carries weights; with a real gateway, HTTPRoutes and GRPCRoutes.
#[derive(Clone)]
pub struct Gateway {
    /// Who leads the requests.
    pub leader: Leader,
    client: Client,
    routes: Arc<Mutex<Routes>>,
}

impl Gateway {
    /// Starts to follow all routes.
    pub fn start(client: Client, leader: Leader) -> Self {
        let gateway = Self { leader, client, routes: Arc::default() };
        let is_followed = |resource: &ApiResource| match gateway.leader {
            Leader::Played => true,
            Leader::Envoy(_) => is_led(resource),
            Leader::Traefik(_) => is_led(resource) || resource.group == "traefik.io",
        };
        for resource in carriers().into_iter().filter(is_followed) {
            tokio::spawn(gateway.clone().follow(resource));
        }
        gateway
    }

    /// What is in force now on the route of that name, of whatever kind.
    pub fn in_force(&self, namespace: &str, route: &str) -> Option<InForce> {
        self.history(namespace, route).pop()
    }

    /// Everything that ever was in force on it, oldest first.
    pub fn history(&self, namespace: &str, route: &str) -> Vec<InForce> {
        let is_meant = |key: &[String; 3]| key[1] == namespace && key[2] == route;
        self.routes().iter().find(|(key, _)| is_meant(key)).map(|(_, history)| history.clone()).unwrap_or_default()
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(self, resource: ApiResource) {
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &resource);
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(route) | watcher::Event::InitApply(route)) => {
                    tokio::spawn(self.clone().see(typed(route, &resource)));
                }
                Ok(watcher::Event::Delete(route)) => {
                    tokio::spawn(self.clone().forget(typed(route, &resource)));
                }
                _ => {}
            }
        }
    }

    async fn see(self, route: DynamicObject) {
        if let Leader::Traefik(_) = self.leader {
            if traefik::follows(&route) {
                self.note(&route, Reload { began: Timestamp::now(), done: Timestamp::now() });
            }
            return;
        }
        let annotations = route.annotations();
        let is_known = self.routes().get(&key(&route)).and_then(|history| history.last().map(|it| it.generation));
        let is_followed = !is_of_linkerd(&route) || is_known == route.metadata.generation;
        if annotations.contains_key("rig/never-accept") || has_said(&route) && is_followed {
            return;
        }
        let span = |name: &str| annotations.get(name).and_then(|text| text.parse::<Span>().ok()).map(Span::duration);
        sleep(span("rig/accept-after").unwrap_or(Duration::from_millis(50))).await;
        let refuses = annotations.contains_key("rig/reject");
        let said = if refuses { self.reject(&route).await } else { self.accept(&route).await };
        if let Err(error) = said {
            eprintln!("gateway: route {}: {error:#}", route.name_any());
        }
    }

    async fn forget(self, route: DynamicObject) {
        self.routes().remove(&key(&route));
        if let Leader::Envoy(adapter) = &self.leader
            && let Err(error) = adapter.forget(&route).await
        {
            eprintln!("gateway: route {}: {error:#}", route.name_any());
        }
    }

    /// Programs the route, unless it has changed or gone in the meantime. One that names a missing Service stays out
    /// of force until the Service is there.
    async fn accept(&self, seen: &DynamicObject) -> Result<()> {
        let mut complained = false;
        loop {
            let Some(route) = self.unless_changed(seen).await? else { return Ok(()) };
            let missing = self.missing_service(&route).await?;
            if missing.is_none() {
                self.put_in_force(&route).await?;
            }
            if missing.is_none() || !complained {
                let resolved = missing
                    .as_ref()
                    .map_or(Ok(()), |service| Err(("BackendNotFound", format!("no Service {service}"))));
                self.say(&route, Ok(()), resolved).await?;
            }
            if missing.is_none() {
                return Ok(());
            }
            complained = true;
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Refuses a route, unless that has changed or gone in the meantime.
    async fn reject(&self, seen: &DynamicObject) -> Result<()> {
        let Some(route) = self.unless_changed(seen).await? else { return Ok(()) };
        self.say(&route, Err(("UnsupportedValue", "it does not do that".to_owned())), Ok(())).await
    }

    async fn unless_changed(&self, seen: &DynamicObject) -> Result<Option<DynamicObject>> {
        let resource = resource_of(seen)?;
        let route = self.api(seen)?.get_opt(&seen.name_any()).await?.map(|route| typed(route, &resource));
        Ok(route.filter(|route| route.metadata.generation == seen.metadata.generation))
    }

    async fn say(&self, route: &DynamicObject, accepted: Said, resolved: Said) -> Result<()> {
        let status = match route.types.as_ref().map(|types| types.kind.as_str()) {
            Some("HTTPProxy") => of_contour(route, accepted.and(resolved)),
            _ if route.data["spec"].get("parentRefs").is_some() => status(route, accepted, resolved),
            // It has nowhere to say it.
            _ => return Ok(()),
        };
        let status = Patch::Merge(status);
        self.api(route)?.patch_status(&route.name_any(), &PatchParams::default(), &status).await?;
        Ok(())
    }

    fn api(&self, route: &DynamicObject) -> Result<Api<DynamicObject>> {
        let namespace = route.namespace().unwrap_or_default();
        Ok(Api::namespaced_with(self.client.clone(), &namespace, &resource_of(route)?))
    }

    async fn put_in_force(&self, route: &DynamicObject) -> Result<()> {
        let reload = match &self.leader {
            Leader::Envoy(adapter) => adapter.program(route).await?,
            Leader::Played | Leader::Traefik(_) => Reload { began: Timestamp::now(), done: Timestamp::now() },
        };
        self.note(route, reload);
        Ok(())
    }

    fn note(&self, route: &DynamicObject, reload: Reload) {
        let generation = route.metadata.generation.unwrap_or_default();
        let mut routes = self.routes();
        let history = routes.entry(key(route)).or_default();
        if history.last().is_none_or(|last| last.generation < generation) {
            history.push(InForce { generation, backends: backends(route), reload });
        }
    }

    async fn missing_service(&self, route: &DynamicObject) -> Result<Option<String>> {
        let own = route.namespace().unwrap_or_default();
        let of_gateway_api = references(route).filter_map(|reference| {
            let namespace = reference["namespace"].as_str().unwrap_or(&own);
            Some((namespace.to_owned(), reference["name"].as_str()?.to_owned()))
        });
        let services: Vec<(String, String)> = if is_of_gateway_api(route) {
            of_gateway_api.collect()
        } else {
            backends(route).into_iter().map(|backend| (own.clone(), backend.service)).collect()
        };
        for (namespace, service) in services {
            if Api::<Service>::namespaced(self.client.clone(), &namespace).get_opt(&service).await?.is_none() {
                return Ok(Some(service));
            }
        }
        Ok(None)
    }
}

/// Good, or why not: in one word, and in a sentence.
type Said = Result<(), (&'static str, String)>;

/// HTTPRoutes, as an untyped resource.
pub fn route_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GATEWAY_API, "v1", "HTTPRoute"))
}

/// All that carries weights.
pub fn carriers() -> Vec<ApiResource> {
    let route = |kind| ApiResource::from_gvk(&GroupVersionKind::gvk(GATEWAY_API, "v1", kind));
    let routes = ["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"].map(route);
    routes.into_iter().chain(route_kinds::resources()).collect()
}

/// Whether a real gateway follows it.
fn is_led(resource: &ApiResource) -> bool {
    resource.group == GATEWAY_API && ["HTTPRoute", "GRPCRoute"].contains(&resource.kind.as_str())
}

fn is_of_gateway_api(route: &DynamicObject) -> bool {
    let version = route.types.as_ref().map(|types| types.api_version.as_str());
    version.is_some_and(|version| version.starts_with(GATEWAY_API))
}

fn typed(mut route: DynamicObject, resource: &ApiResource) -> DynamicObject {
    route.types = Some(TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
    route
}

/// The resource of an object, by its own kind.
pub fn resource_of(route: &DynamicObject) -> Result<ApiResource> {
    let types = route.types.as_ref().context("a route without a kind")?;
    Ok(ApiResource::from_gvk(&GroupVersionKind::try_from(types)?))
}

fn key(route: &DynamicObject) -> [String; 3] {
    let kind = route.types.as_ref().map(|types| types.kind.clone()).unwrap_or_default();
    [kind, route.namespace().unwrap_or_default(), route.name_any()]
}

/// What the first rule for everybody of a route of the Gateway API points at.
fn references(route: &DynamicObject) -> impl Iterator<Item = &Value> {
    let mut rules = route.data["spec"]["rules"].as_array().into_iter().flatten();
    let of_rule = rules.find(|rule| !is_for_some(rule)).map_or(&Value::Null, |rule| &rule["backendRefs"]);
    of_rule.as_array().into_iter().flatten()
}

/// Whether a rule was put there for those who ask for the canary, or who came to a version before.
fn is_for_some(rule: &Value) -> bool {
    let mut backends = rule["backendRefs"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
    let canary_alone = backends.clone().count() > 0 && backends.all(|name| name.ends_with("-canary"));
    canary_alone || rule["matches"].to_string().contains("tidegate-")
}

/// The backends of a route's first rule for everybody, with the weights that its spec asks for.
pub fn backends(route: &DynamicObject) -> Vec<Backend> {
    let backend = |(service, weight): (&str, u64)| Backend { service: service.to_owned(), weight };
    let of_gateway_api = |reference: &'_ Value| {
        let service = reference["name"].as_str().unwrap_or_default().to_owned();
        Backend { service, weight: reference["weight"].as_u64().unwrap_or(1) }
    };
    let all: Vec<Backend> = if is_of_gateway_api(route) {
        references(route).map(of_gateway_api).collect()
    } else {
        route_kinds::backends(route).into_iter().map(backend).collect()
    };
    let mut backends: Vec<Backend> = Vec::new();
    for backend in all {
        match backends.iter_mut().find(|known| known.service == backend.service) {
            Some(known) => known.weight += backend.weight,
            None => backends.push(backend),
        }
    }
    backends
}

fn is_of_linkerd(route: &DynamicObject) -> bool {
    route.types.as_ref().is_some_and(|types| types.api_version.starts_with("policy.linkerd.io/"))
}

/// The generation of which it speaks; Linkerd names none.
fn reported_generation(route: &DynamicObject) -> Option<i64> {
    if is_of_linkerd(route) {
        return None;
    }
    let old = route.annotations().contains_key("rig/reports-old-generation");
    route.metadata.generation.map(|generation| generation - i64::from(old))
}

/// Whether the status says already what it has to say.
fn has_said(route: &DynamicObject) -> bool {
    let status = &route.data["status"];
    let of_parent = &status["parents"][0]["conditions"][0];
    let condition = if of_parent.is_null() { &status["conditions"][0] } else { of_parent };
    let may_reject = route.annotations().contains_key("rig/reject");
    condition["observedGeneration"].as_i64() == reported_generation(route)
        && (may_reject || condition["status"] == "True")
}

/// As Contour says it.
fn of_contour(route: &DynamicObject, valid: Said) -> Value {
    let (status, (reason, message)) = match valid {
        Ok(()) => ("True", ("Valid", "Valid HTTPProxy".to_owned())),
        Err(why) => ("False", why),
    };
    json!({"status": {
        "currentStatus": if status == "True" { "valid" } else { "invalid" },
        "conditions": [{
            "type": "Valid", "status": status, "reason": reason, "message": message,
            "observedGeneration": reported_generation(route), "lastTransitionTime": Timestamp::now().to_string(),
        }],
    }})
}

fn status(route: &DynamicObject, accepted: Said, resolved: Said) -> Value {
    let now = Timestamp::now().to_string();
    let condition = |kind: &'static str, said: Said| {
        let (status, (reason, message)) = match said {
            Ok(()) => ("True", (kind, String::new())),
            Err(why) => ("False", why),
        };
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "observedGeneration": reported_generation(route), "lastTransitionTime": now,
        })
    };
    let conditions = [condition("Accepted", accepted), condition("ResolvedRefs", resolved)];
    let parents = route.data["spec"]["parentRefs"].as_array().into_iter().flatten();
    let parents: Vec<_> = parents
        .map(|parent| json!({"parentRef": parent, "controllerName": "rig.example/gateway", "conditions": conditions}))
        .collect();
    json!({"status": {"parents": parents}})
}
