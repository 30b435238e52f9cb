//! The nodes: where pods are put, and what becomes of them when one no longer answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::controllers::{ReconcileContext, queue::Task, reconcile_context::later};

/// The field manager of the node controller.
const MANAGER: &str = "node-controller";

/// The nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    all: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// The pods on it, by UID.
    pods: BTreeSet<String>,
    state: State,
}

/// How the node controller sees a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It answers.
    #[default]
    Well,
    /// It does not answer, and nobody has noticed.
    Silent,
    /// Its pods count as not ready.
    NotReady,
    /// Its pods have been deleted.
    Lost,
}

impl Nodes {
    /// Makes the nodes, and the objects that stand for them.
    pub(super) fn start(&mut self, context: &ReconcileContext<'_>) {
        for number in 1..=context.pace.nodes {
            let name = format!("node-{number}");
            let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {
                "name": name, "labels": {"kubernetes.io/hostname": name},
            }});
            // One that is there already is as good.
            let _ = context.api.create(node, MANAGER);
            report(context, &name, State::Well);
            self.all.insert(name, Node::default());
        }
    }

    /// The node that answers and has the fewest pods.
    pub(super) fn choose(&self) -> Option<&str> {
        let well = self.all.iter().filter(|(_, node)| node.state == State::Well);
        well.min_by_key(|(_, node)| node.pods.len()).map(|(name, _)| name.as_str())
    }

    /// Puts a pod on a node.
    pub(super) fn put(&mut self, node: &str, uid: &str) {
        self.all.entry(node.to_owned()).or_default().pods.insert(uid.to_owned());
    }

    /// Takes a pod off a node.
    pub(super) fn take(&mut self, node: &str, uid: &str) {
        if let Some(node) = self.all.get_mut(node) {
            node.pods.remove(uid);
        }
    }

    /// The pods on a node, by UID.
    pub(super) fn pods<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a str> {
        self.all.get(node).into_iter().flat_map(|node| &node.pods).map(String::as_str)
    }

    /// Whether a node answers.
    pub(super) fn answers(&self, node: &str) -> bool {
        self.all.get(node).is_none_or(|node| node.state == State::Well)
    }

    /// A node no longer answers.
    pub(super) fn lose(&mut self, context: &mut ReconcileContext<'_>, name: &str) {
        if let Some(node) = self.all.get_mut(name).filter(|node| node.state == State::Well) {
            node.state = State::Silent;
            context.queue.at(later(context.now, context.pace.node_grace), Task::Node(name.to_owned()));
        }
    }

    /// A node answers again.
    pub(super) fn regain(&mut self, context: &ReconcileContext<'_>, name: &str) {
        if let Some(node) = self.all.get_mut(name) {
            node.state = State::Well;
            report(context, name, State::Well);
        }
    }

    /// The node controller looks at a node that does not answer.
    pub(super) fn look(&mut self, context: &mut ReconcileContext<'_>, name: &str) -> State {
        let Some(node) = self.all.get_mut(name) else { return State::Well };
        node.state = match node.state {
            State::Well => State::Well,
            State::Silent => State::NotReady,
            State::NotReady | State::Lost => State::Lost,
        };
        if node.state == State::NotReady {
            report(context, name, State::NotReady);
            context.queue.at(later(context.now, context.pace.node_eviction), Task::Node(name.to_owned()));
        }
        node.state
    }
}

fn report(context: &ReconcileContext<'_>, name: &str, state: State) {
    let (status, reason) =
        if state == State::Well { ("True", "KubeletReady") } else { ("Unknown", "NodeStatusUnknown") };
    let condition: Value = json!({
        "type": "Ready", "status": status, "reason": reason, "lastTransitionTime": context.stamp(),
    });
    // Nothing depends on what the object says; it is there to be looked at.
    let _ = context.api.merge("nodes", "", name, "status", json!({"status": {"conditions": [condition]}}), MANAGER);
}
