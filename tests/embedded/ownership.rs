//! Server-side apply: who owns which field.

use serde_json::json;

use crate::front::{Front, deployment, rollout};

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_another_manager_is_a_conflict_until_it_is_forced() {
    let Some(front) = Front::start().await else { return };
    let mut manifest = deployment();
    front.kubectl_with("apply --server-side --field-manager=git -f -", &manifest).await;
    let version = front.object("deployments", "checkout")["metadata"]["resourceVersion"].clone();
    front.kubectl_with("apply --server-side --field-manager=git -f -", &manifest).await;
    assert_eq!(front.object("deployments", "checkout")["metadata"]["resourceVersion"], version, "nothing to write");

    manifest["spec"]["replicas"] = json!(7);
    let refusal = front.refused("apply --server-side --field-manager=other -f -", &manifest).await;
    assert!(refusal.contains("conflict with \"git\": .spec.replicas"), "{refusal}");
    front.kubectl_with("apply --server-side --field-manager=other --force-conflicts -f -", &manifest).await;
    assert_eq!(front.object("deployments", "checkout")["spec"]["replicas"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_applied_no_longer_goes() {
    let Some(front) = Front::start().await else { return };
    let mut manifest = deployment();
    front.kubectl_with("apply --server-side -f -", &manifest).await;
    manifest["spec"]["template"]["spec"]["containers"] = json!([{"name": "app", "image": "shop:1"}]);
    front.kubectl_with("apply --server-side -f -", &manifest).await;
    let live = front.object("deployments", "checkout");
    assert_eq!(live["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_of_a_rollout_merge_by_their_name() {
    let Some(front) = Front::start().await else { return };
    let mut manifest = rollout();
    manifest["spec"]["stages"] = json!([{"name": "canary", "weight": "5%"}, {"name": "full", "weight": "100%"}]);
    front.kubectl_with("apply --server-side --field-manager=git -f -", &manifest).await;
    let mut baking = rollout();
    baking["spec"]["stages"] = json!([{"name": "canary", "bake": "1h"}]);
    front.kubectl_with("apply --server-side --field-manager=sre -f -", &baking).await;
    let stages = front.object("rollouts", "checkout")["spec"]["stages"].clone();
    assert_eq!(stages[0]["bake"], "1h", "{stages}");
    assert_eq!(stages[0]["weight"], "5%", "{stages}");
    assert_eq!(stages.as_array().unwrap().len(), 2);
}
