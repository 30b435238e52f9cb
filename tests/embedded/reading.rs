//! `get`, `describe`, `api-resources`.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::front::{Front, config_map, deployment, rollout};

fn columns(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_are_known_by_their_names_short_names_and_categories() {
    let Some(front) = Front::start().await else { return };
    let listed = front.kubectl("api-resources").await;
    for words in
        ["deployments deploy apps/v1 true Deployment", "pods po v1 true Pod", "namespaces ns v1 false Namespace"]
    {
        let words: Vec<&str> = words.split(' ').collect();
        assert!(columns(&listed).contains(&words), "{listed}");
    }
    front.kubectl_with("apply -f -", &deployment()).await;
    front.kubectl_with("apply -f -", &rollout()).await;
    for names in ["deploy,rollout", "deployments.apps,rollouts.tidegate.dev", "all,rollout"] {
        let shown = front.kubectl(&format!("get {names} -o name")).await;
        assert!(shown.contains("deployment.apps/checkout"), "{shown}");
        assert!(shown.contains("rollout.tidegate.dev/checkout"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_a_table_with_the_columns_of_its_kind() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    front.kubectl_with("apply -f -", &rollout()).await;
    let table = front.kubectl("get deployments").await;
    let rows = columns(&table);
    assert_eq!(rows[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(rows[1][..4], ["checkout", "0/2", "0", "0"]);
    let wide = front.kubectl("get deployments -o wide").await;
    assert!(wide.contains("app,log") && wide.contains("shop:1,log:1") && wide.contains("app=checkout"), "{wide}");
    let heads = front.kubectl("get rollouts").await;
    assert!(heads.starts_with("NAME") && heads.contains("PHASE"), "{heads}");
    let namespaces = front.kubectl("get namespaces").await;
    assert_eq!(columns(&namespaces)[1][..2], ["default", "Active"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_selected_by_labels_and_fields() {
    let Some(front) = Front::start().await else { return };
    for name in ["a", "b"] {
        front.kubectl_with("create -f -", &config_map(name)).await;
    }
    assert_eq!(front.kubectl("get cm -l name=a -o name").await, "configmap/a\n");
    assert_eq!(front.kubectl("get cm --field-selector metadata.name=b -o name").await, "configmap/b\n");
    assert_eq!(front.kubectl("get cm a -o jsonpath={.data.colour}").await, "red");
    assert!(front.kubectl("get cm b -o yaml").await.contains("colour: red"));
    let missing = front.refused("get cm c", &json!(null)).await;
    assert_eq!(missing, "Error from server (NotFound): configmaps \"c\" not found\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_tells_an_object_and_its_events() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    front.kubectl_with("apply -f -", &rollout()).await;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "checkout.1"}, "type": "Warning",
        "reason": "Reverted", "message": "too many errors", "lastTimestamp": "2026-03-02T09:00:00Z", "count": 1,
        "involvedObject": {"kind": "Rollout", "name": "checkout", "namespace": "default",
            "uid": front.object("rollouts", "checkout")["metadata"]["uid"]},
        "source": {"component": "tidegate"},
    });
    front.kubectl_with("create -f -", &event).await;
    let described = front.kubectl("describe rollout checkout").await;
    assert!(described.contains("Kind:         Rollout") && described.contains("too many errors"), "{described}");
    assert!(front.kubectl("describe deployment checkout").await.contains("2 desired"));
    let events = front.kubectl("get events").await;
    assert_eq!(columns(&events)[1][1..], ["Warning", "Reverted", "rollout/checkout", "too", "many", "errors"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_what_is_there_and_each_change() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("create -f -", &config_map("a")).await;
    let mut watch = front.running("get cm -w");
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = async || lines.next_line().await.unwrap().unwrap();
    assert!(next().await.starts_with("NAME"));
    assert!(next().await.starts_with("a "));
    front.kubectl_with("create -f -", &config_map("b")).await;
    assert!(next().await.starts_with("b "));
    front.kubectl("delete cm a").await;
    assert!(next().await.starts_with("a "));
}
