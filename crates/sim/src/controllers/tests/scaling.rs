//! A Deployment that is scaled, paused, or both.

use serde_json::json;

use super::Lab;

#[tokio::test(start_paused = true)]
async fn scaling_down_takes_the_pods_that_are_not_ready_first() {
    let lab = Lab::with(3).await;
    let serving = lab.pods_of("checkout:1");
    lab.controllers.set_behaviour("checkout:1", crate::controllers::PodBehaviour::never_ready());
    lab.until("no pod is ready", |lab| lab.pods().iter().all(|pod| !pod.ready)).await;
    lab.controllers.set_behaviour("checkout:1", crate::controllers::PodBehaviour::default());
    lab.complete().await;
    lab.controllers.set_behaviour("checkout:1", crate::controllers::PodBehaviour::never_ready());
    lab.patch_deployment(json!({"replicas": 5}));
    lab.until("two more have come", |lab| lab.pods().len() == 5).await;
    lab.patch_deployment(json!({"replicas": 3}));
    lab.until("two have gone", |lab| lab.pods().len() == 3).await;
    assert_eq!(lab.pods_of("checkout:1"), serving);
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_starts_nothing_new_but_still_scales() {
    let lab = Lab::with(4).await;
    lab.patch_deployment(json!({"paused": true}));
    lab.release("checkout:2");
    lab.patch_deployment(json!({"replicas": 6}));
    lab.until("it has scaled", |lab| lab.is_observed() && lab.pods_of("checkout:1").len() == 6).await;
    assert_eq!(lab.sets().len(), 1);
    let conditions = lab.deployment()["status"]["conditions"].clone();
    assert!(conditions.as_array().unwrap().iter().any(|condition| condition["reason"] == "DeploymentPaused"));

    lab.patch_deployment(json!({"paused": false}));
    lab.until("the new version has come", |lab| lab.is_observed() && lab.is_complete()).await;
    assert_eq!(lab.pods_of("checkout:2").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_paused_between_two_versions_scales_both_by_their_sizes() {
    let lab = Lab::with(8).await;
    lab.controllers.set_behaviour("checkout:2", crate::controllers::PodBehaviour::never_ready());
    lab.release("checkout:2");
    let counts = |lab: &Lab| {
        ["checkout:1", "checkout:2"].map(|image| lab.set_of(image)["spec"]["replicas"].as_i64().unwrap_or(-1))
    };
    lab.until("it is stuck", |lab| lab.sets().len() == 2 && counts(lab) == [6, 4]).await;
    lab.patch_deployment(json!({"paused": true}));
    lab.until("it is paused", Lab::is_observed).await;
    lab.patch_deployment(json!({"replicas": 16}));
    lab.until("both have grown", |lab| counts(lab) == [12, 8]).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_makes_no_progress_says_so_after_its_deadline() {
    let lab = Lab::with(4).await;
    lab.patch_deployment(json!({"progressDeadlineSeconds": 30}));
    lab.controllers.set_behaviour("checkout:2", crate::controllers::PodBehaviour::without_image());
    lab.release("checkout:2");
    lab.until("it says so", |lab| {
        let status = &lab.deployment()["status"];
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().any(|condition| condition["reason"] == "ProgressDeadlineExceeded")
    })
    .await;
    assert_eq!(lab.deployment()["status"]["availableReplicas"], 3);
}

#[tokio::test(start_paused = true)]
async fn old_replica_sets_go_beyond_the_history_limit() {
    let lab = Lab::with(2).await;
    lab.patch_deployment(json!({"revisionHistoryLimit": 1}));
    for version in 2..=4 {
        lab.pass(2).await;
        lab.release(&format!("checkout:{version}"));
        lab.until("it has come", |lab| lab.is_observed() && lab.is_complete()).await;
    }
    lab.until("two are left", |lab| lab.sets().len() == 2).await;
    let revisions: Vec<_> = lab
        .sets()
        .iter()
        .map(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone())
        .collect();
    assert_eq!(revisions, ["3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn going_back_to_an_old_template_takes_its_replica_set_again_with_a_new_number() {
    let lab = Lab::with(2).await;
    for image in ["checkout:2", "checkout:1"] {
        lab.pass(2).await;
        lab.release(image);
        lab.until("it has come", |lab| lab.is_observed() && lab.is_complete()).await;
    }
    assert_eq!(lab.sets().len(), 2);
    let revision = &lab.set_of("checkout:1")["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    assert_eq!(revision, "3");
}

#[tokio::test(start_paused = true)]
async fn recreate_starts_nothing_before_the_last_old_pod_is_gone() {
    let mut lab = Lab::with(3).await;
    lab.patch_deployment(json!({"strategy": {"type": "Recreate", "rollingUpdate": null}}));
    lab.log();
    lab.release("checkout:2");
    lab.until("it has come", |lab| lab.is_observed() && lab.is_complete()).await;
    let mut old = 3;
    for change in lab.log().iter().filter(|change| change.resource.plural == "pods") {
        let image = &change.object.value()["spec"]["containers"][0]["image"];
        match (change.what, image.as_str()) {
            (tidegate_apiserver::What::Deleted, Some("checkout:1")) => old -= 1,
            (tidegate_apiserver::What::Added, _) => assert_eq!(old, 0),
            _ => {}
        }
    }
}
