//! Plays scheduler and kubelet: pods are bound, become ready and go, and each ready pod really serves HTTP.
//!
//! Annotations of the pod say how it behaves: `rig/ready-after` (default 200ms), `rig/never-ready`,
//! `rig/error-rate`, `rig/latency`, `rig/cold` (for how long a pod that starts is cold, and the latency until then),
//! `rig/crash-after`, `rig/no-metrics`, `rig/crowd` (requests a second that are only counted, how likely they fail, and a
//! seed), `rig/routes` (of how many routes its histogram tells, default 0: of all in one). A pod that is not started anew, as those of Jobs are, ends: `rig/ends-after` (default 200ms) after its start, with
//! `rig/exit-code` (default 0) and `rig/says` as its last words.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tidegate_api::{POD_TEMPLATE_HASH, Span};
use tokio::{sync::watch, time::sleep};

use super::{
    pod_server::{self, Cold, Crowd, Faults, PodServer},
    ports::{PodPorts, address},
};

/// The node that all pods are bound to: the endpoint controller wants to know it.
pub const NODE: &str = "rig";

/// Pods of other namespaces are left alone.
pub const SHOP_PREFIX: &str = "shop-";

/// How the pods of a world live.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// How long a terminating pod goes on serving, as one with a `preStop` pause does: the endpoint controller may take
    /// more than a second to notice, since it backs off that long when its cache is behind, and a gateway has to hear
    /// of it. What is left of the pod's `terminationGracePeriodSeconds` then, it has for the requests under way; those
    /// that take longer are cut off.
    pub grace: Duration,
    /// Whether they serve at their own addresses, too, for a gateway that goes by EndpointSlices.
    pub reachable: bool,
}

impl Life {
    /// Where nobody sends packets to the addresses of pods.
    pub const ON_LOOPBACK: Self = Self { grace: Duration::from_secs(3), reachable: false };
    /// Where a gateway does, which gathers what it hears for up to two seconds.
    pub const IN_THE_NETWORK: Self = Self { grace: Duration::from_secs(6), reachable: true };

    /// All the time that a pod has for its end.
    pub fn termination_seconds(self) -> u64 {
        self.grace.as_secs() + 2
    }
}

/// The port of the container that serves, by the templates of shops.
const CONTAINER_PORT: u16 = 8080;

/// Runs the pods of all shops.
#[derive(Clone)]
pub struct Kubelet {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    ports: PodPorts,
    life: Life,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By namespace: the UIDs of all pods that ever were.
    created: HashMap<String, HashSet<String>>,
    /// By UID.
    stages: HashMap<String, watch::Sender<bool>>,
    /// By namespace, then by name.
    serving: HashMap<String, HashMap<String, Serving>>,
    /// By namespace and image: instead of what the annotations say.
    faults: HashMap<(String, String), Faults>,
    addresses: u32,
}

#[derive(Debug)]
struct Serving {
    server: PodServer,
    revision: String,
    image: String,
}

impl Kubelet {
    /// Starts to run pods.
    pub fn start(client: Client, ports: PodPorts, life: Life) -> Self {
        let inner = Inner { client, ports, life, state: Mutex::default() };
        let kubelet = Self { inner: Arc::new(inner) };
        tokio::spawn(kubelet.clone().follow());
        kubelet
    }

    /// The ports on which pods may serve.
    pub fn ports(&self) -> &PodPorts {
        &self.inner.ports
    }

    /// How the pods live.
    pub fn life(&self) -> Life {
        self.inner.life
    }

    /// How many pods were ever created in `namespace`.
    pub fn created(&self, namespace: &str) -> usize {
        self.state().created.get(namespace).map_or(0, HashSet::len)
    }

    /// The port and the revision of a ready pod.
    pub fn serving(&self, namespace: &str, pod: &str) -> Option<(u16, String)> {
        let state = self.state();
        let serving = state.serving.get(namespace)?.get(pod)?;
        Some((serving.server.port, serving.revision.clone()))
    }

    /// How many requests came to the pods of a revision that now serve as copies of those that others answered.
    pub fn copies(&self, namespace: &str, revision: &str) -> u64 {
        let state = self.state();
        let serving = state.serving.get(namespace).into_iter().flat_map(HashMap::values);
        serving.filter(|serving| serving.revision == revision).map(|serving| serving.server.copies()).sum()
    }

    /// From now on, all pods of `image` have these faults.
    pub fn set_faults(&self, namespace: &str, image: &str, faults: Faults) {
        let mut state = self.state();
        for serving in state.serving.get(namespace).into_iter().flat_map(HashMap::values) {
            if serving.image == image {
                serving.server.set_faults(faults.clone());
            }
        }
        state.faults.insert((namespace.to_owned(), image.to_owned()), faults);
    }

