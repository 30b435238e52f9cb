//! The conditions of a Deployment.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::controllers::{cache::Deployment, reconcile_context::stamp};

/// The conditions of a Deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions {
    all: Vec<Value>,
    now: String,
}

impl Conditions {
    /// As they stand.
    pub(super) fn of(deployment: &Deployment, now: Timestamp) -> Self {
        Self { all: deployment.status["conditions"].as_array().cloned().unwrap_or_default(), now: stamp(now) }
    }

    /// One of them.
    pub(super) fn get(&self, kind: &str) -> Option<&Value> {
        self.all.iter().find(|condition| condition["type"] == kind)
    }

    /// The reason of one of them; empty without it.
    pub(super) fn reason(&self, kind: &str) -> &str {
        self.get(kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
    }

    /// Changes one of them, unless it says the same already.
    pub(super) fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        if self.get(kind).is_none_or(|old| old["status"] != status || old["reason"] != reason) {
            self.renew(kind, status, reason, message);
        }
    }

    /// Changes one of them, and says that it was now.
    pub(super) fn renew(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let old = self.get(kind).filter(|old| old["status"] == status);
        let since = old.map_or_else(|| json!(self.now), |old| old["lastTransitionTime"].clone());
        let condition = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": self.now, "lastTransitionTime": since,
        });
        match self.all.iter_mut().find(|condition| condition["type"] == kind) {
            Some(place) => *place = condition,
            None => self.all.push(condition),
        }
    }

    /// Takes one of them away.
    pub(super) fn remove(&mut self, kind: &str) {
        self.all.retain(|condition| condition["type"] != kind);
    }

    /// When one of them last said something new.
    pub(super) fn updated(&self, kind: &str) -> Option<Timestamp> {
        self.get(kind)?["lastUpdateTime"].as_str()?.parse().ok()
    }

    pub(super) fn into_value(self) -> Value {
        Value::Array(self.all)
    }
}
