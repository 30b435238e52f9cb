//! The whole embedded cluster, on one clock and from one seed.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tidegate_analysis::Transport;
use tidegate_api::{GatewayRouteKind, Schedule, definitions};
use tidegate_apiserver::{ApiServer, Refusal, garbage};
use tidegate_clock::Clock;
use tidegate_planner::traffic::GATEWAY_API;
use tokio::task::JoinSet;

use super::{
    board::Board,
    controllers::{self, Controllers, Handle},
    endpoint::Endpoint,
    metering::Applications,
    operator::{Operator, OperatorSetup},
};

/// Who applies the manifests that a cluster starts with.
const USER: &str = "kubectl-client-side-apply";

/// How a cluster is made.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// What all chance comes from.
    pub seed: u64,
    /// Which models run around the API server, and how fast.
    pub controllers: controllers::ModelSettings,
    /// How often Prometheus scrapes each pod.
    pub scrape_every: Duration,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { seed: 0, controllers: controllers::ModelSettings::default(), scrape_every: Duration::from_secs(15) }
    }
}

/// An embedded cluster: nothing in it runs any more once it is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// What time it is in it.
    pub clock: Clock,
    /// Its API server.
    pub api: ApiServer,
    /// By which the models around the API server are given orders.
    pub controllers: Handle,
    /// Its Prometheus.
    pub prometheus: Endpoint,
    /// Whoever answers for gates by a webhook.
    pub board: Board,
    /// The applications that get requests.
    pub applications: Applications,
    _tasks: JoinSet<()>,
}

impl Cluster {
    /// Starts a cluster that knows Rollouts, templates and routes, and is empty otherwise. Within a Tokio runtime: where that
    /// one's time is paused, the cluster's time flies.
    #[must_use]
    pub fn start(clock: Clock, settings: ClusterSettings) -> Self {
        let mut seeds = StdRng::seed_from_u64(settings.seed);
        let api = ApiServer::new(clock, seeds.random());
        let controllers = Controllers::new(api.clone(), clock, seeds.random(), settings.controllers);
        let handle = controllers.handle();
        let prometheus = Endpoint::new(clock);
        let applications = Applications::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(garbage::collect(api.clone()));
        tasks.spawn(controllers.run());
        tasks.spawn(applications.clone().run(clock, handle.clone(), prometheus.clone(), settings.scrape_every));
        let board = Board::default();
        let cluster = Self { clock, api, controllers: handle, prometheus, board, applications, _tasks: tasks };
        for definition in DEFINITIONS.iter() {
            let created = cluster.api.create(definition.clone(), USER);
            debug_assert!(created.is_ok(), "{created:?}");
        }
        cluster
    }

    /// Creates `object`, and its namespace before it if that is not there yet.
    ///
    /// # Errors
    /// The API server refuses it.
    pub fn apply(&self, object: Value) -> Result<(), Refusal> {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        if self.api.get("namespaces", "", namespace).is_none() {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            self.api.create(namespace, USER)?;
        }
        self.api.create(object, USER).map(drop)
    }

    /// Whether it knows the kind of `object`, in whatever version.
    #[must_use]
    pub fn knows(&self, object: &Value) -> bool {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
        self.api
            .resources()
            .iter()
            .any(|resource| (resource.group.as_str(), resource.kind.as_str()) == (group, text("kind")))
    }

    /// Starts an operator that reaches the Prometheus of this cluster by `transport`, and calls it `endpoint`; with the
    /// `schedule` of the whole cluster, if there is one.
    #[must_use]
    pub fn operator(
        &self,
        endpoint: &str,
        transport: impl Transport + 'static,
        schedule: Option<Schedule>,
    ) -> Operator {
        let (endpoint, webhooks) = (endpoint.to_owned(), Arc::new(self.board.clone()));
        let plan = OperatorSetup { endpoint, webhooks, schedule, ..OperatorSetup::new(self.clock, transport) };
        plan.start(self.api.clone())
    }
}

/// The custom resources that the cluster knows.
static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let definitions = definitions().into_iter().chain(GatewayRouteKind::ALL.map(routes));
    definitions.filter_map(|definition| serde_json::to_value(&definition).ok()).collect()
});

/// Routes as the Gateway API serves them, without their schema: what a gateway would refuse is the gateway's affair.
fn routes(kind: GatewayRouteKind) -> CustomResourceDefinition {
    let (versions, kind, plural) = (kind.versions(), kind.to_string(), kind.plural());
    let version = |name: &&str| {
        json!({
            "name": name, "served": true, "storage": Some(name) == versions.first(),
            "subresources": {"status": {}},
            "additionalPrinterColumns": [
                {"name": "Hostnames", "type": "string", "jsonPath": ".spec.hostnames"},
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ],
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        })
    };
    serde_json::from_value(json!({
        "metadata": {"name": format!("{plural}.{GATEWAY_API}")},
        "spec": {
            "group": GATEWAY_API,
            "scope": "Namespaced",
            "names": {
                "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                "categories": ["gateway-api"],
            },
            "versions": versions.iter().map(version).collect::<Vec<_>>(),
        },
    }))
    .unwrap_or_default()
}
