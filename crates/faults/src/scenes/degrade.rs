//! Versions that may do without something.

use serde_json::json;
use tidegate_api::Phase;
use tidegate_sim::board::Manner;

use super::{Action, Ending, Moment, Scene, V1, V2, pushed};

/// Errors that end, or do not, when a service has switched something off.
pub(super) fn scenes() -> Vec<Scene> {
    let reverted = || Ending::In(Phase::Reverted, V1);
    let degrading = |mut scene: Scene| {
        scene.spec["degrade"] = json!({"by": {"name": "flags-off", "webhook": {"endpoint": "board"}}, "wait": "30s"});
        scene
    };
    let fails = [(61, Action::Await(Moment::At("half"))), (71, Action::Fail(0.5))];
    let then = |at: u64, action: Action| [fails.as_slice(), &[(at, action)]].concat();
    vec![
        degrading(pushed("errors that a switch ends", Ending::In(Phase::Stable, V2), &then(90, Action::Fail(0.0)))),
        degrading(pushed("errors that no switch ends", reverted(), &fails)),
        degrading(pushed(
            "errors, and nobody to switch anything off",
            reverted(),
            &then(72, Action::Board(Manner::Hang)),
        )),
    ]
}
