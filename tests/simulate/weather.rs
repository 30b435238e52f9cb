//! What verdicts have to stand: things that happened to the version that serves.

use crate::command::{Plan, ROLLOUT};

/// Ten minutes before a version that fails five times as often as it may, so many of stable's requests failed for half a
/// minute.
fn bad_after(hiccup: u32) -> String {
    format!(
        "traffic: {{requestsPerSecond: 60}}
versions:
  stable: {{errors: [{{from: 0s, rate: 0.02%}}, {{from: 15m, rate: {hiccup}%}}, {{from: 930s, rate: 0.02%}}]}}
  canary: {{errors: 5%}}
events: [{{at: 25m, release: {{image: 'checkout:v2'}}}}]
until: 31m
expect: {{outcome: Reverted, within: 5m}}
"
    )
}

fn reverted(hiccup: u32, check: &str) {
    let plan = Plan::new(&bad_after(hiccup));
    let stages = "stages: [{name: canary, weight: 5%, bake: 10m}, {name: full, weight: 100%, bake: 1m}]";
    let rollout = ROLLOUT
        .replace("stages: [{name: full, weight: 100%, bake: 1m}]", stages)
        .replace("errorRate: {preset: pod-http, max: 1%}", &format!("errorRate: {{preset: pod-http, {check}}}"));
    assert!(rollout.contains(stages) && rollout.contains(check), "{rollout}");
    plan.write("rollout.yaml", &rollout);
    for seed in ["1", "2", "3"] {
        let outcome = plan.simulate(&["--seed", seed]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{hiccup} %, {check}: {}", outcome.printed);
    }
}

#[test]
fn a_bad_version_is_reverted_within_five_minutes_after_a_hiccup_of_whatever_size() {
    for hiccup in [1, 5, 10, 30, 90, 100] {
        reverted(hiccup, "max: 1%");
    }
}

#[test]
fn so_is_one_that_is_compared_with_stable() {
    for hiccup in [1, 10, 90, 100] {
        reverted(hiccup, "relative: {ratio: 1.5, margin: 1%}");
    }
}
