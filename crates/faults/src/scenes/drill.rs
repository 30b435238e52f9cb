//! A way back that is tried before it is needed.

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_sim::controllers::GatewayMode;

use super::{Action, Ending, Moment, Scene, V1, V2, pushed};

/// All at once, after a rehearsal.
fn rehearsed(within: &str) -> Value {
    json!({"stages": [
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "10s"},
        {"name": "rehearsal", "weight": "25%", "replicas": "100%", "bake": "30s", "drill": {"within": within}},
        {"name": "full", "weight": "100%", "bake": "30s"},
    ]})
}

/// Drills that end well, and badly.
pub(super) fn scenes() -> Vec<Scene> {
    let reverted = || Ending::In(Phase::Reverted, V1);
    let drilled = |within: &str, scene: Scene| Scene { spec: rehearsed(within), ..scene };
    let at = |stage: &'static str| (61, Action::Await(Moment::At(stage)));
    vec![
        drilled("5m", pushed("a drill before all at once", Ending::In(Phase::Stable, V2), &[])),
        drilled("5m", pushed("errors after a drill", reverted(), &[at("full"), (71, Action::Fail(0.5))])),
        drilled("5m", pushed("errors in a rehearsal", reverted(), &[at("rehearsal"), (71, Action::Fail(0.5))])),
        // Silent for longer than the drill may take, whatever else is late.
        drilled(
            "20s",
            pushed(
                "a drill that takes too long",
                reverted(),
                &[
                    at("rehearsal"),
                    (62, Action::Gateway(GatewayMode::Silent)),
                    (71, Action::Await(Moment::In(Phase::Reverting))),
                    (72, Action::Gateway(GatewayMode::Accepting)),
                ],
            ),
        ),
    ]
}
