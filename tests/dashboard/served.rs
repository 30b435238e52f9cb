//! A dashboard in this process, over Rollouts that no cluster would take.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_apiserver::ApiServer;
use tidegate_clock::Clock;
use tidegate_dashboard::{Access, Dashboard, Laptop, Server, Store};

/// A dashboard. Dropping it ends it.
pub struct Served {
    /// Where it is.
    pub link: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Over the Rollouts of the crate's example, which stand still.
    pub fn still() -> Self {
        Self::new(|store, _| {
            let text = include_str!("../../crates/dashboard/examples/look.json");
            let rollouts: Vec<Value> = serde_json::from_str(text).unwrap();
            for rollout in rollouts {
                store.put(rollout, Timestamp::now());
            }
            store.complete();
        })
    }

    /// Over `count` Rollouts that change all the time, thousands of them in a second, of a cluster that cannot be read for
    /// three seconds of six.
    pub fn restless(count: usize) -> Self {
        Self::new(move |store, is_over| {
            let mut version = 0;
            for number in 0..count {
                store.put(rollout(number, version), Timestamp::now());
            }
            store.complete();
            while !is_over.load(Ordering::Relaxed) {
                version += 1;
                (0..count).step_by(3).for_each(|number| store.put(rollout(number, version), Timestamp::now()));
                let is_gone = version / 30 % 2 == 1;
                store.trouble("", is_gone.then_some("the cluster does not answer"), Timestamp::now());
                thread::sleep(Duration::from_millis(100));
            }
        })
    }

    fn new(fill: impl FnOnce(&Store, &AtomicBool) + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::channel();
        let (over, store) = (is_over.clone(), Arc::new(Store::default()));
        let shown = store.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
                let client = ApiServer::new(Clock::System, 1).client();
                let laptop = Laptop::new(client, server.address().unwrap().port());
                tell.send(laptop.link()).unwrap();
                let explain = Arc::new(|_: &_, _| Vec::new());
                let dashboard = Dashboard::new(shown, Access::Laptop(laptop), Arc::new(Timestamp::now), explain);
                server.run(Arc::new(dashboard)).await.unwrap();
            });
        });
        let link = told.recv().unwrap();
        let thread = thread::spawn(move || fill(&store, &over));
        Self { link, is_over, thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn rollout(number: usize, version: usize) -> Value {
    let weight = format!("{}%", version % 100);
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"namespace": format!("team-{}", number % 20), "name": format!("app-{number}"), "resourceVersion": version.to_string()},
        "spec": {"workload": {"kind": "Deployment", "name": "app"}, "service": "app"},
        "status": {
            "phase": "Progressing", "message": format!("at {weight}"), "canary": {"revision": "a", "replicaSet": "a"},
            "stage": {"name": "canary", "index": 1, "of": 3, "weight": weight, "weightInForce": weight, "enteredAt": "2026-03-02T09:00:00Z"},
        },
    })
}
