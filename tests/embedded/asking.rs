//! Questions about oneself, and what no simulated pod can answer.

use serde_json::json;

use crate::front::Front;

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_everything_and_nobody_is_anybody() {
    let Some(front) = Front::start().await else { return };
    assert_eq!(front.kubectl("auth can-i delete pods").await, "yes\n");
    let listed = front.kubectl("auth can-i --list").await;
    assert!(listed.lines().any(|line| line.starts_with("*.*") && line.ends_with("[*]")), "{listed}");
    assert!(front.kubectl("auth whoami").await.contains("system:anonymous"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_containers_is_refused_with_the_reason() {
    let Some(front) = Front::start().await else { return };
    front.kubectl("run single --image=shop:1").await;
    for typed in ["logs single", "exec single -- ls"] {
        let refusal = front.refused(typed, &json!(null)).await;
        assert!(refusal.contains("no containers that run"), "{refusal}");
    }
    let refusal = front.refused("logs another", &json!(null)).await;
    assert_eq!(refusal, "error: error from server (NotFound): pods \"another\" not found in namespace \"default\"\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_of_in_both_of_their_groups() {
    let Some(front) = Front::start().await else { return };
    let listed = front.kubectl("api-resources --api-group=events.k8s.io").await;
    assert!(listed.contains("events.k8s.io/v1"), "{listed}");
    assert!(front.kubectl("get events.events.k8s.io").await.contains("No resources found"));
}
