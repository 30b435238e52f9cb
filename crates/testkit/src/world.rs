//! The whole rig, started once, and the way to open shops in it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    assets::{Assets, Program},
    audit::Audit,
    cluster,
    control_plane::{ControlPlane, Identity, Kind},
    customers::{self, Customer},
    endpoints::Endpoints,
    envoy::{Adapter, Envoy},
    gateway::{Gateway, Leader},
    kubelet::{Kubelet, Life, SHOP_PREFIX},
    load::{DataPlane, Load},
    operator::Operator,
    policies,
    ports::PodPorts,
    process::Process,
    prometheus::{Prometheus, Store, Target},
    route_kinds,
    shop::{self, Shop},
    snapshot::{NAME, Watches},
    traefik,
    wait::until,
};

/// Everything that runs.
pub struct World {
    /// The gateway, where it is one that reads the API server by itself.
    _traefik: Option<Process>,
    /// The API server and its controllers.
    pub control_plane: ControlPlane,
    /// The Prometheus that all shops share.
    pub prometheus: Prometheus,
    /// Pods, routes and requests.
    pub data_plane: DataPlane,
    /// What was asked of the API server.
    pub audit: Audit,
    /// That the garbage collector knows Rollouts, once somebody has seen it.
    pub collects_rollouts: OnceCell<()>,
    /// The programs that it was made of.
    pub assets: Assets,
}

/// The gateway, as far as it is there before the API server is.
enum Started {
    Nothing,
    Envoy(Envoy),
    Traefik(traefik::Addresses),
}

impl Started {
    async fn start(assets: &Assets, http: &reqwest::Client) -> Result<Self> {
        Ok(match &assets.gateway {
            None => Self::Nothing,
            Some(Program::Envoy(program)) => Self::Envoy(Envoy::start(program, http.clone()).await?),
            Some(Program::Traefik(_)) => Self::Traefik(traefik::Addresses::reserve()?),
        })
    }

    /// Where it tells its numbers.
    fn target(&self) -> Option<Target> {
        match self {
            Self::Nothing => None,
            Self::Envoy(envoy) => {
                Some(Target { address: envoy.administration().to_owned(), path: "/stats/prometheus" })
            }
            Self::Traefik(addresses) => {
                Some(Target { address: addresses.administration.to_string(), path: "/metrics" })
            }
        }
    }

    fn life(&self) -> Life {
        match self {
            Self::Nothing | Self::Envoy(_) => Life::ON_LOOPBACK,
            Self::Traefik(_) => Life::IN_THE_NETWORK,
        }
    }
}

impl World {
    /// Starts it all; takes a few seconds.
    pub async fn start(assets: Assets, kind: Kind) -> Result<Self> {
        let world = Self::without_gateway_api(assets, kind).await?;
        world.install_gateway_api().await?;
        let client = &world.control_plane.client;
        policies::install(client).await?;
        route_kinds::install(client, &world.assets).await?;
        let traefik = match (&world.assets.gateway, &world.data_plane.gateway.leader) {
            (Some(Program::Traefik(program)), Leader::Traefik(addresses)) => {
                route_kinds::install_for_traefik(client).await?;
                Some(traefik::start(program, &world.control_plane, *addresses, &world.data_plane.http).await?)
            }
            _ => None,
        };
        Ok(Self { _traefik: traefik, ..world })
    }

    /// The same on a cluster of its own that nobody has installed the Gateway API into.
    pub async fn another_without_gateway_api(&self) -> Result<Self> {
        Self::without_gateway_api(self.assets.clone(), self.control_plane.kind).await
    }

    /// Makes up for that.
    pub async fn install_gateway_api(&self) -> Result<()> {
        let parents = ["gatewayclasses", "gateways"];
        for plural in
            parents.into_iter().chain(["httproutes", "grpcroutes", "tlsroutes", "tcproutes", "referencegrants"])
        {
            let name = format!("{plural}.gateway.networking.k8s.io");
            cluster::install_from(&self.control_plane.client, &self.assets.gateway_api, &name).await?;
        }
        Ok(())
    }

