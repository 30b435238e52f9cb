//! A Rollout as it is shown, whoever wrote its status.

use kube::api::DynamicObject;
use serde_json::Value;
use tidegate_api::{CheckStatus, Rollout};

/// What was seen of a Rollout.
#[derive(Debug, Clone)]
pub enum Seen {
    /// All of it.
    Known(Box<Rollout>),
    /// What every version of Tidegate writes: this one does not know the rest.
    Newer {
        /// The phase, as it is spelled.
        phase: String,
        /// The sentence of the status.
        message: String,
        /// What is not known.
        why: String,
    },
}

impl Seen {
    /// What `object` says.
    pub fn of(object: &DynamicObject) -> Self {
        let read = serde_json::to_value(object).and_then(serde_json::from_value::<Rollout>);
        read.map_or_else(
            |why| {
                let text =
                    |field: &str| object.data.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (phase, message) = (text("/status/phase"), text("/status/message"));
                Self::Newer { phase, message, why: why.to_string() }
            },
            |rollout| Self::Known(Box::new(rollout)),
        )
    }

    /// What its checks say, as far as that is known.
    pub fn checks(&self) -> &[CheckStatus] {
        let Self::Known(rollout) = self else { return &[] };
        rollout.status.as_ref().map_or(&[], |status| &status.checks)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(status: Value) -> DynamicObject {
        let mut whole = json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "checkout"},
            "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
        });
        if !status.is_null() {
            whole["status"] = status;
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_status_of_a_newer_version_is_shown_as_far_as_it_is_known() {
        let Seen::Newer { phase, message, why } =
            Seen::of(&object(json!({"phase": "Dancing", "message": "to and fro"})))
        else {
            panic!("no version has that phase")
        };
        assert_eq!((phase.as_str(), message.as_str()), ("Dancing", "to and fro"));
        assert!(why.contains("Dancing"), "{why}");
    }

    #[test]
    fn one_without_a_status_or_with_fields_that_nobody_knows_is_a_rollout() {
        for status in [Value::Null, json!({"phase": "Stable", "message": "it serves", "mood": "good"})] {
            assert!(matches!(Seen::of(&object(status)), Seen::Known(_)));
        }
    }
}
