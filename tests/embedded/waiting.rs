//! `wait` and `rollout status`.

use serde_json::json;

use crate::front::{Front, deployment, rollout};

#[tokio::test(flavor = "multi_thread")]
async fn wait_returns_when_the_condition_is_there() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &rollout()).await;
    let waiting = front.running("wait --for=condition=Ready rollout/checkout --timeout=60s");
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Stable", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-03-02T09:00:00Z",
    });
    let status = json!({"status": {"observedGeneration": 1, "conditions": [condition]}});
    front.server.merge("rollouts", "default", "checkout", "status", status, "tidegate").unwrap();
    let output = waiting.wait_with_output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "rollout.tidegate.dev/checkout condition met\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rollout_status_follows_a_deployment() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    let following = front.running("rollout status deployment/checkout --timeout=60s");
    let counts = json!({
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
    });
    let status = json!({"status": counts});
    front.server.merge("deployments", "default", "checkout", "status", status, "deployment-controller").unwrap();
    let output = following.wait_with_output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.ends_with("deployment \"checkout\" successfully rolled out\n"), "{printed}");
}
