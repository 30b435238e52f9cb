//! What to read when a behaviour fails: everything that the shop's objects say, and the operator's last words.

use std::{fmt::Write as _, time::Duration};

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

use super::{
    shop::Shop,
    snapshot::{NAME, Snapshot, is_ready},
    wait::until,
};

/// So long an event is waited for at most.
const FOLLOWS: Duration = Duration::from_secs(10);

/// An event, as `kubectl describe` would show it.
#[derive(Debug, Clone)]
pub struct Event {
    /// In one word.
    pub reason: String,
    /// In one sentence.
    pub note: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// What it is about, such as `Rollout/checkout`.
    pub regarding: String,
}

impl Shop {
    /// The events of the shop, in the order in which the API server lists them, once that of the newest step is among them: it
    /// follows the status by a moment. An operator that died in between never sends it, and is not waited for in vain for long.
    pub async fn events(&self) -> anyhow::Result<Vec<Event>> {
        let newest = self.now().status().history.first().map(|step| step.reason.clone());
        let is_told = |events: &Vec<Event>| {
            newest.as_ref().is_none_or(|reason| events.iter().any(|event| event.reason == *reason))
        };
        let told = until("the event of the newest step", FOLLOWS, || async {
            self.listed_events().await.ok().filter(is_told)
        })
        .await;
        if let Ok(told) = told { Ok(told) } else { self.listed_events().await }
    }

    async fn listed_events(&self) -> anyhow::Result<Vec<Event>> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let event = |event: DynamicObject| Event {
            reason: text(&event.data["reason"]),
            note: text(&event.data["note"]),
            kind: text(&event.data["type"]),
            regarding: format!("{}/{}", text(&event.data["regarding"]["kind"]), text(&event.data["regarding"]["name"])),
        };
        Ok(api.list(&ListParams::default()).await?.items.into_iter().map(event).collect())
    }

    /// All of it as text.
    pub async fn diagnosis(&self) -> String {
        let now = self.now();
        let mut text = state(&now);
        let tally = self.load.as_ref().map(super::load::Load::tally).unwrap_or_default();
        let _ = writeln!(text, "requests: {:?}; lost: {}", tally.revisions, tally.lost.len());
        for lost in tally.lost.iter().rev().take(3) {
            let _ = writeln!(text, "  {lost}");
        }
        text.push_str("events:\n");
        for event in self.listed_events().await.unwrap_or_default() {
            if event.regarding.starts_with("Rollout/") {
                let _ = writeln!(text, "  {} {}: {}", event.kind, event.reason, event.note);
            }
        }
        let _ = writeln!(text, "pods ever created: {}", self.pods_created());
        for operator in &self.operators {
            let _ = writeln!(text, "operator:\n{}", operator.log());
        }
        text
    }
}

fn state(now: &Snapshot) -> String {
    let mut text = String::new();
    for rollout in &now.rollouts {
        let status = serde_json::to_string_pretty(&rollout.data["status"]).unwrap_or_default();
        let _ = writeln!(text, "rollout {}: {status}", rollout.name_any());
    }
    let _ = writeln!(text, "route {NAME}: written {:?}, in force {:?}", now.weights(), now.in_force);
    let _ = writeln!(text, "deployment {NAME}: {:?} replicas", now.deployment_replicas());
    for set in &now.replica_sets {
        let _ = writeln!(text, "replica set {}: {}", set.name_any(), replica_set(set));
    }
    for pod in &now.pods {
        let _ = writeln!(text, "pod {}: {}", pod.name_any(), pod_state(pod));
    }
    let services: Vec<_> = now.services.iter().map(|service| service.name_any()).collect();
    let _ = writeln!(text, "services: {services:?}");
    text
}

fn replica_set(set: &ReplicaSet) -> String {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
    let ready = set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
    let owners: Vec<_> = set.owner_references().iter().map(|owner| format!("{}/{}", owner.kind, owner.name)).collect();
    format!("{ready} of {wanted} ready, owned by {owners:?}")
}

fn pod_state(pod: &Pod) -> String {
    let created = pod.creation_timestamp().map(|time| time.0.to_string()).unwrap_or_default();
    let deleted = pod.metadata.deletion_timestamp.as_ref().map_or("", |_| ", being deleted");
    let ready = if is_ready(pod) { "ready" } else { "not ready" };
    format!("{ready}{deleted}, created {created}")
}
