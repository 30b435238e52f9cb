//! ReplicaSets that change hands: what adoption and hand-back rest on.

use serde_json::{Value, json};

use super::Lab;

const FOREIGN: &str = "00000000-0000-0000-0000-000000000001";

fn foreign_owner() -> Value {
    json!([{"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "name": "checkout", "uid": FOREIGN, "controller": true}])
}

/// Pauses the Deployment, and moves its ReplicaSet to another owner. Its name and labels.
async fn move_away(lab: &Lab) -> (String, Value) {
    lab.patch_deployment(json!({"paused": true}));
    lab.until("the pause is seen", Lab::is_observed).await;
    let set = lab.set_of("checkout:1");
    let (name, labels) = (set["metadata"]["name"].as_str().unwrap(), set["metadata"]["labels"].clone());
    lab.patch("replicasets", name, json!({"metadata": {"ownerReferences": foreign_owner(), "labels": {"app": null}}}));
    (name.to_owned(), labels)
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_that_changes_its_owner_keeps_its_pods() {
    let lab = Lab::with(4).await;
    let before = lab.pods_of("checkout:1");
    let (moved, _) = move_away(&lab).await;
    lab.patch_deployment(json!({"replicas": 0, "paused": false}));
    lab.until("the Deployment has a ReplicaSet of its own", |lab| lab.sets().len() == 2 && lab.is_complete()).await;
    lab.pass(30).await;
    assert_eq!(lab.pods_of("checkout:1"), before);
    assert!(lab.pods().iter().all(|pod| pod.ready));
    let own = lab.sets().into_iter().find(|set| set["metadata"]["name"] != moved.as_str()).unwrap();
    assert_eq!(own["spec"]["replicas"], 0);
    assert_eq!(lab.deployment()["status"]["collisionCount"], 1, "its name was taken by the one that moved");
}

#[tokio::test(start_paused = true)]
async fn a_released_replica_set_is_adopted_with_its_pods_and_unpausing_restarts_none() {
    let lab = Lab::with(4).await;
    let before = lab.pods_of("checkout:1");
    let (moved, labels) = move_away(&lab).await;
    lab.patch_deployment(json!({"replicas": 0, "paused": false}));
    lab.until("it is empty", |lab| lab.sets().len() == 2 && lab.is_complete()).await;

    lab.patch_deployment(json!({"paused": true}));
    lab.until("the pause is seen", Lab::is_observed).await;
    let empty = lab.sets().into_iter().find(|set| set["metadata"]["name"] != moved.as_str()).unwrap();
    lab.api.delete("replicasets", super::lab::SHOP, empty["metadata"]["name"].as_str().unwrap(), "user").unwrap();
    lab.patch_deployment(json!({"replicas": 4}));
    lab.until("the count is seen", Lab::is_observed).await;
    lab.patch("replicasets", &moved, json!({"metadata": {"ownerReferences": null, "labels": labels}}));
    let uid = lab.deployment()["metadata"]["uid"].clone();
    lab.until("it is adopted", |lab| lab.set_of("checkout:1")["metadata"]["ownerReferences"][0]["uid"] == uid).await;
    lab.patch_deployment(json!({"paused": false}));
    lab.until("the Deployment is complete", |lab| lab.is_observed() && lab.is_complete()).await;
    lab.pass(30).await;
    assert_eq!(lab.pods_of("checkout:1"), before);
    assert_eq!(lab.sets().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_scales_up_an_old_empty_replica_set_when_it_has_nothing_else() {
    let lab = Lab::with(4).await;
    lab.pass(2).await;
    lab.release("checkout:2");
    lab.until("it has come", |lab| lab.is_observed() && lab.is_complete()).await;
    lab.patch_deployment(json!({"paused": true}));
    lab.until("the pause is seen", Lab::is_observed).await;
    let serving = lab.set_of("checkout:2")["metadata"]["name"].as_str().unwrap().to_owned();
    let patch = json!({"metadata": {"ownerReferences": foreign_owner(), "labels": {"app": null}}});
    lab.patch("replicasets", &serving, patch);
    lab.until("the old one is scaled up", |lab| lab.set_of("checkout:1")["spec"]["replicas"] == 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_whose_labels_no_longer_fit_is_let_go() {
    let lab = Lab::with(2).await;
    let name = lab.set_of("checkout:1")["metadata"]["name"].as_str().unwrap().to_owned();
    lab.patch_deployment(json!({"paused": true}));
    lab.until("the pause is seen", Lab::is_observed).await;
    lab.patch("replicasets", &name, json!({"metadata": {"labels": {"app": "other"}}}));
    lab.until("it has no owner", |lab| lab.set_of("checkout:1")["metadata"]["ownerReferences"].is_null()).await;
    assert_eq!(lab.pods_of("checkout:1").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_no_longer_is_let_go_and_replaced() {
    let lab = Lab::with(2).await;
    let pod = lab.pods()[0].name.clone();
    lab.patch("pods", &pod, json!({"metadata": {"labels": {"app": "other"}}}));
    lab.until("another has come", |lab| lab.pods().iter().filter(|pod| pod.ready).count() == 3).await;
    assert_eq!(lab.get("pods", &pod).value()["metadata"]["ownerReferences"].as_array(), None);
}
