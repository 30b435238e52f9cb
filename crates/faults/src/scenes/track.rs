//! Configuration as part of a version.

use serde_json::json;
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, scene};

/// All of them. First the stable version comes to read a copy, by a release of its own.
pub(super) fn scenes() -> Vec<Scene> {
    let tracked = |name, ending, actions: &[(u64, Action)]| {
        let begun = [
            (0, Action::Await(Moment::In(Phase::Promoting))),
            (1, Action::Await(Moment::In(Phase::Stable))),
            (20, Action::Configure("new")),
        ];
        let spec = json!({"track": [{"configMap": "settings"}], "revisionHistoryLimit": 0});
        Scene { spec, ..scene(name, ending, [begun.as_slice(), actions].concat()) }
    };
    vec![
        tracked("another configuration", Ending::In(Phase::Stable, V1), &[]),
        tracked(
            "a configuration that fails, and is taken back",
            Ending::In(Phase::Stable, V1),
            &[
                (21, Action::Await(Moment::At("half"))),
                (31, Action::Fail(0.5)),
                (32, Action::Await(Moment::In(Phase::Reverted))),
                (42, Action::Configure("old")),
            ],
        ),
        tracked(
            "deleted while another configuration is on its way",
            Ending::HandedBack(V1),
            &[(21, Action::Await(Moment::At("canary"))), (31, Action::Delete("rollouts"))],
        ),
    ]
}
