//! Tells people what happened: one event for each transition.

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use crate::api::{Rollout, Transition, condition::reason};

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
        reason::STABLE_NOT_READY,
        reason::STABLE_LOST,
        reason::ADOPTION_REFUSED,
    ])
});

/// Sends events.
pub struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    /// Sends events in the name of this process.
    pub fn new(client: &Client) -> Self {
        let instance = std::env::var("HOSTNAME").ok();
        Self { client: client.clone(), reporter: Reporter { controller: "tidegate.dev/tidegate".to_owned(), instance } }
    }

    /// Sends an event for each of `transitions`. One that cannot be sent is logged and let go: the history in the
    /// status has it too.
    pub async fn publish(&self, rollout: &Rollout, transitions: &[Transition]) {
        for transition in transitions {
            let warning = WARNINGS.contains(transition.reason.as_str());
            let event = Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason: transition.reason.clone(),
                note: Some(transition.message.chars().take(LONGEST_NOTE).collect()),
                action: "Rollout".to_owned(),
                secondary: None,
            };
            let reference = rollout.object_ref(&());
            // A new one each time: a recorder takes a second event of the same reason for the first one again, and
            // keeps that one's note, so that the numbers of all stages but the first would be lost.
            let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            match tokio::time::timeout(PATIENCE, recorder.publish(&event, &reference)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(reason = %transition.reason, "an event could not be sent: {error}"),
                Err(_) => tracing::warn!(reason = %transition.reason, "an event could not be sent in time"),
            }
        }
    }
}
