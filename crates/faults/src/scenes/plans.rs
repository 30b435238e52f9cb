//! Plans that go a step back, and that wait for days to be over.

use serde_json::{Value, json};
use tidegate_api::Phase;

use super::{Action, Ending, Moment, Scene, V1, V2, progressive, pushed};

/// All pods are there before any traffic is, and then all of it comes at once.
fn blue_green() -> Value {
    json!({"stages": [
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "30s", "preview": {"service": "checkout-preview"}},
        {"name": "full", "weight": "100%", "bake": "30s"},
    ]})
}

/// One stage back instead of all the way, and days on which nothing goes on.
pub(super) fn scenes() -> Vec<Scene> {
    let stable = || Ending::In(Phase::Stable, V2);
    let reverted = || Ending::In(Phase::Reverted, V1);
    let frozen = |days: &[&str]| Action::Edit(json!({"schedule": {"timeZone": "UTC", "freeze": days}}));
    let fails = [(61, Action::Await(Moment::At("half"))), (71, Action::Fail(0.5))];
    // Over before it is noticed.
    let through = [fails.as_slice(), &[(79, Action::Fail(0.0))]].concat();
    let stepping_back = |mut scene: Scene| {
        scene.spec["onFailure"] = json!("StepBack");
        scene
    };
    let windowed = |scene: Scene| Scene { spec: json!({"rollbackWindow": {"for": "1h"}}), ..scene };
    let blue_green = |scene: Scene| Scene { spec: blue_green(), ..scene };
    let following = |scene: Scene| Scene { spec: progressive(), ..scene };
    let freeze = [(61, Action::Await(Moment::At("canary"))), (62, frozen(&["2000-01-01/2100-12-31"]))];
    let thaws = [freeze.as_slice(), &[(150, frozen(&[]))]].concat();
    let fails_frozen = [freeze.as_slice(), &[(150, Action::Fail(0.5))]].concat();
    vec![
        stepping_back(pushed("a step back, and through", stable(), &through)),
        stepping_back(pushed("a step back, and all the way", reverted(), &fails)),
        stepping_back(Scene { routed: false, ..pushed("a step back by pods", reverted(), &fails) }),
        stepping_back(following(pushed("capacity follows a step back", reverted(), &fails))),
        pushed("days on which nothing goes on", stable(), &thaws),
        pushed("errors on days on which nothing goes on", reverted(), &fails_frozen),
        windowed(pushed(
            "back at once after a promotion",
            Ending::In(Phase::Stable, V1),
            &[
                (61, Action::Await(Moment::In(Phase::Promoting))),
                (62, Action::Await(Moment::In(Phase::Stable))),
                (70, Action::Push(V1)),
            ],
        )),
        blue_green(pushed("all at once, after a preview", stable(), &[])),
        blue_green(pushed(
            "errors after all at once",
            reverted(),
            &[(61, Action::Await(Moment::At("full"))), (71, Action::Fail(0.5))],
        )),
    ]
}
