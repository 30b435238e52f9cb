//! Stages that are looked at now and then, and ask something of their own.

use serde_json::{Value, json};
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, V2, pushed};

/// The second stage is looked at more rarely with time, and has a check that the others have not.
pub fn rarely_seen() -> Value {
    let own = json!({"name": "own", "errorRate": {"preset": "pod-http", "max": "10%"}});
    json!({
        "stages": [
            {"name": "canary", "weight": "25%", "bake": "30s"},
            {
                "name": "half", "weight": "50%", "bake": "50s", "checks": [own],
                "cadence": [{"every": "10s"}, {"after": "20s", "every": "20s"}],
            },
            {"name": "full", "weight": "100%", "bake": "30s"},
        ],
    })
}

/// All of them.
pub(super) fn scenes() -> Vec<Scene> {
    let seen = |scene: Scene| Scene { spec: rarely_seen(), ..scene };
    vec![
        seen(pushed("looks that become rarer", Ending::In(Phase::Stable, V2), &[])),
        seen(pushed(
            "errors between two looks",
            Ending::In(Phase::Reverted, V1),
            &[(61, Action::Await(Moment::At("half"))), (86, Action::Fail(0.5))],
        )),
    ]
}
