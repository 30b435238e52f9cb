//! Scheduler and kubelets: pods are given to nodes, start, become ready, crash, and end.

mod behaviour;
mod life;
mod nodes;
mod status;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use tidegate_apiserver::Refusal;

use self::{
    life::{Life, Stage},
    nodes::{Nodes, State},
};
use super::{
    ReconcileContext,
    cache::{Key, Pod},
    queue::Task,
};

pub use behaviour::{Ending, PodBehaviour};

/// The field manager of the scheduler.
const SCHEDULER: &str = "kube-scheduler";

/// The field manager of the kubelets.
const KUBELET: &str = "kubelet";

/// Scheduler and kubelets.
#[derive(Debug, Default)]
pub(super) struct Kubelets {
    /// How pods behave by their image.
    behaviours: BTreeMap<String, PodBehaviour>,
    /// How all others do.
    otherwise: PodBehaviour,
    /// How those of Jobs do.
    of_jobs: PodBehaviour,
    lives: BTreeMap<Key, Life>,
    nodes: Nodes,
    addresses: u32,
}

impl Kubelets {
    pub(super) fn new(otherwise: PodBehaviour) -> Self {
        Self { otherwise, of_jobs: PodBehaviour::ending(Ending::Success), ..Self::default() }
    }

    /// Makes the nodes.
    pub(super) fn start(&mut self, context: &ReconcileContext<'_>) {
        self.nodes.start(context);
    }

    /// A pod has changed.
    pub(super) fn notice(&mut self, context: &mut ReconcileContext<'_>, key: &Key) {
        let pod = context.cache.pods.get(key);
        let forgotten = self.lives.get(key).is_some_and(|life| pod.is_none_or(|pod| pod.meta.uid != life.uid));
        if forgotten && let Some(life) = self.lives.remove(key) {
            self.nodes.take(&life.node, &life.uid);
        }
        let Some(pod) = pod else { return };
        if !self.lives.contains_key(key) && pod.node.is_empty() {
            context.react(context.pace.scheduler, Task::Pod(key.clone()));
        } else if pod.meta.deleting || !self.lives.contains_key(key) {
            context.after(Duration::ZERO, Task::Pod(key.clone()));
        }
    }

    /// Looks at one pod.
    pub(super) fn sync(&mut self, context: &mut ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
        let Some(pod) = context.cache.pods.get(key).cloned() else { return Ok(()) };
        if !self.lives.contains_key(key) && !self.accept(context, &pod)? {
            return Ok(());
        }
        let behaviour = *self.behaviour(&pod);
        let Some(life) = self.lives.get_mut(key).filter(|life| self.nodes.answers(&life.node)) else { return Ok(()) };
        if pod.meta.deleting {
            life.end(context, Duration::from_secs(u64::try_from(pod.grace).unwrap_or(0)), &behaviour);
            if life.has_ended(context.now) {
                return context.api.delete_within("pods", key.namespace(), key.name(), Some(0), KUBELET);
            }
        } else if life.step(context, &behaviour) {
            report(context, key, life)?;
        }
        if let Some(due) = life.due() {
            context.queue.at(due, Task::Pod(key.clone()));
        }
        Ok(())
    }

    /// Gives a pod to a node, unless it has one, and begins its life there. Whether it has one.
    fn accept(&mut self, context: &mut ReconcileContext<'_>, pod: &Pod) -> Result<bool, Refusal> {
        let key = &pod.meta.key;
        let chosen = self.nodes.choose().filter(|_| pod.node.is_empty()).map(str::to_owned);
        if let Some(node) = &chosen {
            context.merge("pods", key, json!({"spec": {"nodeName": node}}), SCHEDULER)?;
        }
        let node = chosen.unwrap_or_else(|| pod.node.clone());
        if node.is_empty() {
            return Ok(false);
        }
        self.addresses = self.addresses.wrapping_add(1);
        let [_, high, middle, low] = self.addresses.to_be_bytes();
        let address = format!("10.{}.{middle}.{low}", high.wrapping_add(1));
        self.nodes.put(&node, &pod.meta.uid);
        let behaviour = *self.behaviour(pod);
        self.lives.insert(key.clone(), Life::new(context, &pod.meta.uid, &node, address, &behaviour));
        Ok(true)
    }

    fn behaviour(&self, pod: &Pod) -> &PodBehaviour {
        let otherwise = if pod.meta.is_of_a_job() { &self.of_jobs } else { &self.otherwise };
        self.behaviours.get(&pod.image).unwrap_or(otherwise)
    }

