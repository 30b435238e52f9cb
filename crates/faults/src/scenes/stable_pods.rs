//! What becomes of the stable version's pods, by what a plan says of them or somebody asks.

use serde_json::{Value, json};
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, pushed};

/// All at once, with one pod in five of the version before kept up.
fn kept_warm() -> Value {
    json!({"stages": [
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "30s"},
        {"name": "full", "weight": "100%", "bake": "60s", "stableReplicas": "20%"},
    ]})
}

/// All of them.
pub(super) fn scenes() -> Vec<Scene> {
    let fails = [(61, Action::Await(Moment::At("full"))), (80, Action::Fail(0.5))];
    vec![Scene {
        spec: kept_warm(),
        ..pushed("errors after all at once, with few pods kept warm", Ending::In(Phase::Reverted, V1), &fails)
    }]
}
