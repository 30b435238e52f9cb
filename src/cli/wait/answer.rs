//! Whether a Rollout has done what its Deployment asks for: from two objects, as they stand.

use tidegate_api::Rollout;
use tidegate_planner::workload::{Deployment, template};

use crate::cli::standing::Standing;

/// What the two objects say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is not decided yet: why.
    Waits(String),
    /// The version that the Deployment asks for is the one that serves.
    Serves(String),
    /// It failed, and the version before it serves.
    Failed(String),
    /// Nothing goes on until somebody acts.
    Stalled(String),
}

/// The answer of `rollout` about the version that `deployment` asks for, which is to have `image`, if one is given, and the
/// one that the Rollout itself names.
///
/// What the status says of an earlier state of either object is no answer.
pub fn answer(rollout: &Rollout, deployment: &Deployment, image: Option<&str>) -> Answer {
    let asked = template::images(&deployment.spec.template);
    let mut images = image.into_iter().chain(rollout.spec.workload.image.as_deref());
    if let Some(image) = images.find(|image| !asked.iter().any(|asked| asked == image)) {
        return Answer::Waits(format!("the Deployment does not ask for {image} yet, but for {}", asked.join(", ")));
    }
    let status = rollout.status.clone().unwrap_or_default();
    let seen = status.workload.as_ref().and_then(|workload| workload.observed_generation);
    if seen < deployment.metadata.generation || status.observed_generation < rollout.metadata.generation {
        return Answer::Waits("the operator has not seen it yet".to_owned());
    }
    match Standing::of(&status) {
        Standing::Failed => Answer::Failed(status.message),
        Standing::Serves => Answer::Serves(status.message),
        Standing::Stalled => Answer::Stalled(status.message),
        Standing::GoesOn => Answer::Waits(status.message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A Rollout whose status says this of generation 7 of its Deployment, which asks for v2 and is at `generation`.
    fn said(phase: &str, condition: &str, generation: i64, image: Option<&str>) -> Answer {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "checkout", "generation": generation},
            "spec": {"template": {"spec": {"containers": [{"name": "checkout", "image": "checkout:v2"}]}}},
        }))
        .unwrap();
        answer(&rollout(phase, condition), &deployment, image)
    }

    fn rollout(phase: &str, condition: &str) -> Rollout {
        let condition: Value = json!({
            "type": condition, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-03-02T09:00:00Z",
        });
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout", "generation": 3},
            "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
            "status": {
                "observedGeneration": 3, "phase": phase, "message": "as it is", "conditions": [condition],
                "workload": {"observedGeneration": 7, "images": ["checkout:v2"]},
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_the_operator_has_seen_is_answered() {
        let message = || "as it is".to_owned();
        for (phase, condition, answer) in [
            ("Stable", "Ready", Answer::Serves(message())),
            ("Reverted", "Stalled", Answer::Failed(message())),
            ("Held", "Stalled", Answer::Stalled(message())),
            ("Progressing", "Reconciling", Answer::Waits(message())),
        ] {
            assert_eq!(said(phase, condition, 7, None), answer, "{phase}");
        }
    }

    #[test]
    fn an_old_answer_does_not_stand_for_a_release_that_the_operator_has_not_seen() {
        for phase in ["Stable", "Reverted"] {
            let unseen = said(phase, "Ready", 8, None);
            assert_eq!(unseen, Answer::Waits("the operator has not seen it yet".to_owned()));
        }
        let mut edited = rollout("Stable", "Ready");
        edited.metadata.generation = Some(4);
        assert!(matches!(answer(&edited, &Deployment::default(), None), Answer::Waits(_)));
        let mut before = rollout("Stable", "Ready");
        before.status.as_mut().unwrap().workload = None;
        let deployment = serde_json::from_value(json!({"metadata": {"generation": 1}, "spec": {}})).unwrap();
        assert!(matches!(answer(&before, &deployment, None), Answer::Waits(_)));
    }

    #[test]
    fn an_image_that_the_deployment_does_not_ask_for_yet_is_waited_for() {
        assert_eq!(said("Stable", "Ready", 7, Some("checkout:v2")), Answer::Serves("as it is".to_owned()));
        let Answer::Waits(why) = said("Stable", "Ready", 7, Some("checkout:v3")) else { panic!() };
        assert_eq!(why, "the Deployment does not ask for checkout:v3 yet, but for checkout:v2");
        let deployment = serde_json::from_value(json!({
            "metadata": {"generation": 7},
            "spec": {"template": {"spec": {"containers": [{"name": "checkout", "image": "checkout:v2"}]}}},
        }))
        .unwrap();
        let mut ahead = rollout("Reverted", "Stalled");
        ahead.spec.workload.image = Some("checkout:v3".to_owned());
        assert!(matches!(answer(&ahead, &deployment, None), Answer::Waits(said) if said == why));
    }
}
