//! Gates, and what people ask of a rollout.

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_sim::board::Manner;

use super::{Action, Ending, Moment, Scene, V1, V2, pushed};
use crate::numbers::DEPENDENCY;

/// A change that has to be approved before the start, a smoke test after the first stage, and a person before the promotion.
pub fn gated() -> Value {
    json!({
        "gates": {
            "start": [{"name": "change", "webhook": {"endpoint": "board"}}],
            "promote": [{"name": "sign-off", "approval": {}}],
        },
        "stages": [
            {"name": "canary", "weight": "25%", "bake": "30s", "after": [{"name": "smoke", "webhook": {"endpoint": "board"}}]},
            {"name": "half", "weight": "50%", "bake": "30s"},
            {"name": "full", "weight": "100%", "bake": "30s"},
        ],
    })
}

/// All of them.
pub(super) fn scenes() -> Vec<Scene> {
    let stable = || Ending::In(Phase::Stable, V2);
    let reverted = || Ending::In(Phase::Reverted, V1);
    let gated = |scene: Scene| Scene { spec: gated(), ..scene };
    let board = |manner: Manner| Action::Board(manner);
    let at = |stage: &'static str| (61, Action::Await(Moment::At(stage)));
    // Long after the gate is asked, however late a fault has that be.
    let signed = (261, Action::Approve("sign-off", "jane"));
    let impatient = |mut scene: Scene| {
        scene.spec["stages"][0]["after"][0]["timeout"] = json!("40s");
        scene.spec["stages"][0]["after"][0]["onTimeout"] = json!("Revert");
        scene
    };
    vec![
        gated(pushed("gates that all say yes", stable(), &[at("full"), signed.clone()])),
        gated(pushed("a gate that says no before the start", reverted(), &[(50, board(Manner::Stop))])),
        gated(pushed("a gate that says no after a stage", reverted(), &[at("canary"), (62, board(Manner::Stop))])),
        gated(pushed(
            "a webhook that waits, hangs and fails for a while",
            stable(),
            &[
                (50, board(Manner::Wait)),
                (80, board(Manner::Hang)),
                (110, board(Manner::Fail)),
                (140, board(Manner::Go)),
                (141, Action::Await(Moment::At("full"))),
                signed.clone(),
            ],
        )),
        gated(pushed(
            "errors while a gate waits",
            reverted(),
            &[at("canary"), (62, board(Manner::Hang)), (110, Action::Fail(0.5))],
        )),
        impatient(gated(pushed(
            "a gate that waits for too long",
            reverted(),
            &[at("canary"), (62, board(Manner::Wait))],
        ))),
        gated(pushed(
            "aborted at a gate",
            reverted(),
            &[at("canary"), (62, board(Manner::Wait)), (110, Action::Ask("abort"))],
        )),
        gated(pushed(
            "promoted by hand, but for the gates",
            stable(),
            &[at("canary"), (63, Action::Ask("promote")), (64, Action::Await(Moment::At("full"))), signed],
        )),
        pushed(
            "a version that failed is tried again",
            stable(),
            &[
                at("canary"),
                (62, Action::Fail(0.5)),
                (63, Action::Await(Moment::In(Phase::Reverted))),
                (64, Action::Fail(0.0)),
                (100, Action::Ask("retry")),
            ],
        ),
    ]
}

/// A number that has to be well before the second stage.
pub(super) fn numbers() -> Vec<Scene> {
    let waits = |scene: Scene| {
        let gate = json!([{"name": "ready", "query": {"expr": DEPENDENCY, "min": 1}}]);
        let mut spec = gated();
        spec["gates"] = json!({});
        spec["stages"][0]["after"] = json!([]);
        spec["stages"][1]["before"] = gate;
        Scene { spec, ..scene }
    };
    let unwell = [(50, Action::Dependency(0.0)), (61, Action::Await(Moment::At("canary")))];
    let then = |action: Action| [unwell.as_slice(), &[(120, action)]].concat();
    vec![
        waits(pushed("a number that is well again", Ending::In(Phase::Stable, V2), &then(Action::Dependency(1.0)))),
        waits(pushed("errors while a number is not well", Ending::In(Phase::Reverted, V1), &then(Action::Fail(0.5)))),
    ]
}

/// A Job, and behind it a service that lets it wait.
pub(super) fn one_behind_another() -> Vec<Scene> {
    let job =
        json!({"template": {"spec": {"template": {"spec": {"containers": [{"name": "test", "image": "test:1"}]}}}}});
    let mut spec = gated();
    spec["gates"] = json!({});
    spec["stages"][0]["after"] =
        json!([{"name": "soak", "job": job}, {"name": "smoke", "webhook": {"endpoint": "board"}}]);
    let waiting = pushed(
        "a service that waits behind a job",
        Ending::In(Phase::Stable, V2),
        &[
            (50, Action::Board(Manner::Wait)),
            (61, Action::Await(Moment::At("canary"))),
            (261, Action::Board(Manner::Go)),
            (262, Action::Await(Moment::At("full"))),
        ],
    );
    vec![Scene { spec, ..waiting }]
}

/// A person says yes in time while nothing may go on, and the time of the gate is over before it may again.
pub(super) fn frozen() -> Vec<Scene> {
    let mut spec = gated();
    spec["gates"] = json!({});
    spec["stages"][0]["after"] =
        json!([{"name": "sign-off", "approval": {}, "timeout": "240s", "onTimeout": "Revert"}]);
    let freeze = json!({"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]});
    let scene = pushed(
        "approved while frozen, with a timeout",
        Ending::In(Phase::Stable, V2),
        &[
            (61, Action::Await(Moment::At("canary"))),
            // The gate is asked, however late a fault has that be, and its time is up a while before the end.
            (201, Action::Edit(json!({"schedule": freeze}))),
            (211, Action::Approve("sign-off", "jane")),
            (461, Action::Edit(json!({"schedule": null}))),
        ],
    );
    vec![Scene { spec, length: 720, ..scene }]
}
