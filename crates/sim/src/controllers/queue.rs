//! What is to be looked at, and when: the work queue of all models, and their only timers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{cache::Key, gateway::RouteKey};

/// One thing that a model looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// A Deployment, by its controller.
    Deployment(Key),
    /// A ReplicaSet, by its controller.
    ReplicaSet(Key),
    /// A Job, by its controller.
    Job(Key),
    /// The EndpointSlices of a Service.
    EndpointSlices(Key),
    /// A `HorizontalPodAutoscaler`.
    Autoscaler(Key),
    /// A pod, by scheduler and kubelet.
    Pod(Key),
    /// A route, by the gateway.
    Route(RouteKey),
    /// The endpoints of a Service, by the data plane.
    Endpoints(Key),
    /// A node that does not answer.
    Node(String),
}

/// The tasks by their time; each is in it once, at the earliest time that somebody asked for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    by_time: BTreeMap<(Timestamp, u64), Task>,
    by_task: BTreeMap<Task, (Timestamp, u64)>,
    count: u64,
}

impl Queue {
    /// Puts `task` in at `time`, unless it comes earlier anyway.
    pub(super) fn at(&mut self, time: Timestamp, task: Task) {
        if let Some(place) = self.by_task.get(&task) {
            if place.0 <= time {
                return;
            }
            self.by_time.remove(place);
        }
        self.count += 1;
        let place = (time, self.count);
        self.by_task.insert(task.clone(), place);
        self.by_time.insert(place, task);
    }

    /// The time of the first task.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_time.keys().next().map(|(time, _)| *time)
    }

    /// Takes the first task whose time has come.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Task> {
        let place = *self.by_time.keys().next().filter(|(time, _)| *time <= now)?;
        let task = self.by_time.remove(&place)?;
        self.by_task.remove(&task);
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pod(name: &str) -> Task {
        Task::Pod(Key::new("shop", name))
    }

    #[test]
    fn tasks_come_in_the_order_of_their_times_and_then_of_their_asking() {
        let mut queue = Queue::default();
        for (time, name) in [(3, "late"), (1, "b"), (1, "a")] {
            queue.at(at(time), pod(name));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(at(5))).collect();
        assert_eq!(order, [pod("b"), pod("a"), pod("late")]);
    }

    #[test]
    fn a_task_is_done_once_at_the_earliest_time_that_was_asked_for() {
        let mut queue = Queue::default();
        for time in [4, 2, 3] {
            queue.at(at(time), pod("a"));
        }
        assert_eq!(queue.next(), Some(at(2)));
        assert_eq!(queue.pop(at(1)), None);
        assert_eq!(queue.pop(at(2)), Some(pod("a")));
        assert_eq!(queue.pop(at(9)), None);
    }
}