    async fn without_gateway_api(assets: Assets, kind: Kind) -> Result<Self> {
        // reqwest is built without a choice of its own; the second to install one is told so, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let ports = PodPorts::reserve()?;
        let program = Started::start(&assets, &http).await?;
        let (control_plane, prometheus) = tokio::try_join!(
            ControlPlane::start(&assets, kind),
            Prometheus::start(
                Store::Prometheus(assets.prometheus.clone()),
                ports.all(),
                program.target(),
                http.clone()
            ),
        )?;
        let client = control_plane.client.clone();
        cluster::furnish(&client).await?;
        let kubelet = Kubelet::start(client.clone(), ports, program.life());
        let endpoints = Endpoints::follow(client.clone()).await?;
        let leader = match program {
            Started::Nothing => Leader::Played,
            Started::Envoy(envoy) => Leader::Envoy(Adapter::start(envoy, endpoints.clone(), kubelet.clone())),
            Started::Traefik(addresses) => Leader::Traefik(addresses),
        };
        let data_plane = DataPlane { gateway: Gateway::start(client, leader), endpoints, kubelet, http };
        let audit = Audit::of(control_plane.audit_log());
        let collects_rollouts = OnceCell::new();
        Ok(Self { _traefik: None, control_plane, prometheus, data_plane, audit, collects_rollouts, assets })
    }

    /// A Prometheus of one's own, to kill.
    pub async fn another_prometheus(&self) -> Result<Prometheus> {
        self.store(Store::Prometheus(self.assets.prometheus.clone())).await
    }

    /// The same of any kind.
    pub async fn store(&self, store: Store) -> Result<Prometheus> {
        let ports = self.data_plane.kubelet.ports().all();
        Prometheus::start(store, ports, None, self.data_plane.http.clone()).await
    }

    /// Plans a shop; `name` must be its own.
    pub fn shop(&self, name: &str) -> ShopPlan<'_> {
        ShopPlan {
            world: self,
            namespace: format!("{SHOP_PREFIX}{name}"),
            workload: NAME.to_owned(),
            replicas: 4,
            requests_per_second: 80.0,
            route: true,
            objects: Vec::new(),
            other_backends: Vec::new(),
            operator: true,
            cluster_wide: false,
            prometheus: self.prometheus.url.clone(),
            webhooks: None,
            notifications: None,
            termination_seconds: self.data_plane.kubelet.life().termination_seconds(),
        }
    }
}

/// Whether a request or a call, whichever the route is for, gets an answer from a pod.
async fn leads_to_pods(shop: &Shop) -> Option<()> {
    for kind in [customers::Kind::Short, customers::Kind::Unary] {
        let reply = customers::ask(shop, kind, &Customer::default()).await;
        if reply.is_ok_and(|reply| reply.head.headers.contains_key("x-revision")) {
            return Some(());
        }
    }
    None
}

/// A shop about to open.
pub struct ShopPlan<'w> {
    world: &'w World,
    /// Its own.
    pub namespace: String,
    workload: String,
    replicas: i32,
    requests_per_second: f64,
    route: bool,
    objects: Vec<Value>,
    other_backends: Vec<(String, u64)>,
    operator: bool,
    cluster_wide: bool,
    prometheus: String,
    webhooks: Option<PathBuf>,
    notifications: Option<PathBuf>,
    termination_seconds: u64,
}