    /// From now on, this pod has these faults.
    pub fn set_faults_of(&self, namespace: &str, pod: &str, faults: Faults) {
        let state = self.state();
        if let Some(serving) = state.serving.get(namespace).and_then(|pods| pods.get(pod)) {
            serving.server.set_faults(faults);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(self) {
        let pods = Api::<Pod>::all(self.inner.client.clone());
        let mut events = watcher(pods, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => self.see(pod),
                Ok(watcher::Event::Delete(pod)) => self.terminate(&pod),
                _ => {}
            }
        }
    }

    fn see(&self, pod: Pod) {
        let namespace = pod.namespace().unwrap_or_default();
        if !namespace.starts_with(SHOP_PREFIX) {
            return;
        }
        let uid = pod.uid().unwrap_or_default();
        let created = self.state().created.entry(namespace).or_default().insert(uid.clone());
        if pod.metadata.deletion_timestamp.is_some() {
            self.terminate(&pod);
        } else if created {
            let (terminate, terminating) = watch::channel(false);
            self.state().stages.insert(uid, terminate);
            tokio::spawn(self.clone().run(pod, terminating));
        }
    }

    fn terminate(&self, pod: &Pod) {
        if let Some(terminate) = self.state().stages.remove(&pod.uid().unwrap_or_default()) {
            terminate.send_replace(true);
        }
    }

    /// The life of one pod. What the API server refuses here, it refuses because the pod is already gone.
    async fn run(self, pod: Pod, mut terminating: watch::Receiver<bool>) {
        let life = async {
            if let Err(error) = self.clone().live(&pod).await
                && !format!("{error:#}").contains("not found")
            {
                eprintln!("kubelet: pod {}/{}: {error:#}", pod.namespace().unwrap_or_default(), pod.name_any());
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = life => {}
            _ = terminating.wait_for(|terminate| *terminate) => {}
        }
        if self.serving(&pod.namespace().unwrap_or_default(), &pod.name_any()).is_some() {
            sleep(self.inner.life.grace).await;
            self.stop(&pod).await;
        }
        // Fails only when the API server has removed it by itself.
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let _ = self.pods(&pod).delete(&pod.name_any(), &at_once).await;
    }

    async fn live(self, pod: &Pod) -> Result<()> {
        self.bind(pod).await?;
        if is_run_once(pod) {
            return self.run_once(pod).await;
        }
        if flag(pod, "rig/never-ready") || self.is_held_back(pod) {
            return self.report(pod, &self.next_address(), false).await;
        }
        sleep(span(pod, "rig/ready-after")?.unwrap_or(Duration::from_millis(200))).await;
        let port = self.serve(pod).await?;
        let address = if self.inner.life.reachable { address(port).to_string() } else { self.next_address() };
        self.report(pod, &address, true).await?;
        if let Some(crash) = span(pod, "rig/crash-after")? {
            sleep(crash).await;
            self.stop(pod).await;
            self.report(pod, &address, false).await?;
        }
        Ok(())
    }

    /// A pod that does something and ends.
    async fn run_once(&self, pod: &Pod) -> Result<()> {
        self.report(pod, &self.next_address(), true).await?;
        sleep(span(pod, "rig/ends-after")?.unwrap_or(Duration::from_millis(200))).await;
        let code: i32 = pod.annotations().get("rig/exit-code").map_or(Ok(0), |code| code.parse())?;
        let now = jiff::Timestamp::now().to_string();
        let ended = json!({"terminated": {
            "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }, "startedAt": now, "finishedAt": now,
            "message": pod.annotations().get("rig/says"),
        }});
        let ready =
            |kind: &str| json!({"type": kind, "status": "False", "reason": "PodCompleted", "lastTransitionTime": now});
        let status = json!({"status": {
            "phase": if code == 0 { "Succeeded" } else { "Failed" },
            "conditions": [ready("ContainersReady"), ready("Ready")],
            "containerStatuses": [{
                "name": container(pod), "image": image(pod), "imageID": "", "restartCount": 0, "ready": false,
                "started": false, "state": ended,
            }],
        }});
        self.pods(pod).patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    fn is_held_back(&self, pod: &Pod) -> bool {
        let image = pod.spec.iter().flat_map(|spec| &spec.containers).find_map(|container| container.image.clone());
        let key = (pod.namespace().unwrap_or_default(), image.unwrap_or_default());
        self.state().faults.get(&key).is_some_and(|faults| faults.never_ready)
    }

    async fn bind(&self, pod: &Pod) -> Result<()> {
        let binding: Binding = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name_any()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }))?;
        let name = pod.name_any();
        let _: Value = self.pods(pod).create_subresource("binding", &name, &PostParams::default(), &binding).await?;
        Ok(())
    }

