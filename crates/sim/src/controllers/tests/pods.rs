//! What becomes of pods.

use std::time::Duration;

use serde_json::json;

use super::{
    Lab,
    lab::{SHOP, deployment},
};
use crate::controllers::{Delay, ModelSettings, PodBehaviour};

fn lab_with(behaviour: PodBehaviour) -> Lab {
    let lab = Lab::empty(1, ModelSettings { pods: behaviour, ..ModelSettings::default() });
    lab.create(deployment(2));
    lab
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_crashes_is_started_again_with_growing_pauses() {
    let lab = lab_with(PodBehaviour::crashing_after(Delay::Fixed(Duration::from_secs(5))));
    let status = |lab: &Lab| {
        let pod =
            lab.pods().first().map(|pod| lab.get("pods", &pod.name).value()["status"]["containerStatuses"][0].clone());
        pod.unwrap_or_default()
    };
    lab.until("it crashed twice", |lab| status(lab)["restartCount"] == 2).await;
    assert_eq!(status(&lab)["state"]["waiting"]["reason"], "CrashLoopBackOff");
    lab.pass(9).await;
    assert!(lab.pods()[0].alive_since.is_none());
    lab.pass(2).await;
    assert!(lab.pods()[0].alive_since.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_image_is_missing_waits_for_it() {
    let lab = lab_with(PodBehaviour::without_image());
    lab.pass(20).await;
    assert!(lab.pods().iter().all(|pod| pod.alive_since.is_none() && !pod.ready && pod.ip.is_empty()));
    lab.controllers.set_behaviour("checkout:1", PodBehaviour::default());
    lab.complete().await;
}

#[tokio::test(start_paused = true)]
async fn pods_become_unready_and_ready_again_as_their_behaviour_changes() {
    let lab = Lab::with(2).await;
    lab.controllers.set_behaviour("checkout:1", PodBehaviour::never_ready());
    lab.until("none is ready", |lab| lab.pods().iter().all(|pod| !pod.ready && pod.alive_since.is_some())).await;
    lab.controllers.set_behaviour("checkout:1", PodBehaviour::default());
    lab.until("both are ready", |lab| lab.pods().iter().all(|pod| pod.ready)).await;
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_stays_as_failed_and_is_replaced() {
    let lab = Lab::with(2).await;
    let evicted = lab.pods()[0].name.clone();
    lab.controllers.evict(SHOP, &evicted).unwrap();
    let ready = |lab: &Lab| lab.pods().iter().filter(|pod| pod.ready).count();
    lab.until("another is ready", |lab| lab.pods().len() == 3 && ready(lab) == 2).await;
    assert_eq!(lab.get("pods", &evicted).value()["status"]["phase"], "Failed");
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_lost_node_are_dead_at_once_and_replaced_after_minutes() {
    let lab = Lab::with(3).await;
    let node = lab.get("pods", &lab.pods()[0].name).value()["spec"]["nodeName"].as_str().unwrap().to_owned();
    let lost = lab.pods()[0].name.clone();
    lab.controllers.lose_node(&node);
    let pod = |lab: &Lab| lab.pods().into_iter().find(|pod| pod.name == lost);
    assert!(pod(&lab).is_some_and(|pod| pod.ready && pod.alive_since.is_none()));
    lab.pass(45).await;
    assert!(pod(&lab).is_some_and(|pod| !pod.ready));
    lab.within(Duration::from_mins(10), "it is replaced", |lab| lab.pods().iter().filter(|pod| pod.ready).count() == 3)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_quota_refuses_pods_and_the_replica_set_tells_why_until_there_is_room() {
    let lab = Lab::with(3).await;
    lab.controllers.set_quota(SHOP, Some(4)).unwrap();
    lab.patch_deployment(json!({"replicas": 6}));
    lab.until("it is refused", |lab| {
        lab.set_of("checkout:1")["status"]["conditions"][0]["reason"] == "FailedCreate" && lab.pods().len() == 4
    })
    .await;
    let told = lab.set_of("checkout:1")["status"]["conditions"][0]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("exceeded quota: pods, requested: pods=1, used: pods=4, limited: pods=4"), "{told}");
    lab.controllers.set_quota(SHOP, None).unwrap();
    lab.within(Duration::from_mins(10), "all have come", |lab| lab.is_complete() && lab.is_observed()).await;
    assert!(lab.set_of("checkout:1")["status"].get("conditions").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_counts_as_available_after_min_ready_seconds() {
    let lab = Lab::empty(1, ModelSettings::default());
    let mut object = deployment(2);
    object["spec"]["minReadySeconds"] = json!(20);
    lab.create(object);
    lab.until("both are ready", |lab| lab.pods().len() == 2 && lab.pods().iter().all(|pod| pod.ready)).await;
    lab.pass(15).await;
    assert!(lab.set_of("checkout:1")["status"].get("availableReplicas").is_none());
    lab.pass(10).await;
    assert_eq!(lab.set_of("checkout:1")["status"]["availableReplicas"], 2);
}
