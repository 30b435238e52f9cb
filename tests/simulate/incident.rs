//! An incident that has nothing to do with the release: nobody goes on in it, and nobody is blamed for it.

use crate::command::{Outcome, ROLLOUT, ScenarioFile};

const STAGES: &str = "stages: [{name: canary, weight: 5%, bake: 5m}, {name: quarter, weight: 25%, bake: 5m}, \
                      {name: full, weight: 100%, bake: 5m}]";

/// A release at minute 15 that is checked with `check`, on `analysis`, of a version that fails like this beside a stable
/// version that fails like that.
fn released([stable, canary]: [&str; 2], check: &str, analysis: &str, expected: &str) -> ScenarioFile {
    let plan = ScenarioFile::new(&format!(
        "traffic: {{requestsPerSecond: 60}}
versions: {{stable: {{errors: {stable}}}, canary: {{errors: {canary}}}}}
events: [{{at: 15m, release: {{image: 'checkout:v2'}}}}]
until: 100m
expect: {{{expected}}}
"
    ));
    let rollout = ROLLOUT
        .replace("stages: [{name: full, weight: 100%, bake: 1m}]", STAGES)
        .replace("  analysis:\n", &format!("  analysis:\n{analysis}"))
        .replace("errorRate: {preset: pod-http, max: 1%}", &format!("errorRate: {{preset: pod-http, {check}}}"));
    assert!(rollout.contains(STAGES) && rollout.contains(check), "{rollout}");
    plan.write("rollout.yaml", &rollout);
    plan
}

/// The first line of each step of that name, with the minutes since the start.
fn minutes_of<'a>(outcome: &'a Outcome, step: &str) -> Vec<(u32, &'a str)> {
    let lines = outcome.printed.lines().filter(|line| line.split_whitespace().nth(4) == Some(step));
    let minute = |line: &str| line.split_whitespace().nth(2)?.strip_prefix('+')?.split_once('m')?.0.parse().ok();
    lines.filter_map(|line| Some((minute(line)?, line))).collect()
}

/// What was printed, without the breaks of its lines.
fn sentences(outcome: &Outcome) -> String {
    outcome.printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A database fails a tenth of the requests of both versions for ten minutes, in the middle of a stage.
const SHARED: &str = "[{from: 0s, rate: 0.1%}, {from: 23m, rate: 10%}, {from: 33m, rate: 0.1%}]";

const COMPARED: &str = "relative: {ratio: 1.5, margin: 0.5%}";

#[test]
fn no_stage_is_left_in_an_incident_of_both_versions_and_the_good_one_is_promoted_after_it() {
    let plan = released([SHARED, SHARED], COMPARED, "", "outcome: Promoted, within: 40m");
    for seed in ["1", "2", "3", "4"] {
        let outcome = plan.simulate(&["--seed", seed]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "seed {seed}: {}", outcome.printed);
        let passed = minutes_of(&outcome, "StagePassed");
        assert!(!passed.is_empty() && passed.iter().all(|(at, _)| !(23..33).contains(at)), "{passed:?}");
        let [began, over] = ["StableUnwell", "StableUnwellOver"].map(|step| minutes_of(&outcome, step));
        assert!(matches!(began[..], [(22 | 23, _)]), "told once when it begins: {began:?}");
        assert!(matches!(over[..], [(34..=36, _)]), "told once when it is over: {over:?}");
        for said in ["stable itself: ", "usually 0.", "the stage waits until", "analysis.onStableUnwell: Ignore"] {
            assert!(sentences(&outcome).contains(said), "{said:?} in {}", outcome.printed);
        }
    }
}

#[test]
fn a_version_that_is_certainly_worse_in_it_is_still_reverted() {
    let worse = "[{from: 0s, rate: 0.1%}, {from: 23m, rate: 25%}, {from: 33m, rate: 15%}]";
    for check in [COMPARED, "max: 2%"] {
        let plan = released([SHARED, worse], check, "", "outcome: Reverted, within: 15m");
        for seed in ["1", "2", "3"] {
            let outcome = plan.simulate(&["--seed", seed]);
            assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{check}, {seed}: {}", outcome.printed);
        }
    }
}

#[test]
fn the_fix_for_an_incident_of_stable_alone_is_promoted_in_it() {
    for from in ["10m", "22m"] {
        let ill = format!("[{{from: 0s, rate: 0.02%}}, {{from: {from}, rate: 60%}}]");
        for check in ["max: 1%", COMPARED] {
            let plan = released([&ill, "0.02%"], check, "", "outcome: Promoted, within: 30m");
            let outcome = plan.simulate(&["--seed", "1"]);
            assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{from}, {check}: {}", outcome.printed);
            assert!(sentences(&outcome).contains("and the new version is well meanwhile"), "{}", outcome.printed);
        }
    }
}

#[test]
fn who_went_on_in_an_incident_all_the_same_is_not_reverted_for_it_where_stable_has_no_traffic_any_more() {
    let ignore = "    onStableUnwell: Ignore\n    controlShare: 0%\n";
    let plan = released([SHARED, SHARED], COMPARED, ignore, "outcome: Promoted, stage: full");
    for seed in ["1", "2", "3", "4"] {
        let outcome = plan.simulate(&["--seed", seed]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "seed {seed}: {}", outcome.printed);
        let entered = minutes_of(&outcome, "StageEntered");
        assert!(matches!(entered[..], [.., (23..=32, _)]), "the last stage begins in it: {}", outcome.printed);
        assert!(!outcome.printed.contains("Reverted"), "{}", outcome.printed);
        assert!(!outcome.printed.contains("StableUnwell"), "{}", outcome.printed);
    }
}

/// The same incident, when the last stage is nearly over.
const LATE: &str = "[{from: 0s, rate: 0.1%}, {from: 35m, rate: 10%}, {from: 45m, rate: 0.1%}]";

#[test]
fn an_incident_in_the_last_stage_is_told_from_a_failure_by_what_stable_keeps_of_the_traffic() {
    let stages = STAGES.replace("weight: 100%, bake: 5m", "weight: 100%, bake: 15m");
    let of = |canary, expected: &str| {
        let plan = released([LATE, canary], COMPARED, "", expected);
        plan.write("rollout.yaml", &plan.read("rollout.yaml").replace(STAGES, &stages));
        plan
    };
    let good = of(LATE, "outcome: Promoted, stage: full");
    let bad = of("[{from: 0s, rate: 0.1%}, {from: 35m, rate: 30%}]", "outcome: Reverted, stage: full");
    for (plan, seed) in [&good, &bad].into_iter().flat_map(|plan| ["1", "2", "3", "4"].map(|seed| (plan, seed))) {
        let outcome = plan.simulate(&["--seed", seed]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "seed {seed}: {}", outcome.printed);
        assert!(sentences(&outcome).contains("(1% stays with stable to be compared with)"), "{}", outcome.printed);
        let told = minutes_of(&outcome, "StableUnwell");
        assert!(told.len() == 1, "told once: {told:?}");
        assert_eq!(outcome.printed.contains("Reverted"), std::ptr::eq(plan, &raw const bad), "{}", outcome.printed);
    }
}
