//! kube's own client, watcher and reflector on the server.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt, reflector,
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;

use super::server;
use crate::ApiServer;

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_object_is_created_read_changed_and_deleted() {
    let api: Api<ConfigMap> = Api::default_namespaced(server().client());
    let created = api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    assert_eq!(created.creation_timestamp().unwrap().0.to_string(), "2026-03-02T09:00:00Z");
    let patch = Patch::Merge(json!({"data": {"b": "2"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.unwrap().len(), 2);
    let stale = api.replace("a", &PostParams::default(), &created).await.unwrap_err();
    assert!(matches!(&stale, kube::Error::Api(status) if status.is_conflict()), "{stale}");
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reflector_holds_what_the_server_holds() {
    let server = server();
    let api: Api<ConfigMap> = Api::all(server.client());
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let (store, writer) = reflector::store();
        let events = watcher(api.clone(), config).reflect(writer);
        let task = tokio::spawn(events.for_each(|_| std::future::ready(())));
        store.wait_until_ready().await.unwrap();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "n-", "namespace": "default"}});
        server.create(object, "somebody").unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
        let names = |objects: Vec<Arc<ConfigMap>>| objects.iter().map(|it| it.name_any()).collect::<Vec<_>>();
        let expected: Vec<String> = server.list("configmaps", None).iter().map(|it| it.name().to_owned()).collect();
        let mut held = names(store.state());
        held.sort();
        assert_eq!(held, expected);
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_compacted_version_is_told_to_begin_anew() {
    let server = server();
    let api: Api<ConfigMap> = Api::all(server.client());
    server.compact();
    let events = api.watch(&kube::api::WatchParams::default(), "1").await.unwrap();
    let first = events.boxed().try_next().await.unwrap();
    assert!(
        matches!(&first, Some(kube::core::WatchEvent::Error(status)) if status.code == 410 && status.reason == "Expired"),
        "{first:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_survives_compaction_and_sees_the_objects_anew() {
    let server = server();
    let api: Api<ConfigMap> = Api::all(server.client());
    let events = watcher(api.clone(), watcher::Config::default());
    pin_mut!(events);
    while !matches!(events.try_next().await.unwrap(), Some(Event::InitDone)) {}
    api_write(&server, "a");
    server.compact();
    let mut told = Vec::new();
    while !told.contains(&"InitDone") {
        match events.next().await.unwrap() {
            Ok(Event::InitApply(_)) => told.push("InitApply"),
            Ok(Event::InitDone) => told.push("InitDone"),
            Ok(_) => {}
            Err(_) => told.push("error"),
        }
    }
    assert_eq!(told, ["error", "InitApply", "InitDone"]);
}

fn api_write(server: &ApiServer, name: &str) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    server.create(object, "somebody").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_defined_kind_is_served_at_once_and_keeps_its_status_apart() {
    let server = server();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.dev"},
        "spec": {
            "group": "example.dev", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "status": {"type": "object", "properties": {"observedGeneration": {"type": "integer"}}},
                }}},
            }],
        },
    });
    server.create(definition, "installer").unwrap();
    let widget = json!({
        "apiVersion": "example.dev/v1alpha1", "kind": "Widget", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"parts": {"name": "a"}}, "status": {"observedGeneration": 7},
    });
    server.create(widget, "somebody").unwrap();
    let merged = server
        .merge("widgets", "default", "a", "status", json!({"spec": 1, "status": {"observedGeneration": 1}}), "op")
        .unwrap();
    assert_eq!(merged.value()["status"]["observedGeneration"], 1);
    assert_eq!(merged.value()["spec"]["parts"]["name"], "a");
    assert_eq!(merged.value()["metadata"]["generation"], 1);
    let version = merged.version();
    let merged =
        server.merge("widgets", "default", "a", "", json!({"spec": {"paused": true}, "status": null}), "me").unwrap();
    assert_eq!(merged.value()["status"]["observedGeneration"], 1);
    assert_eq!((merged.value()["metadata"]["generation"].as_i64(), merged.version()), (Some(2), version + 1));
    let again = server.merge("widgets", "default", "a", "", json!({"spec": {"paused": true}}), "me").unwrap();
    assert_eq!(again.version(), version + 1);
}

#[tokio::test]
async fn over_http_a_program_is_answered_and_a_web_page_of_another_place_changes_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), server());
    tokio::spawn(crate::http::serve(server.clone(), listener, std::future::pending()));
    let ask = async |host: &str, origin: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "n-"}}).to_string();
        let head = format!("POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: {host}\r\n{origin}");
        let rest = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (here, origin) = (address.to_string(), "origin: https://evil.example\r\n");
    assert!(ask(&here, origin).await.starts_with("HTTP/1.1 403 "));
    assert!(ask("evil.example", "").await.starts_with("HTTP/1.1 403 "));
    assert_eq!(server.list("configmaps", None).len(), 0);
    assert!(ask(&here, "").await.starts_with("HTTP/1.1 201 "));
    assert_eq!(server.list("configmaps", None).len(), 1);
}
