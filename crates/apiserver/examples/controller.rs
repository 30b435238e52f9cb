//! A controller and its test: every `ConfigMap` gets a label, and a simulated day passes in no time.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{Controller, controller::Action, watcher::Config},
};
use serde_json::json;
use tidegate_apiserver::ApiServer;
use tidegate_clock::Clock;

/// What is tested.
async fn reconcile(object: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, kube::Error> {
    let api: Api<ConfigMap> = Api::default_namespaced(Client::clone(&client));
    let labelled = Patch::Merge(json!({"metadata": {"labels": {"seen": "yes"}}}));
    api.patch(&object.name_any(), &PatchParams::default(), &labelled).await?;
    Ok(Action::await_change())
}

fn later(_: Arc<ConfigMap>, _: &kube::Error, _: Arc<Client>) -> Action {
    Action::requeue(Duration::from_mins(1))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ApiServer::new(Clock::starting_at("2026-03-02T09:00:00Z".parse()?), 1);
    let api: Api<ConfigMap> = Api::default_namespaced(server.client());
    let controller = Controller::new(api, Config::default()).run(reconcile, later, Arc::new(server.client()));
    let running = tokio::spawn(controller.for_each(|_| std::future::ready(())));

    for name in ["a", "b"] {
        let metadata = json!({"name": name, "namespace": "default"});
        server.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}), "somebody")?;
    }
    // Whoever waits for it would wait for a day; the clock jumps.
    tokio::time::sleep(Duration::from_hours(24)).await;

    for object in server.list("configmaps", Some("default")) {
        assert_eq!(object.value()["metadata"]["labels"]["seen"], "yes", "{}", object.name());
        println!("{} at {}: {}", object.name(), server.now(), object.value()["metadata"]["labels"]);
    }
    running.abort();
    Ok(())
}
