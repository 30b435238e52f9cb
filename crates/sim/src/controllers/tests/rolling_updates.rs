//! Rolling updates of a Deployment.

use std::collections::BTreeMap;

use super::Lab;

#[tokio::test(start_paused = true)]
async fn a_new_deployment_brings_its_pods_up() {
    let lab = Lab::with(10).await;
    let (pods, sets) = (lab.pods(), lab.sets());
    assert!(pods.len() == 10 && pods.iter().all(|pod| pod.ready && pod.alive_since.is_some() && !pod.ip.is_empty()));
    let hash = sets[0]["metadata"]["labels"]["pod-template-hash"].as_str().unwrap();
    assert_eq!(sets[0]["metadata"]["name"], format!("checkout-{hash}"));
    assert_eq!(sets[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert!(pods.iter().all(|pod| pod.revision == hash && pod.name.len() == format!("checkout-{hash}-").len() + 5));
    let status = &lab.deployment()["status"];
    assert_eq!(status["conditions"][0]["type"], "Available");
    assert_eq!(status["conditions"][1]["reason"], "NewReplicaSetAvailable");
    assert!(status.get("unavailableReplicas").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_new_template_replaces_the_pods_within_surge_and_unavailability() {
    let mut lab = Lab::with(10).await;
    lab.log();
    lab.release("checkout:2");
    lab.until("the new pods have come", |lab| lab.is_observed() && lab.is_complete()).await;
    assert_eq!(lab.pods_of("checkout:2").len(), 10);
    lab.until("the old pods have ended", |lab| lab.pods_of("checkout:1").is_empty()).await;
    let mut asked = BTreeMap::new();
    for change in lab.log() {
        let object = change.object.value();
        if change.resource.plural == "replicasets" {
            asked.insert(change.object.name().to_owned(), object["spec"]["replicas"].as_i64().unwrap());
            assert!(asked.values().sum::<i64>() <= 13, "{asked:?}");
        }
        if change.resource.plural == "deployments" {
            assert!(object["status"]["availableReplicas"].as_i64().unwrap() >= 8, "{object:#}");
        }
    }
}
