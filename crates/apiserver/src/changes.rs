//! The event log as the models of the world read it: every change, of every kind, in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Notify;

use super::{Object, Resource};

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone; the object is as it was last.
    Deleted,
}

/// One entry of the event log.
#[derive(Debug, Clone)]
pub struct Change {
    /// The kind of the object.
    pub resource: Arc<Resource>,
    /// What became of it.
    pub what: What,
    /// The object after the change.
    pub object: Arc<Object>,
    /// The object before it.
    pub before: Option<Arc<Object>>,
    /// The field manager that wrote it.
    pub manager: Arc<str>,
}

/// A cursor over the event log: all changes of all kinds since it was made.
#[derive(Debug)]
pub struct Changes {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<VecDeque<Change>>,
    woken: Notify,
}

impl Changes {
    /// What happened since it was last asked, oldest first.
    pub fn drain(&mut self) -> Vec<Change> {
        self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Waits until there is something to drain.
    pub async fn ready(&mut self) {
        loop {
            let woken = self.queue.woken.notified();
            if !self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            woken.await;
        }
    }
}

/// All cursors that somebody still holds.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    queues: Vec<Weak<Queue>>,
}

impl Cursors {
    /// A cursor over the changes from now on.
    pub(super) fn open(&mut self) -> Changes {
        let queue = Arc::new(Queue::default());
        self.queues.push(Arc::downgrade(&queue));
        Changes { queue }
    }

    /// Tells each of them.
    pub(super) fn tell(&mut self, change: &Change) {
        self.queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(change.clone());
            queue.woken.notify_waiters();
            true
        });
    }
}
