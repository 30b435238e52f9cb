//! Lists in pages, old versions, metadata alone, and other versions of a kind.

use serde_json::{Value, json};

use super::{ask, config_map, server};
use crate::ApiServer;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect()
}

fn server_with(objects: &[&str]) -> ApiServer {
    let server = server();
    for name in objects {
        server.create(config_map(name), "me").unwrap();
    }
    server
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_list_show_one_moment() {
    let server = server_with(&["a", "b", "c", "d"]);
    let (_, first) = ask(&server, "GET", &format!("{CONFIG_MAPS}?limit=2"), &Value::Null);
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(2)));
    server.delete("configmaps", "default", "c", "me").unwrap();
    server.create(config_map("cc"), "me").unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = ask(&server, "GET", &format!("{CONFIG_MAPS}?limit=2&continue={token}"), &Value::Null);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    server.compact();
    let (code, status) = ask(&server, "GET", &format!("{CONFIG_MAPS}?limit=2&continue={token}"), &Value::Null);
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[tokio::test(start_paused = true)]
async fn selectors_choose_by_labels_and_fields() {
    let server = server_with(&["a", "b"]);
    server.merge("configmaps", "default", "b", "", json!({"metadata": {"labels": {"tier": "web"}}}), "me").unwrap();
    let (_, list) = ask(&server, "GET", &format!("{CONFIG_MAPS}?labelSelector=tier%3Dweb"), &Value::Null);
    assert_eq!(names(&list), ["b"]);
    let (_, list) = ask(&server, "GET", "/api/v1/configmaps?fieldSelector=metadata.name%3Da", &Value::Null);
    assert_eq!(names(&list), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_is_read_and_written_in_both_versions() {
    let server = server();
    let autoscaler = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70},
    });
    server.create(autoscaler, "me").unwrap();
    let path = |version| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers/a");
    let (_, new) = ask(&server, "GET", &path("v2"), &Value::Null);
    assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
    let (_, old) = ask(&server, "PATCH", &path("v1"), &json!({"spec": {"targetCPUUtilizationPercentage": 60}}));
    assert_eq!((&old["apiVersion"], &old["spec"]["minReplicas"]), (&json!("autoscaling/v1"), &json!(1)));
    let (_, new) = ask(&server, "GET", &path("v2"), &Value::Null);
    assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    assert_eq!(new["spec"]["metrics"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_one_object_under_both_of_its_names() {
    let server = server();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a", "namespace": "default"},
        "regarding": {"kind": "Pod", "name": "p"}, "note": "it began", "reason": "Started", "type": "Normal",
    });
    let (code, made) = ask(&server, "POST", "/apis/events.k8s.io/v1/namespaces/default/events", &event);
    assert_eq!((code, &made["note"]), (201, &json!("it began")), "{made}");
    let (_, list) = ask(&server, "GET", "/api/v1/events?fieldSelector=involvedObject.name%3Dp", &Value::Null);
    assert_eq!(list["items"][0]["message"], "it began");
}
