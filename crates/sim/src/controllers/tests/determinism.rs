//! The same seed, the same run.

use serde_json::json;

use super::{
    Lab,
    lab::{NAME, SHOP, deployment, route, service},
};
use crate::controllers::{Delay, ModelSettings, PodBehaviour};

/// Everything that happens in a busy quarter of an hour, as bytes.
async fn busy(seed: u64) -> Vec<u8> {
    let mut lab = Lab::empty(seed, ModelSettings::default());
    lab.create(deployment(10));
    lab.create(service(NAME, json!({"app": NAME})));
    lab.create(route(&[(NAME, 1)]));
    lab.pass(60).await;
    lab.controllers.set_behaviour("checkout:2", PodBehaviour::crashing_after(Delay::millis(20_000, 90_000)));
    lab.release("checkout:2");
    lab.pass(120).await;
    lab.controllers.evict(SHOP, &lab.pods()[0].name).unwrap();
    lab.controllers.lose_node("node-2");
    lab.pass(600).await;
    lab.release("checkout:3");
    lab.pass(120).await;
    let line =
        |change: tidegate_apiserver::Change| format!("{:?} {}\n", change.what, change.object.value()).into_bytes();
    lab.log().into_iter().flat_map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run_byte_for_byte() {
    let (first, second, other) = (busy(7).await, busy(7).await, busy(8).await);
    assert!(first.len() > 100_000);
    assert!(first == second);
    assert!(first != other);
}
