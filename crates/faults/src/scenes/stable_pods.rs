//! What becomes of the stable version's pods, by what a plan says of them or somebody asks.

use serde_json::{Value, json};
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, V2, pushed, scene};

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
    let restart = Action::Ask("restart");
    vec![
        Scene {
            spec: kept_warm(),
            ..pushed("errors after all at once, with few pods kept warm", Ending::In(Phase::Reverted, V1), &fails)
        },
        scene(
            "a restart",
            Ending::In(Phase::Stable, V1),
            vec![(0, Action::Await(Moment::In(Phase::Stable))), (20, restart.clone())],
        ),
        scene(
            "a new version while pods are replaced",
            Ending::In(Phase::Stable, V2),
            vec![(0, Action::Await(Moment::In(Phase::Stable))), (20, restart), (27, Action::Push(V2))],
        ),
    ]
}
