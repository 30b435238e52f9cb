//! Gates, and what people ask of a rollout.

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_sim::{board::Manner, scenario::JobsEnd};

use super::{Action, Ending, Moment, Scene, V1, V2, pushed};

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

/// A smoke test before the start, and a longer one after the first stage.
fn tested() -> Value {
    let job =
        json!({"template": {"spec": {"template": {"spec": {"containers": [{"name": "test", "image": "test:1"}]}}}}});
    let mut plan = gated();
    plan["gates"] = json!({"start": [{"name": "smoke", "job": job}]});
    plan["stages"][0]["after"] = json!([{"name": "soak", "job": job}]);
    plan
}

/// Jobs that answer.
pub(super) fn jobs() -> Vec<Scene> {
    let reverted = || Ending::In(Phase::Reverted, V1);
    let tested = |scene: Scene| Scene { spec: tested(), ..scene };
    let at = |stage: &'static str| (61, Action::Await(Moment::At(stage)));
    let end = Action::Jobs;
    vec![
        tested(pushed("jobs that succeed", Ending::In(Phase::Stable, V2), &[at("full")])),
        tested(pushed("a job that fails before the start", reverted(), &[(50, end(JobsEnd::Fail))])),
        tested(pushed("a job that fails after a stage", reverted(), &[at("canary"), (62, end(JobsEnd::Fail))])),
        tested(pushed(
            "jobs that somebody deletes while they run",
            Ending::In(Phase::Stable, V2),
            &[
                (50, end(JobsEnd::Hang)),
                (75, Action::DeleteJobs),
                (90, end(JobsEnd::Succeed)),
                (91, Action::DeleteJobs),
                (92, Action::Await(Moment::At("full"))),
            ],
        )),
        tested(pushed(
            "errors while a job runs",
            reverted(),
            &[at("canary"), (62, end(JobsEnd::Hang)), (110, Action::Fail(0.5))],
        )),
    ]
}

/// A version that is judged on after its promotion.
pub(super) fn watches() -> Vec<Scene> {
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
