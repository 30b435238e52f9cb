//! Tells people what happened: one event for each transition.

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tidegate_api::{Rollout, Transition, condition::reason};
use tidegate_clock::Clock;

use super::error::CallError;

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// An event is worth no more waiting than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The transitions that somebody may have to act upon.
static WARNINGS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    HashSet::from([
        reason::REVERTED,
        reason::CHECK_FAILED,
        reason::PROGRESS_DEADLINE_EXCEEDED,
        reason::INCONCLUSIVE,
        reason::CONTENTION,
        reason::FOREIGN_PODS,
        reason::CANARY_LOST,
        reason::SUSPECT_POD_REPLACED,
        reason::STABLE_NOT_READY,
        reason::STABLE_LOST,
        reason::STABLE_UNWELL,
        reason::ADOPTION_REFUSED,
        reason::ROUTE_NOT_NAMED,
        reason::POLICY_NOT_ATTACHED,
        reason::SHARE_OFF,
        reason::ROUTE_NOT_CONFIRMED,
        reason::ROUTE_REFUSED,
        reason::ROUTE_BROKEN,
    ])
});

/// Who sends them.
const CONTROLLER: &str = "tidegate.dev/tidegate";

/// Sends events.
pub struct Events {
    client: Client,
    clock: Clock,
    instance: String,
}

impl Events {
    /// Sends events in the name of this process.
    pub fn new(client: &Client, clock: Clock) -> Self {
        let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        Self { client: client.clone(), clock, instance: instance.unwrap_or_else(|| CONTROLLER.to_owned()) }
    }

    /// Sends an event for each of `transitions`. One that cannot be sent is logged and let go: the history in the
    /// status has it too.
    pub async fn publish(&self, rollout: &Rollout, transitions: &[Transition]) {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &rollout.namespace().unwrap_or_default());
        for (place, transition) in transitions.iter().enumerate() {
            let event = self.event(rollout, transition, place);
            match tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), &event)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let why = CallError::from(error);
                    tracing::warn!(reason = %transition.reason, "an event could not be sent: {why}");
                }
                Err(_) => tracing::warn!(reason = %transition.reason, "an event could not be sent in time"),
            }
        }
    }

    /// An event of its own for each transition, not one of a series: a series keeps the note of its first event, and
    /// the numbers of all stages but the first would be lost.
    fn event(&self, rollout: &Rollout, transition: &Transition, place: usize) -> Event {
        let now = self.clock.now();
        let warning = WARNINGS.contains(transition.reason.as_str());
        Event {
            metadata: ObjectMeta {
                // What was decided in one instant is told in one instant.
                name: Some(format!("{}.{:x}.{place}", rollout.name_any(), now.as_nanosecond())),
                namespace: rollout.namespace(),
                ..ObjectMeta::default()
            },
            action: Some("Rollout".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(transition.message.chars().take(LONGEST_NOTE).collect()),
            reason: Some(transition.reason.clone()),
            regarding: Some(rollout.object_ref(&())),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}
