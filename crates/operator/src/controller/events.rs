//! Tells people what happened: one event for each transition.

use std::time::Duration;

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tidegate_api::{EventType, Rollout, Transition, condition::reason, metadata::object::EVENT_CONTROLLER};
use tidegate_clock::Clock;

use super::error::CallError;

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// An event is worth no more waiting than this.
const PATIENCE: Duration = Duration::from_secs(5);

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
        Self { client: client.clone(), clock, instance: instance.unwrap_or_else(|| EVENT_CONTROLLER.to_owned()) }
    }

    /// Sends an event for each of `transitions`. One that cannot be sent is logged and let go: the history in the
    /// status has it too.
    pub async fn publish(&self, rollout: &Rollout, transitions: &[Transition]) {
        for (place, transition) in transitions.iter().enumerate() {
            self.send(&self.event(rollout, transition, place)).await;
        }
    }

    /// Sends one event about an object of the operator's own. One that cannot be sent is logged and let go.
    pub async fn tell(&self, about: ObjectReference, reason: &str, note: &str) {
        self.send(&self.event_about(about, reason, note, 0)).await;
    }

    async fn send(&self, event: &Event) {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &event.namespace().unwrap_or_default());
        let why = match tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), event)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => CallError::from(error).to_string(),
            Err(_) => format!("the API server does not answer within {}s", PATIENCE.as_secs()),
        };
        let about = event
            .regarding
            .as_ref()
            .and_then(|about| Some(format!("{} {}", about.kind.as_ref()?, about.name.as_ref()?)));
        let (about, reason) = (about.unwrap_or_default(), event.reason.as_deref().unwrap_or_default());
        tracing::warn!(reason, "an event about {about} could not be sent: {why}");
    }

    /// An event of its own for each transition, not one of a series: a series keeps the note of its first event, and
    /// the numbers of all stages but the first would be lost.
    fn event(&self, rollout: &Rollout, transition: &Transition, place: usize) -> Event {
        self.event_about(rollout.object_ref(&()), &transition.reason, &transition.message, place)
    }

    fn event_about(&self, about: ObjectReference, reason: &str, note: &str, place: usize) -> Event {
        let now = self.clock.now();
        let name = about.name.as_deref().unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                // What was decided in one instant is told in one instant.
                name: Some(format!("{name}.{:x}.{place}", now.as_nanosecond())),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Rollout".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(note.chars().take(LONGEST_NOTE).collect()),
            reason: Some(reason.to_owned()),
            regarding: Some(about),
            reporting_controller: Some(EVENT_CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(event_type(reason).as_str().to_owned()),
            ..Event::default()
        }
    }
}

/// What kind of event tells of a transition with that reason.
fn event_type(word: &str) -> EventType {
    let known = reason::ALL.iter().find(|reason| reason.word == word);
    known.and_then(|reason| reason.event).unwrap_or(EventType::Normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_rollout_warns_and_what_moves_it_on_does_not() {
        for held in [reason::SERVICE_NOT_FOUND, reason::ROUTE_NOT_FOUND, reason::CONFLICT, reason::CHECK_FAILED] {
            assert_eq!(event_type(held), EventType::Warning, "{held}");
        }
        for moving in [reason::STARTED, reason::STAGE_PASSED, reason::PROMOTED] {
            assert_eq!(event_type(moving), EventType::Normal, "{moving}");
        }
    }
}
