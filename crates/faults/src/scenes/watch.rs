//! A version that is judged on after its promotion.

use serde_json::json;
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, V2, V3, pushed};

/// All of them.
pub(super) fn scenes() -> Vec<Scene> {
    let watched = |on_failure: &str, scene: Scene| {
        let mut spec = json!({"watch": {"for": "2m"}});
        spec["watch"]["onFailure"] = json!(on_failure);
        Scene { spec, ..scene }
    };
    let over = [(61, Action::Await(Moment::In(Phase::Promoting))), (62, Action::Await(Moment::In(Phase::Stable)))];
    let fails = [over.as_slice(), &[(70, Action::Fail(0.5))]].concat();
    vec![
        watched("Revert", pushed("watched to the end", Ending::In(Phase::Stable, V2), &[])),
        watched("Revert", pushed("errors after the promotion", Ending::In(Phase::Reverted, V1), &fails)),
        watched("Notify", pushed("errors after the promotion, and nobody acts", Ending::In(Phase::Stable, V2), &fails)),
    ]
}

/// Somebody pushed the next one, which may not start yet.
pub(super) fn beside_one_that_waits() -> Vec<Scene> {
    let actions = [
        (61, Action::Await(Moment::In(Phase::Promoting))),
        (62, Action::Await(Moment::In(Phase::Stable))),
        (65, Action::Edit(json!({"paused": true}))),
        (70, Action::Push(V3)),
        (80, Action::Fail(0.5)),
    ];
    let name = "errors after the promotion while another version waits";
    let spec = json!({"watch": {"for": "5m", "onFailure": "Revert"}});
    vec![Scene { spec, ..pushed(name, Ending::In(Phase::Stable, V1), &actions) }]
}
