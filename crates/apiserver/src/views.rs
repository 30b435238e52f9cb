//! One object, served in several versions.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Object;

/// As what an object is read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// As it is stored.
    Stored,
    /// Under another version that has the same fields.
    Version(String),
    /// An autoscaler as `autoscaling/v1` knows it: with the CPU as its only metric.
    AutoscalerV1,
    /// An event as `events.k8s.io/v1` names its fields.
    EventsV1,
}

/// Fields of an event: in the core group, and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

impl View {
    /// The `apiVersion` that it shows, where that is not the stored one.
    pub(super) fn api_version(&self) -> Option<&str> {
        match self {
            Self::Stored => None,
            Self::Version(version) => Some(version),
            Self::AutoscalerV1 => Some("autoscaling/v1"),
            Self::EventsV1 => Some("events.k8s.io/v1"),
        }
    }

    /// A stored object as it is shown.
    pub(super) fn show(&self, object: Arc<Object>) -> Arc<Object> {
        if *self == Self::Stored {
            return object;
        }
        let mut value = object.value().clone();
        self.shown(&mut value);
        Arc::new(Object::new(value))
    }

    /// A stored object as it is shown.
    pub(super) fn shown(&self, object: &mut Value) {
        let Some(version) = self.api_version() else { return };
        let Some(fields) = object.as_object_mut() else { return };
        fields.insert("apiVersion".to_owned(), version.into());
        match self {
            Self::AutoscalerV1 => only_cpu(fields),
            Self::EventsV1 => EVENT_FIELDS.iter().for_each(|(core, new)| rename(fields, core, new)),
            Self::Stored | Self::Version(_) => {}
        }
    }

    /// An object as it was sent, as it is stored under `api_version`.
    pub(super) fn stored(&self, object: &mut Value, api_version: &str) {
        let Some(fields) = object.as_object_mut() else { return };
        fields.insert("apiVersion".to_owned(), api_version.into());
        match self {
            Self::AutoscalerV1 => cpu_among_others(fields),
            Self::EventsV1 => EVENT_FIELDS.iter().for_each(|(core, new)| rename(fields, new, core)),
            Self::Stored | Self::Version(_) => {}
        }
    }
}

fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

fn is_cpu(metric: &Value) -> bool {
    metric.pointer("/resource/name").and_then(Value::as_str) == Some("cpu")
}

/// The annotation that carries what `autoscaling/v1` has no fields for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

fn only_cpu(fields: &mut Map<String, Value>) {
    let mut others = Vec::new();
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = spec.remove("metrics");
        spec.remove("behavior");
        for metric in metrics.as_ref().and_then(Value::as_array).into_iter().flatten() {
            match metric.pointer("/resource/target/averageUtilization").filter(|_| is_cpu(metric)) {
                Some(target) => drop(spec.insert("targetCPUUtilizationPercentage".to_owned(), target.clone())),
                None => others.push(metric.clone()),
            }
        }
    }
    if !others.is_empty()
        && let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut()
    {
        annotations.insert(METRICS.to_owned(), Value::from(others).to_string().into());
    }
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) {
        let metrics = status.remove("currentMetrics");
        status.remove("conditions");
        let cpu = metrics.as_ref().and_then(Value::as_array).and_then(|it| it.iter().find(|it| is_cpu(it)));
        if let Some(current) = cpu.and_then(|it| it.pointer("/resource/current/averageUtilization")) {
            status.insert("currentCPUUtilizationPercentage".to_owned(), current.clone());
        }
    }
}

fn cpu_among_others(fields: &mut Map<String, Value>) {
    let annotations = fields.get_mut("metadata").and_then(|it| it.get_mut("annotations"));
    let others = annotations.and_then(Value::as_object_mut).and_then(|it| it.remove(METRICS));
    let others = others.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let mut metrics: Vec<Value> = others.unwrap_or_default();
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        if let Some(percent) = spec.remove("targetCPUUtilizationPercentage") {
            let target = json!({"type": "Utilization", "averageUtilization": percent});
            metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
        }
        if !metrics.is_empty() {
            spec.insert("metrics".to_owned(), metrics.into());
        }
    }
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut)
        && let Some(percent) = status.remove("currentCPUUtilizationPercentage")
    {
        let current = json!({"averageUtilization": percent});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        status.insert("currentMetrics".to_owned(), json!([metric]));
    }
}
