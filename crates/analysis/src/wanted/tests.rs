use serde_json::{Value, json};
use tidegate_api::{CheckStatus, Verdict};

use crate::{
    AnalysisResult,
    tests::lab::{Curve, Lab, errors},
};

/// Two stages, of which `half` counts the same requests once more, against a limit of its own.
fn stages() -> Value {
    let mut own = errors();
    own["name"] = json!("own");
    own["errorRate"]["max"] = json!("2%");
    json!([
        {"name": "canary", "weight": "25%"},
        {"name": "half", "weight": "50%", "checks": [own]},
        {"name": "full", "weight": "100%"},
    ])
}

/// Twenty requests a second to each version; of the new one's, half fail in the first five minutes.
const BAD_AT_FIRST: Curve = |query, at| {
    let bad = if query.contains("new") { at.clamp(0, 300) } else { 0 };
    (if query.starts_with("bad") { bad * 10 } else { (at + 10_000) * 20 } as f64).into()
};

fn names(seen: &AnalysisResult) -> Vec<&str> {
    seen.checks.iter().map(|check| check.name.as_str()).collect()
}

fn own(seen: &AnalysisResult) -> CheckStatus {
    seen.checks.iter().find(|check| check.name == "own").unwrap().clone()
}

/// What is said at the end of so many looks, ten seconds apart.
async fn watched(lab: &Lab, stage: &str, begun: &[(&str, i64)], (from, to): (i64, i64)) -> AnalysisResult {
    for at in (from..to).step_by(10) {
        lab.look_in(stage, begun, at).await;
    }
    lab.look_in(stage, begun, to).await
}

#[tokio::test(start_paused = true)]
async fn a_check_of_a_stages_own_is_asked_from_when_its_weight_is_in_force_until_the_next_stage_is_entered() {
    let lab = Lab::in_stages(BAD_AT_FIRST, &stages(), &errors());
    let canary = [("canary", 0)];
    assert_eq!(names(&lab.look_in("canary", &canary, 60).await), ["errors"]);
    assert_eq!(names(&lab.look_in("half", &canary, 70).await), ["errors"], "its weight is not in force");
    let half = [("canary", 0), ("half", 80)];
    assert_eq!(names(&lab.look_in("half", &half, 90).await), ["errors", "own"]);
    assert_eq!(names(&lab.look_in("full", &half, 100).await), ["errors"]);
}

#[tokio::test(start_paused = true)]
async fn what_it_counts_begins_with_its_stage() {
    let lab = Lab::in_stages(BAD_AT_FIRST, &stages(), &errors());
    let begun = [("canary", 0), ("half", 400)];
    let seen = watched(&lab, "half", &begun, (400, 700)).await;
    assert_eq!(seen.checks[0].verdict, Verdict::Fail, "what the Rollout's own check saw before stands");
    assert_eq!(own(&seen).verdict, Verdict::Pass, "{}", own(&seen).message);
    let sample = own(&seen).sample.unwrap();
    assert!((5000..6200).contains(&sample), "{sample} requests in five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_step_back_forgets_it() {
    let lab = Lab::in_stages(BAD_AT_FIRST, &stages(), &errors());
    let first = [("canary", -200), ("half", 100)];
    assert_eq!(own(&watched(&lab, "half", &first, (100, 200)).await).verdict, Verdict::Fail);
    let back = [("canary", -200), ("half", 100), ("canary", 310)];
    assert_eq!(names(&watched(&lab, "canary", &back, (310, 390)).await), ["errors"]);
    let again = [("canary", -200), ("half", 100), ("canary", 310), ("half", 400)];
    let seen = watched(&lab, "half", &again, (400, 700)).await;
    assert_eq!(own(&seen).verdict, Verdict::Pass, "{}", own(&seen).message);
}
