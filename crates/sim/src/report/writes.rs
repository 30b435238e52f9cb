//! What Tidegate wrote, as the API server's audit log would count it.

use std::collections::BTreeMap;

use serde::Serialize;
use tidegate_apiserver::Call;

/// What Tidegate wrote: requests to change something, whatever the answer was. Its lease is no part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Writes {
    /// Of a Rollout's status.
    pub statuses: u64,
    /// Of whole objects, of any kind but events.
    pub objects: u64,
    /// Events.
    pub events: u64,
    /// How many of all these the API server refused, such as for a conflict.
    pub refused: u64,
    /// How many times, by kind, such as `httproutes` or `rollouts/status`; without events.
    pub by_kind: BTreeMap<String, u64>,
}

impl Writes {
    /// Counts a request of the operator; one that only reads does not count.
    pub fn count(&mut self, call: &Call) {
        if !call.verb.is_write() || call.resource == "leases" {
            return;
        }
        self.refused += u64::from(call.code >= 400);
        if call.resource == "events" {
            self.events += 1;
            return;
        }
        let kind = match call.subresource.as_str() {
            "" => call.resource.clone(),
            subresource => format!("{}/{subresource}", call.resource),
        };
        *self.by_kind.entry(kind).or_default() += 1;
        *if call.subresource == "status" { &mut self.statuses } else { &mut self.objects } += 1;
    }

    /// All of them, without events.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.statuses + self.objects
    }
}

#[cfg(test)]
mod tests {
    use tidegate_apiserver::Verb;

    use super::*;

    fn call(verb: Verb, resource: &str, subresource: &str, code: u16) -> Call {
        let [user, manager, group, namespace, name] = [(); 5].map(|()| String::new());
        let [resource, subresource] = [resource, subresource].map(str::to_owned);
        Call { user, manager, verb, group, resource, subresource, namespace, name, code }
    }

    #[test]
    fn statuses_objects_and_events_are_counted_apart_and_reading_is_not() {
        let mut writes = Writes::default();
        for call in [
            call(Verb::Update, "rollouts", "status", 200),
            call(Verb::Update, "rollouts", "status", 409),
            call(Verb::Create, "services", "", 201),
            call(Verb::Patch, "httproutes", "", 200),
            call(Verb::Delete, "services", "", 200),
            call(Verb::Create, "events", "", 201),
            call(Verb::Patch, "leases", "", 200),
            call(Verb::Get, "rollouts", "", 200),
            call(Verb::Watch, "services", "", 200),
        ] {
            writes.count(&call);
        }
        let by_kind = [("httproutes", 1), ("rollouts/status", 2), ("services", 2)];
        let by_kind = by_kind.map(|(kind, count)| (kind.to_owned(), count)).into();
        assert_eq!(writes, Writes { statuses: 2, objects: 3, events: 1, refused: 1, by_kind });
        assert_eq!(writes.total(), 5);
    }
}
