//! The way from a commit to a receiver that listens on this machine, on the embedded API server.

use std::sync::Mutex;

use axum::{Router, body::Bytes, http::StatusCode};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use tidegate_api::definitions;
use tidegate_apiserver::ApiServer;

use super::*;
use crate::controller::caches;

/// A service that remembers what it got.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Value>>>);

impl Receiver {
    async fn listen(&self) -> String {
        let got = self.0.clone();
        let take = move |body: Bytes| async move {
            got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            StatusCode::OK
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
        url
    }

    fn told(&self) -> Vec<String> {
        let text = |got: &Value| format!("{} {}", got["reason"].as_str().unwrap(), got["message"].as_str().unwrap());
        self.0.lock().unwrap().iter().map(text).collect()
    }
}

/// A cluster with one Rollout, and what is configured.
struct Lab {
    server: ApiServer,
    config: String,
    metrics: Arc<Metrics>,
}

impl Lab {
    fn new(url: &str, route: &str) -> Self {
        let server = ApiServer::new(Clock::System, 1);
        for definition in definitions() {
            server.create(serde_json::to_value(definition).unwrap(), "test").unwrap();
        }
        for (namespace, labels) in [("shop", json!({"tier": "1"})), ("tidegate", json!({}))] {
            let metadata = json!({"name": namespace, "labels": labels});
            server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}), "test").unwrap();
        }
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "analysis": {"checks": [{"name": "a", "query": {"expr": "vector(1)", "max": 2}}]},
        });
        let rollout = json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec,
        });
        server.create(rollout, "test").unwrap();
        let config =
            format!("receivers: [{{name: board, webhook: {{url: '{url}'}}}}]\nroutes: [{{receivers: [board]{route}}}]");
        Self { server, config, metrics: Arc::new(Metrics::new()) }
    }

    fn open(&self) -> Office {
        let client = self.server.client();
        let slices = kube::api::ApiResource::erase::<k8s_openapi::api::discovery::v1::EndpointSlice>(&());
        let watches = caches::watch_all(&client, None, &slices);
        tokio::spawn(watches.rollouts.for_each(|_| std::future::ready(())));
        tokio::spawn(watches.triggers.for_each(|_| std::future::ready(())));
        let config = Notifications::parse(&self.config, "n.yaml").unwrap();
        let settings = NotificationSettings {
            ways: Arc::new(Way::all(&config).unwrap()),
            config: Arc::new(config),
            namespace: "tidegate".to_owned(),
            record: "tidegate-notifications".to_owned(),
        };
        let leadership = Leadership::always();
        let (fill, filled) = watch::channel(false);
        let caches = watches.caches.clone();
        tokio::spawn(async move {
            caches.ready().await;
            fill.send_replace(true);
            fill.closed().await;
        });
        let filled = (watches.caches, filled);
        Office::open(settings, &client, Clock::System, filled, leadership, self.metrics.clone())
    }

    /// A step in the history of the Rollout, written down and not handed over; the oldest first.
    fn write(&self, steps: &[Transition]) {
        let history: Vec<_> = steps.iter().rev().collect();
        let patch = json!({"status": {"history": history}});
        self.server.merge("rollouts", "shop", "checkout", "status", patch, "test").unwrap();
    }

    fn rollout(&self) -> Rollout {
        let object = self.server.get("rollouts", "shop", "checkout").unwrap();
        object.parse().unwrap()
    }

    /// The first event in the namespace of the operator.
    async fn event(&self) -> Event {
        let events: Api<Event> = Api::namespaced(self.server.client(), "tidegate");
        let first = async {
            loop {
                let mut list = events.list(&ListParams::default()).await.unwrap();
                if !list.items.is_empty() {
                    return list.items.remove(0);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(20), first).await.unwrap()
    }

    /// What the ConfigMap says for people.
    fn receivers(&self) -> Option<String> {
        let object = self.server.get("configmaps", "tidegate", "tidegate-notifications")?;
        Some(object.value()["data"][RECEIVERS].as_str()?.to_owned())
    }
}

const RECEIVERS: &str = "receivers";

fn step(reason: &str, at: Timestamp) -> Transition {
    Transition {
        at,
        reason: reason.to_owned(),
        message: "because".to_owned(),
        revision: "v2".to_owned(),
        ..Transition::default()
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), so).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn what_the_loop_hands_over_is_told_and_kept() {
    let receiver = Receiver::default();
    let lab = Lab::new(&receiver.listen().await, "");
    let office = lab.open();
    until("it begins", || lab.receivers().is_some()).await;
    office.hand_over().hand_over(&lab.rollout(), &[step("Reverted", Timestamp::now())]);
    until("it is told", || receiver.told() == ["Reverted because"]).await;
    office.close().await;
    assert_eq!(lab.receivers().unwrap(), "board: 0 waiting\n");
    let text = lab.metrics.encode().unwrap();
    assert!(text.contains("tidegate_notifications_total{receiver=\"board\",outcome=\"delivered\"} 1"), "{text}");
}

#[tokio::test]
async fn whoever_leads_next_tells_what_was_written_and_not_told_and_nothing_else() {
    let receiver = Receiver::default();
    let lab = Lab::new(&receiver.listen().await, "");
    let begin = Timestamp::now();
    let old = step("Promoted", begin.saturating_sub(SignedDuration::from_hours(1)).unwrap());
    lab.write(std::slice::from_ref(&old));
    let office = lab.open();
    until("it begins", || lab.receivers().is_some()).await;
    let told = step("RolloutStarted", Timestamp::now());
    office.hand_over().hand_over(&lab.rollout(), std::slice::from_ref(&told));
    until("it is told", || receiver.told().len() == 1).await;
    office.close().await;

    let untold = step("Reverted", Timestamp::now());
    lab.write(&[old, told, untold]);
    let next = lab.open();
    until("the rest is told", || receiver.told().len() > 1).await;
    next.close().await;
    assert_eq!(receiver.told(), ["RolloutStarted because", "Reverted because"]);
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_of_and_nobody_waits_for_it() {
    let lab = Lab::new("http://127.0.0.1:1", "");
    let office = lab.open();
    until("it begins", || lab.receivers().is_some()).await;
    let hand_over = office.hand_over();
    let begun = Instant::now();
    for _ in 0..100 {
        hand_over.hand_over(&lab.rollout(), &[step("Reverted", Timestamp::now())]);
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    let event = lab.event().await;
    let (reason, kind) = (event.reason.as_deref(), event.type_.as_deref());
    assert_eq!((reason, kind), (Some("ReceiverFails"), Some("Warning")));
    assert_eq!(event.regarding.unwrap().name.as_deref(), Some("tidegate-notifications"));
    office.close().await;
    let receivers = lab.receivers().unwrap();
    assert!(
        receivers.starts_with("board: 100 waiting, fails since ") && receivers.contains("cannot be reached"),
        "{receivers}"
    );
}

#[tokio::test]
async fn namespaces_choose_receivers_by_the_labels_that_the_cluster_has() {
    let receiver = Receiver::default();
    let lab = Lab::new(&receiver.listen().await, ", namespaces: {labels: {tier: '1'}}");
    let office = lab.open();
    until("it begins", || lab.receivers().is_some()).await;
    let mut elsewhere = lab.rollout();
    elsewhere.metadata.namespace = Some("tidegate".to_owned());
    office.hand_over().hand_over(&elsewhere, &[step("Aborted", Timestamp::now())]);
    office.hand_over().hand_over(&lab.rollout(), &[step("Reverted", Timestamp::now())]);
    until("it is told", || !receiver.told().is_empty()).await;
    office.close().await;
    assert_eq!(receiver.told(), ["Reverted because"]);
}

#[test]
fn without_receivers_nothing_is_handed_over() {
    let hand_over = HandOver::default();
    assert!(hand_over.told.is_none());
}