    /// From now on, pods of Jobs that start behave like this.
    pub(super) fn set_behaviour_of_jobs(&mut self, behaviour: PodBehaviour) {
        self.of_jobs = behaviour;
    }

    /// From now on, the pods of `image` behave like this.
    pub(super) fn set_behaviour(&mut self, context: &mut ReconcileContext<'_>, image: &str, behaviour: PodBehaviour) {
        self.behaviours.insert(image.to_owned(), behaviour);
        for (key, life) in &mut self.lives {
            if context.cache.pods.get(key).is_some_and(|pod| pod.image == image) {
                life.adapt(context, &behaviour);
                context.after(Duration::ZERO, Task::Pod(key.clone()));
            }
        }
    }

    /// Has a pod crash.
    pub(super) fn crash(&mut self, context: &mut ReconcileContext<'_>, key: &Key) {
        let Some(life) = self.lives.get_mut(key) else { return };
        life.crash_now(context.now);
        context.after(Duration::ZERO, Task::Pod(key.clone()));
    }

    /// Throws a pod off its node, which is short of something.
    pub(super) fn evict(&mut self, context: &ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
        let Some(life) = self.lives.get_mut(key) else { return Ok(()) };
        life.evict(context.now);
        report(context, key, life)
    }

    /// A node no longer answers.
    pub(super) fn lose_node(&mut self, context: &mut ReconcileContext<'_>, node: &str) {
        self.nodes.lose(context, node);
    }

    /// A node answers again: its kubelet does what it missed, and reports.
    pub(super) fn regain_node(&mut self, context: &mut ReconcileContext<'_>, node: &str) -> Result<(), Refusal> {
        self.nodes.regain(context, node);
        for (key, pod) in self.pods_on(context, node) {
            if let Some(life) = self.lives.get(&key).filter(|life| !pod.meta.deleting && life.stage != Stage::Starting)
            {
                report(context, &key, life)?;
            }
            context.after(Duration::ZERO, Task::Pod(key));
        }
        for pod in context.cache.pods.iter().filter(|pod| pod.node.is_empty()) {
            context.queue.at(context.now, Task::Pod(pod.meta.key.clone()));
        }
        Ok(())
    }

    /// The node controller looks at a node that does not answer.
    pub(super) fn look_at_node(&mut self, context: &mut ReconcileContext<'_>, node: &str) -> Result<(), Refusal> {
        let state = self.nodes.look(context, node);
        for (key, pod) in self.pods_on(context, node) {
            match state {
                State::NotReady if pod.ready => mark_not_ready(context, &key)?,
                State::Lost if !pod.meta.deleting => {
                    context.api.delete("pods", key.namespace(), key.name(), "taint-eviction-controller")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pods_on(&self, context: &ReconcileContext<'_>, node: &str) -> Vec<(Key, Arc<Pod>)> {
        let uids: Vec<&str> = self.nodes.pods(node).collect();
        let on_node = self.lives.iter().filter(|(_, life)| uids.contains(&life.uid.as_str()));
        on_node.filter_map(|(key, _)| Some((key.clone(), context.cache.pods.get(key)?.clone()))).collect()
    }

    /// Whether a pod would answer a request.
    pub(super) fn alive_since(&self, key: &Key) -> Option<Timestamp> {
        let life = self.lives.get(key).filter(|life| life.is_running() && self.nodes.answers(&life.node))?;
        Some(life.started)
    }
}

/// Writes the status of a pod as its kubelet sees it.
fn report(context: &ReconcileContext<'_>, key: &Key, life: &Life) -> Result<(), Refusal> {
    let Some(whole) = context.whole("pods", key) else { return Ok(()) };
    debug_assert!(life.stage != Stage::Starting, "there is nothing to tell before the first step");
    context.merge_status("pods", key, json!({"status": status::status(life, &whole.value()["spec"])}), KUBELET)
}

/// What the node controller writes into the pods of a node that does not answer.
fn mark_not_ready(context: &ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(whole) = context.whole("pods", key) else { return Ok(()) };
    let mut conditions = whole.value()["status"]["conditions"].clone();
    for condition in conditions.as_array_mut().into_iter().flatten().filter(|condition| condition["type"] == "Ready") {
        *condition = json!({"type": "Ready", "status": "False", "lastTransitionTime": context.stamp()});
    }
    context.merge_status("pods", key, json!({"status": {"conditions": conditions}}), "node-controller")
}