impl ShopPlan<'_> {
    /// With a Deployment of this name.
    pub fn workload(mut self, name: &str) -> Self {
        name.clone_into(&mut self.workload);
        self
    }

    /// With so many pods.
    pub fn replicas(mut self, replicas: i32) -> Self {
        self.replicas = replicas;
        self
    }

    /// With so many requests a second; 0 for none.
    pub fn load(mut self, requests_per_second: f64) -> Self {
        self.requests_per_second = requests_per_second;
        self
    }

    /// With pods that have the time to end all requests under way, however long these take: of a pod that goes while
    /// others of its version stay, requests come to the last, and no drain spares them.
    pub fn patient(mut self) -> Self {
        self.termination_seconds += customers::LONGEST.as_secs();
        self
    }

    /// Without an HTTPRoute: clients call the Service.
    pub fn without_route(mut self) -> Self {
        self.route = false;
        self
    }

    /// With these objects in the place of its HTTPRoute. Those in a namespace are made in the shop's.
    pub fn routed_by(mut self, objects: Vec<Value>) -> Self {
        self.objects = objects;
        self
    }

    /// With another backend in the route, which has a Service and no pods.
    pub fn other_backend(mut self, name: &str, weight: u64) -> Self {
        self.other_backends.push((name.to_owned(), weight));
        self
    }

    /// Without an operator, until the behaviour starts one.
    pub fn without_operator(mut self) -> Self {
        self.operator = false;
        self
    }

    /// With an operator that looks after all namespaces. It must be the only one of its world.
    pub fn cluster_wide(mut self) -> Self {
        self.cluster_wide = true;
        self
    }

    /// With another Prometheus than the one that all share.
    pub fn prometheus(mut self, url: &str) -> Self {
        url.clone_into(&mut self.prometheus);
        self
    }

    /// With an operator that knows the webhooks of this file.
    pub fn webhooks(mut self, file: &Path) -> Self {
        self.webhooks = Some(file.to_owned());
        self
    }

    /// With an operator that tells people as this file says.
    pub fn notifications(mut self, file: &Path) -> Self {
        self.notifications = Some(file.to_owned());
        self
    }

    /// Opens it: all pods ready, the route accepted, requests under way, the operator started.
    pub async fn open(self) -> Result<Shop> {
        let World { control_plane, data_plane, .. } = self.world;
        let client = control_plane.client.clone();
        let namespace = self.namespace.clone();
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster::create(&client, object).await?;
        cluster::grant_lease(&client, &namespace).await?;
        if self.notifications.is_some() {
            cluster::grant_record(&client, &namespace).await?;
        }
        for app in self.other_backends.iter().map(|(name, _)| name.as_str()).chain([NAME]) {
            cluster::create(&client, shop::service(&namespace, app)).await?;
        }
        if let Leader::Traefik(addresses) = data_plane.gateway.leader {
            traefik::open(&client, &namespace, addresses).await?;
        }
        let deployment = shop::deployment((&namespace, &self.workload), self.replicas, self.termination_seconds);
        cluster::create(&client, deployment).await?;
        for object in &self.objects {
            let mut object = object.clone();
            if let Some(own) = object["metadata"].get_mut("namespace") {
                *own = json!(namespace);
            }
            cluster::create(&client, object).await?;
        }
        if self.route && self.objects.is_empty() {
            cluster::create(&client, shop::route(&namespace, &self.other_backends)).await?;
        }
        let mut shop = Shop {
            watches: Watches::start(&client, &namespace, &self.objects),
            client,
            load: None,
            operators: Vec::new(),
            how: self.operator_plan()?,
            data_plane: data_plane.clone(),
            has_route: self.route,
            workload: self.workload.clone(),
            namespace,
        };
        self.await_opening(&shop).await?;
        if self.requests_per_second > 0.0 {
            let route = self.route.then_some(NAME);
            let to = (shop.namespace.as_str(), NAME);
            shop.load = Some(Load::start(data_plane.clone(), to, route, self.requests_per_second));
        }
        if self.operator {
            shop.start_operator()?;
        }
        Ok(shop)
    }

    async fn await_opening(&self, shop: &Shop) -> Result<()> {
        let replicas = usize::try_from(self.replicas)?;
        let endpoints = &self.world.data_plane.endpoints;
        shop.wait("the shop to open", Duration::from_mins(1), |now| {
            now.ready_count("v1") == replicas
                && endpoints.ready(&shop.namespace, NAME).len() == replicas
                && (!self.route || !now.in_force.is_empty())
        })
        .await?;
        if matches!(self.world.data_plane.gateway.leader, Leader::Traefik(_)) {
            // It says that it follows a route before it does.
            until("the gateway to lead to the pods", Duration::from_mins(1), || leads_to_pods(shop)).await?;
        }
        Ok(())
    }

    fn operator_plan(&self) -> Result<Operator> {
        let directory = self.world.control_plane.directory();
        let prometheus = directory.join(format!("{}.prometheus.yaml", self.namespace));
        fs::write(&prometheus, format!("endpoints:\n- {{name: default, url: \"{}\"}}\n", self.prometheus))?;
        Ok(Operator {
            name: self.namespace.clone(),
            lease: self.namespace.clone(),
            namespace: (!self.cluster_wide).then(|| self.namespace.clone()),
            kubeconfig: self.world.control_plane.kubeconfig(Identity::Operator),
            prometheus,
            webhooks: self.webhooks.clone(),
            notifications: self.notifications.clone(),
            directory: directory.to_owned(),
        })
    }
}
