//! By which others give orders to the models, and ask what they know.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use tidegate_api::{GatewayRouteKind, POD_TEMPLATE_HASH};
use tidegate_apiserver::Refusal;
use tokio::sync::watch;

use super::{
    Entry, GatewayMode, PodBehaviour, ReconcileContext, Share,
    cache::Key,
    run::{Shared, State},
};

/// By which others give orders to the models, and ask what they know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// A pod as the data plane meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its address; empty until it has one.
    pub ip: String,
    /// The image of its first container.
    pub image: String,
    /// Its label `pod-template-hash`; empty without it.
    pub revision: String,
    /// The node that it is on; empty until it has one.
    pub node: String,
    /// Whether it passes its readiness probe.
    pub ready: bool,
    /// Since when its containers run, if they do: then it would answer a request.
    pub alive_since: Option<Timestamp>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn order<T>(&self, order: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.lock();
        let result = order(&mut state);
        self.shared.tell(&state);
        self.shared.woken.notify_one();
        result
    }

    /// From now on, all pods of `image` behave like this, those that run and those that come.
    pub fn set_behaviour(&self, image: &str, behaviour: PodBehaviour) {
        self.order(|state| state.kubelets.set_behaviour(&mut state.runtime.context(&state.cache), image, behaviour));
    }

    /// From now on, the pods of Jobs behave like this, those that come.
    pub fn set_behaviour_of_jobs(&self, behaviour: PodBehaviour) {
        self.order(|state| state.kubelets.set_behaviour_of_jobs(behaviour));
    }

    /// Has a pod crash; it starts anew after a pause that grows with each time.
    pub fn crash(&self, namespace: &str, pod: &str) {
        let key = Key::new(namespace, pod);
        self.order(|state| state.kubelets.crash(&mut state.runtime.context(&state.cache), &key));
    }

    /// Throws a pod off its node for lack of memory: it ends as `Failed`, and its object stays.
    ///
    /// # Errors
    /// The API server refuses the status.
    pub fn evict(&self, namespace: &str, pod: &str) -> Result<(), Refusal> {
        let key = Key::new(namespace, pod);
        self.order(|state| {
            state.epoch += 1;
            state.kubelets.evict(&state.runtime.context(&state.cache), &key)
        })
    }

    /// From now on a node no longer answers; its pods are dead at once, and the cluster learns of it later.
    pub fn lose_node(&self, node: &str) {
        self.order(|state| {
            state.epoch += 1;
            state.kubelets.lose_node(&mut state.runtime.context(&state.cache), node);
        });
    }

    /// A lost node answers again.
    ///
    /// # Errors
    /// The API server refuses the status of one of its pods.
    pub fn regain_node(&self, node: &str) -> Result<(), Refusal> {
        self.order(|state| {
            state.epoch += 1;
            state.kubelets.regain_node(&mut state.runtime.context(&state.cache), node)
        })
    }

    /// From now on the gateway behaves like this. It looks at all routes anew.
    pub fn set_gateway(&self, mode: GatewayMode) {
        self.order(|state| {
            state.gateway.mode = mode;
            let mut context = state.runtime.context(&state.cache);
            for kind in GatewayRouteKind::ALL {
                for route in context.api.list(kind.plural(), None) {
                    state.gateway.notice(&mut context, (kind, Key::new(route.namespace(), route.name())));
                }
            }
        });
    }

    /// Allows a namespace so many pods, by a `ResourceQuota` named `pods`; without a number as many as it likes.
    ///
    /// # Errors
    /// The API server refuses the `ResourceQuota`.
    pub fn set_quota(&self, namespace: &str, pods: Option<u32>) -> Result<(), Refusal> {
        self.order(|state| set_quota(&state.runtime.context(&state.cache), namespace, pods))
    }

    /// Sets the load of what a `HorizontalPodAutoscaler` targets, as the number of pods that would be exactly at its
    /// target with it.
    pub fn set_load(&self, namespace: &str, autoscaler: &str, load: f64) {
        let key = Key::new(namespace, autoscaler);
        self.order(|state| state.autoscalers.set_load(&mut state.runtime.context(&state.cache), key, load));
    }

    /// Who answers the requests that come in at `entry` now. The shares come to 1.
    #[must_use]
    pub fn shares(&self, namespace: &str, entry: Entry<'_>) -> Vec<Share> {
        let state = self.shared.lock();
        state.data_plane.shares(&state.gateway, namespace, entry)
    }

    /// Who gets copies of them, whose answers nobody sees.
    #[must_use]
    pub fn copies(&self, namespace: &str, entry: Entry<'_>) -> Vec<Share> {
        let state = self.shared.lock();
        state.data_plane.copies(&state.gateway, namespace, entry)
    }

    /// All pods of a namespace, by name.
    #[must_use]
    pub fn pods(&self, namespace: &str) -> Vec<PodView> {
        let state = self.shared.lock();
        let view = |pod: &Arc<super::cache::Pod>| PodView {
            name: pod.meta.key.name().to_owned(),
            ip: pod.ip.clone(),
            image: pod.image.clone(),
            revision: pod.meta.labels.get(POD_TEMPLATE_HASH).cloned().unwrap_or_default(),
            node: pod.node.clone(),
            ready: pod.ready,
            alive_since: state.kubelets.alive_since(&pod.meta.key),
        };
        state.cache.pods.within(namespace).map(view).collect()
    }

    /// A number that grows whenever [`Self::shares`] or [`Self::pods`] may answer differently.
    #[must_use]
    pub fn epochs(&self) -> watch::Receiver<u64> {
        self.shared.epochs.subscribe()
    }
}

fn set_quota(context: &ReconcileContext<'_>, namespace: &str, pods: Option<u32>) -> Result<(), Refusal> {
    const MANAGER: &str = "scenario";
    let key = Key::new(namespace, "pods");
    let spec = pods.map(|pods| json!({"hard": {"pods": pods.to_string()}}));
    match (spec, context.whole("resourcequotas", &key)) {
        (None, None) => Ok(()),
        (None, Some(_)) => context.api.delete("resourcequotas", namespace, "pods", MANAGER),
        (Some(spec), Some(_)) => context.merge("resourcequotas", &key, json!({"spec": spec}), MANAGER),
        (Some(spec), None) => {
            let quota = json!({
                "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": namespace},
                "spec": spec,
            });
            context.api.create(quota, MANAGER).map(drop)
        }
    }
}
