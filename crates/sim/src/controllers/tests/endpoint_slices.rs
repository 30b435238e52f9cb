//! EndpointSlices.

use serde_json::{Value, json};

use super::{
    Lab,
    lab::{NAME, SHOP, service},
};
use crate::controllers::PodBehaviour;

fn endpoints(lab: &Lab) -> Vec<Value> {
    let slices = lab.api.list("endpointslices", Some(SHOP));
    slices.iter().flat_map(|slice| slice.value()["endpoints"].as_array().cloned().unwrap_or_default()).collect()
}

fn ready(lab: &Lab) -> usize {
    endpoints(lab).iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_a_slice_with_its_pods() {
    let lab = Lab::with(3).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.until("all are in it", |lab| ready(lab) == 3).await;
    let slice = lab.api.list("endpointslices", Some(SHOP))[0].value().clone();
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], NAME);
    assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Service");
    assert_eq!(slice["ports"], json!([{"name": "", "port": 8080, "protocol": "TCP"}]));
    let pod = lab.get("pods", endpoints(&lab)[0]["targetRef"]["name"].as_str().unwrap());
    assert_eq!(endpoints(&lab)[0]["targetRef"]["uid"], pod.uid());
    assert_eq!(endpoints(&lab)[0]["addresses"][0], pod.value()["status"]["podIP"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_pods_has_an_empty_slice() {
    let lab = Lab::with(1).await;
    lab.create(service("nobody", json!({"app": "nobody"})));
    lab.until("there is one", |lab| lab.api.list("endpointslices", Some(SHOP)).len() == 1).await;
    assert!(endpoints(&lab).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_ready_stays_as_not_ready() {
    let lab = Lab::with(2).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.until("both are in it", |lab| ready(lab) == 2).await;
    lab.controllers.set_behaviour("checkout:1", PodBehaviour::never_ready());
    lab.until("none is ready", |lab| ready(lab) == 0).await;
    assert_eq!(endpoints(&lab).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_somebody_empties_is_mended() {
    let lab = Lab::with(2).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.until("both are in it", |lab| ready(lab) == 2).await;
    let slice = lab.api.list("endpointslices", Some(SHOP))[0].clone();
    lab.patch("endpointslices", slice.name(), json!({"endpoints": []}));
    lab.until("both are in it again", |lab| ready(lab) == 2).await;
}

#[tokio::test(start_paused = true)]
async fn more_pods_than_a_slice_holds_get_a_second_one() {
    let lab = Lab::with(120).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.until("all are in them", |lab| ready(lab) == 120).await;
    assert_eq!(lab.api.list("endpointslices", Some(SHOP)).len(), 2);
    lab.patch_deployment(json!({"replicas": 10}));
    lab.until("few are left", |lab| endpoints(lab).len() == 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ends_takes_no_new_traffic_but_goes_on_serving_for_a_while() {
    let lab = Lab::with(2).await;
    lab.create(service(NAME, json!({"app": NAME})));
    lab.until("both are in it", |lab| ready(lab) == 2).await;
    let ending = lab.pods()[0].name.clone();
    lab.api.delete("pods", SHOP, &ending, "user").unwrap();
    let seen = |lab: &Lab| endpoints(lab).into_iter().find(|endpoint| endpoint["targetRef"]["name"] == ending.as_str());
    let ends = json!({"ready": false, "serving": true, "terminating": true});
    lab.until("it is told", |lab| seen(lab).is_some_and(|endpoint| endpoint["conditions"] == ends)).await;
    assert!(lab.pods().iter().any(|pod| pod.name == ending && pod.alive_since.is_some()));
    lab.until("it is gone", |lab| seen(lab).is_none() && lab.pods().iter().all(|pod| pod.name != ending)).await;
    lab.until("another has come", |lab| ready(lab) == 2).await;
}
