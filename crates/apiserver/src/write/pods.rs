//! What only pods have: they are bound to a node, are evicted from it, and end in grace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Writer;
use crate::{
    Object, Refusal, What,
    place::Place,
    state::{State, metadata_text},
};

/// How long a pod has to end that does not say so, in seconds.
const GRACE_SECONDS: i64 = 30;

impl State {
    /// Binds a pod to the node that `binding` names.
    pub(crate) fn bind(&mut self, place: &Place, binding: &Value, writer: &Writer) -> Result<Arc<Object>, Refusal> {
        let current = self.existing(place)?;
        let mut pod = current.value().clone();
        let node = binding.pointer("/target/name").and_then(Value::as_str).unwrap_or_default();
        if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
            if let Some(bound) = spec.get("nodeName").and_then(Value::as_str).filter(|bound| !bound.is_empty()) {
                let why = format!("pod {} is already assigned to node {bound:?}", place.name);
                return Err(Refusal::conflict(&place.resource, &place.name, &why));
            }
            spec.insert("nodeName".to_owned(), node.into());
        }
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": writer.seconds()});
        if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut)
            && let Some(conditions) = status.entry("conditions").or_insert_with(|| json!([])).as_array_mut()
        {
            conditions.retain(|condition| condition.get("type") != scheduled.get("type"));
            conditions.push(scheduled);
        }
        self.track(place, Some(current.value()), &mut pod, writer);
        Ok(self.commit(&place.resource, What::Modified, pod, Some(current), writer))
    }
}

/// How many seconds a pod has to end: none if it runs nowhere, or no longer.
pub(super) fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/spec/nodeName").is_empty() || ["Succeeded", "Failed"].contains(&text("/status/phase")) {
        return 0;
    }
    let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    let grace = asked.or(own).unwrap_or(GRACE_SECONDS).max(0);
    let left = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    // A second deletion can only shorten the time.
    left.filter(|_| !metadata_text(pod, "deletionTimestamp").is_empty()).map_or(grace, |left| left.min(grace))
}
