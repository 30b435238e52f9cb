//! Gates that run a Job.

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_sim::scenario::JobsEnd;

use super::{Action, Ending, Moment, Scene, V1, V2, gates::gated, pushed};

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
pub(super) fn scenes() -> Vec<Scene> {
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
