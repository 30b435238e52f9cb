//! Deleting, and what follows from it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ask, config_map, deployment, owned, pod, server};
use crate::garbage;

#[tokio::test(start_paused = true)]
async fn an_object_with_finalizers_waits_for_them() {
    let server = server();
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    server.create(object, "me").unwrap();
    server.delete("configmaps", "default", "a", "me").unwrap();
    let waiting = server.get("configmaps", "default", "a").unwrap();
    assert_eq!(waiting.value()["metadata"]["deletionTimestamp"], "2026-03-02T09:00:00Z");
    let more = json!({"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}});
    let refusal = server.merge("configmaps", "default", "a", "", more, "me").unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (422, "Invalid"));
    server.merge("configmaps", "default", "a", "", json!({"metadata": {"finalizers": null}}), "me").unwrap();
    assert!(server.get("configmaps", "default", "a").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_meant_for_another_object_is_refused() {
    let server = server();
    server.create(config_map("a"), "me").unwrap();
    let path = "/api/v1/namespaces/default/configmaps/a";
    let (code, status) = ask(&server, "DELETE", path, &json!({"preconditions": {"uid": "other"}}));
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")), "{status}");
    let (code, _) = ask(&server, "DELETE", path, &json!({"preconditions": {"resourceVersion": "1"}}));
    assert_eq!(code, 409);
    let (code, status) = ask(&server, "DELETE", path, &json!({}));
    assert_eq!((code, &status["status"]), (200, &json!("Success")), "{status}");
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_deleted_object_follows_it() {
    let server = server();
    tokio::spawn(garbage::collect(server.clone()));
    tokio::task::yield_now().await;
    let owner = server.create(deployment("a"), "me").unwrap();
    let middle = server.create(owned(config_map("middle"), owner.value()), "me").unwrap();
    server.create(owned(config_map("leaf"), middle.value()), "me").unwrap();
    server.create(config_map("free"), "me").unwrap();
    server.delete("deployments", "default", "a", "me").unwrap();
    assert_eq!(server.list("configmaps", None).len(), 3);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let left: Vec<String> = server.list("configmaps", None).iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(left, ["free"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_with_two_owners_goes_with_the_last() {
    let server = server();
    let first = server.create(deployment("a"), "me").unwrap();
    let second = server.create(deployment("b"), "me").unwrap();
    let mut both = owned(config_map("both"), first.value());
    let other = owned(config_map("x"), second.value())["metadata"]["ownerReferences"][0].clone();
    both["metadata"]["ownerReferences"].as_array_mut().unwrap().push(other);
    both["metadata"]["ownerReferences"][1]["controller"] = json!(false);
    server.create(both, "me").unwrap();
    server.delete("deployments", "default", "a", "me").unwrap();
    while server.collect_garbage() {}
    let left = server.get("configmaps", "default", "both").unwrap();
    assert_eq!(left.value()["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    server.delete("deployments", "default", "b", "me").unwrap();
    while server.collect_garbage() {}
    assert!(server.get("configmaps", "default", "both").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_in_the_foreground_goes_last() {
    let server = server();
    let owner = server.create(deployment("a"), "me").unwrap();
    let mut dependent = owned(config_map("a"), owner.value());
    dependent["metadata"]["finalizers"] = json!(["example.com/wait"]);
    server.create(dependent, "me").unwrap();
    let path = "/apis/apps/v1/namespaces/default/deployments/a";
    let (code, waiting) = ask(&server, "DELETE", path, &json!({"propagationPolicy": "Foreground"}));
    assert_eq!((code, &waiting["metadata"]["finalizers"]), (200, &json!(["foregroundDeletion"])), "{waiting}");
    while server.collect_garbage() {}
    assert!(server.get("configmaps", "default", "a").unwrap().is_deleting());
    assert!(server.get("deployments", "default", "a").is_some());
    server.merge("configmaps", "default", "a", "", json!({"metadata": {"finalizers": []}}), "me").unwrap();
    while server.collect_garbage() {}
    assert!(server.get("deployments", "default", "a").is_none());
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_and_forget_their_owner() {
    let server = server();
    let owner = server.create(deployment("a"), "me").unwrap();
    server.create(owned(config_map("a"), owner.value()), "me").unwrap();
    ask(&server, "DELETE", "/apis/apps/v1/namespaces/default/deployments/a?propagationPolicy=Orphan", &Value::Null);
    while server.collect_garbage() {}
    assert!(server.get("deployments", "default", "a").is_none());
    let orphan = server.get("configmaps", "default", "a").unwrap();
    assert!(orphan.value()["metadata"].get("ownerReferences").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_when_all_that_is_in_it_is_gone() {
    let server = server();
    server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "me").unwrap();
    let mut object = config_map("a");
    object["metadata"]["namespace"] = json!("shop");
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    server.create(object.clone(), "me").unwrap();
    server.delete("namespaces", "", "shop", "me").unwrap();
    while server.collect_garbage() {}
    object["metadata"]["name"] = json!("b");
    let refusal = server.create(object, "me").unwrap_err();
    assert_eq!((refusal.code, &refusal.details["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
    server.merge("configmaps", "shop", "a", "", json!({"metadata": {"finalizers": null}}), "me").unwrap();
    while server.collect_garbage() {}
    assert!(server.get("namespaces", "", "shop").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_has_time_to_end_and_a_waiting_one_goes_at_once() {
    let server = server();
    server.create(pod("waiting"), "me").unwrap();
    server.delete("pods", "default", "waiting", "me").unwrap();
    assert!(server.get("pods", "default", "waiting").is_none());

    server.create(pod("running"), "me").unwrap();
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n"}});
    let (code, _) = ask(&server, "POST", "/api/v1/namespaces/default/pods/running/binding", &binding);
    assert_eq!(code, 201);
    server.delete("pods", "default", "running", "me").unwrap();
    let ending = server.get("pods", "default", "running").unwrap();
    assert_eq!(ending.value()["metadata"]["deletionTimestamp"], "2026-03-02T09:00:30Z");
    server.merge("pods", "default", "running", "status", json!({"status": {"phase": "Running"}}), "kubelet").unwrap();
    server.delete_within("pods", "default", "running", Some(0), "kubelet").unwrap();
    assert!(server.get("pods", "default", "running").is_none());
}