    async fn serve(&self, pod: &Pod) -> Result<u16> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let image = image(pod);
        let faults = self.state().faults.get(&(namespace.clone(), image.clone())).cloned();
        let faults = faults.map_or_else(|| annotated_faults(pod), Ok)?;
        let port = self.inner.ports.take().context("more pods at a time than the rig has ports for")?;
        let revision = pod.labels().get(POD_TEMPLATE_HASH).cloned().unwrap_or_default();
        let who = pod_server::Identity { namespace: &namespace, pod: &name, revision: &revision };
        let own = self.inner.life.reachable.then(|| SocketAddr::from((address(port), CONTAINER_PORT)));
        let server = PodServer::start(port, own, who, faults).await?;
        self.state().serving.entry(namespace).or_default().insert(name, Serving { server, revision, image });
        Ok(port)
    }

    async fn stop(&self, pod: &Pod) {
        let namespace = pod.namespace().unwrap_or_default();
        let served = self.state().serving.get_mut(&namespace).and_then(|pods| pods.remove(&pod.name_any()));
        if let Some(Serving { server, .. }) = served {
            let port = server.port;
            let whole = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or_default();
            let whole = Duration::from_secs(u64::try_from(whole).unwrap_or_default());
            server.stop(whole.saturating_sub(self.inner.life.grace)).await;
            self.inner.ports.release(port);
        }
    }

    async fn report(&self, pod: &Pod, address: &str, ready: bool) -> Result<()> {
        let now = jiff::Timestamp::now().to_string();
        let condition = |kind: &str, holds: bool| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now});
        let status = json!({"status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now,
            "conditions": [
                condition("PodScheduled", true), condition("Initialized", true),
                condition("ContainersReady", ready), condition("Ready", ready),
            ],
            "containerStatuses": [{
                "name": container(pod), "image": image(pod), "imageID": "", "restartCount": 0, "ready": ready,
                "started": true, "state": {"running": {"startedAt": now}},
            }],
        }});
        self.pods(pod).patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    /// EndpointSlices refuse loopback addresses, so pods that nobody reaches have made-up ones.
    fn next_address(&self) -> String {
        let mut state = self.state();
        state.addresses += 1;
        let [_, high, middle, low] = state.addresses.to_be_bytes();
        format!("10.{}.{middle}.{low}", high.wrapping_add(1))
    }

    fn pods(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.inner.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

fn image(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.clone()).unwrap_or_default()
}

fn container(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| Some(spec.containers.first()?.name.clone())).unwrap_or_default()
}

/// Whether it is not started anew when it has ended.
fn is_run_once(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Never")
}

fn flag(pod: &Pod, annotation: &str) -> bool {
    pod.annotations().get(annotation).is_some_and(|value| value != "false")
}

fn span(pod: &Pod, annotation: &str) -> Result<Option<Duration>> {
    let span = pod.annotations().get(annotation).map(|text| text.parse::<Span>()).transpose()?;
    Ok(span.map(Span::duration))
}

fn annotated_faults(pod: &Pod) -> Result<Faults> {
    let error_rate = pod.annotations().get("rig/error-rate").map(|text| text.parse()).transpose()?;
    Ok(Faults {
        error_rate: error_rate.unwrap_or_default(),
        latency: span(pod, "rig/latency")?.unwrap_or_default(),
        cold: pod.annotations().get("rig/cold").map(|text| cold(text)).transpose()?,
        metrics: !flag(pod, "rig/no-metrics"),
        crowd: pod.annotations().get("rig/crowd").map(|text| crowd(text)).transpose()?,
        never_ready: false,
        routes: pod.annotations().get("rig/routes").map(|text| text.parse()).transpose()?.unwrap_or_default(),
    })
}

fn cold(text: &str) -> Result<Cold> {
    let (lasts, latency) = text.split_once(' ').context("rig/cold: too few words")?;
    let span = |word: &str| anyhow::Ok(word.parse::<Span>()?.duration());
    Ok(Cold { lasts: span(lasts)?, latency: span(latency)? })
}

fn crowd(text: &str) -> Result<Crowd> {
    let mut words = text.split(' ');
    let mut next = || words.next().context("rig/crowd: too few words");
    Ok(Crowd { per_second: next()?.parse()?, error_rate: next()?.parse()?, seed: next()?.parse()? })
}
