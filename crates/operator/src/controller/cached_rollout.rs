//! A Rollout as it is watched.

use std::{borrow::Cow, sync::Arc};

use kube::{
    Resource,
    core::{ObjectMeta, error_boundary::InvalidObject},
};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use tidegate_api::{Phase, Rollout};
use tidegate_planner::workload::metadata;

use super::compact::{InUse, Pack, Packed};

/// A Rollout as it is watched: one that cannot be decoded does not stop the others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CachedRollout {
    /// What it is found by.
    metadata: ObjectMeta,
    phase: Phase,
    object: Result<Arc<Packed<Rollout>>, Arc<InvalidObject>>,
}

impl CachedRollout {
    /// The Rollout, or why it cannot be decoded.
    pub fn open(&self, in_use: &InUse) -> Result<Arc<Rollout>, Arc<InvalidObject>> {
        let packed = self.object.as_ref().map_err(Clone::clone)?;
        packed.open(in_use).ok_or_else(|| {
            let error = "it could not be read back from memory".to_owned();
            Arc::new(InvalidObject { error, metadata: self.metadata.clone() })
        })
    }

    /// Where it stands, if it can be decoded.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.object.is_ok().then_some(self.phase)
    }

    /// Counts it among the objects in use.
    pub fn keep_open(&self, in_use: &InUse) {
        if let Ok(packed) = &self.object {
            in_use.add(packed.clone());
        }
    }

    /// Keeps its bytes alone.
    pub fn pack(&self) {
        if let Ok(packed) = &self.object {
            packed.pack();
        }
    }
}

/// The parts of a Rollout, each to be decoded for itself.
#[derive(Deserialize)]
struct Parts {
    #[serde(deserialize_with = "metadata::unmanaged")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl<'de> Deserialize<'de> for CachedRollout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { mut metadata, spec, status } = Parts::deserialize(deserializer)?;
        if metadata.name.is_none() {
            return Err(D::Error::missing_field("metadata.name"));
        }
        if let Some(annotations) = &mut metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        let found_by = ObjectMeta {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            ..ObjectMeta::default()
        };
        let decoded = serde_json::from_value(spec).and_then(|spec| Ok((spec, serde_json::from_value(status)?)));
        Ok(match decoded {
            Ok((spec, status)) => {
                let rollout = Rollout { metadata, spec, status };
                let phase = rollout.status.as_ref().map(|status| status.phase).unwrap_or_default();
                Self { metadata: found_by, phase, object: Ok(Arc::new(Packed::new(Arc::new(rollout)))) }
            }
            Err(error) => {
                let invalid = InvalidObject { error: error.to_string(), metadata };
                Self { metadata: found_by, phase: Phase::default(), object: Err(Arc::new(invalid)) }
            }
        })
    }
}

impl Resource for CachedRollout {
    type DynamicType = <Rollout as Resource>::DynamicType;
    type Scope = <Rollout as Resource>::Scope;

    fn kind(kind: &Self::DynamicType) -> Cow<'_, str> {
        Rollout::kind(kind)
    }

    fn group(kind: &Self::DynamicType) -> Cow<'_, str> {
        Rollout::group(kind)
    }

    fn version(kind: &Self::DynamicType) -> Cow<'_, str> {
        Rollout::version(kind)
    }

    fn plural(kind: &Self::DynamicType) -> Cow<'_, str> {
        Rollout::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watched(spec: &Value) -> CachedRollout {
        let metadata = json!({
            "name": "checkout", "namespace": "shop", "uid": "1", "resourceVersion": "7",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"},
            "managedFields": [{"manager": "kubectl"}],
        });
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn a_rollout_is_the_same_after_it_was_packed() {
        let watched = watched(&json!({"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"}));
        let before = watched.open(&InUse::default()).unwrap();
        watched.pack();
        let after = watched.open(&InUse::default()).unwrap();
        assert_eq!(serde_json::to_value(&*before).unwrap(), serde_json::to_value(&*after).unwrap());
        assert_eq!(after.metadata.annotations.as_ref().unwrap().keys().collect::<Vec<_>>(), ["team"]);
        assert_eq!(after.metadata.managed_fields, None);
        assert_eq!(watched.phase(), Some(Phase::Pending));
    }

    #[test]
    fn one_that_cannot_be_decoded_says_why_and_is_still_found() {
        let watched = watched(&json!({"workload": 7, "service": "checkout"}));
        let invalid = watched.open(&InUse::default()).unwrap_err();
        assert!(invalid.error.contains("invalid type: integer `7`"), "{}", invalid.error);
        assert_eq!((watched.meta().name.as_deref(), watched.phase()), (Some("checkout"), None));
    }
}
