//! The runbooks: each goes in each of its scenarios as that expects.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tidegate_sim::{
    scenario::{Manifests, Outcome, Scenario},
    simulation::simulate,
};

/// A good release, one that fails in the phase that is feared most, one that a person holds, one whose dependency fails.
const FEWEST: usize = 4;

fn folder(runbook: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks").join(runbook)
}

/// Its scenarios, by name.
fn scenarios(runbook: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(runbook).join("scenarios")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= FEWEST, "{runbook} has {} scenarios", files.len());
    files
}

/// Plays all scenarios of a runbook.
fn plays(runbook: &str) {
    let mut wrong = Vec::new();
    for file in scenarios(runbook) {
        let scenario = Scenario::load(&file).unwrap_or_else(|mistake| panic!("{mistake}"));
        let manifests = Manifests::load(&[folder(runbook)], &file).and_then(Manifests::complete);
        let manifests = manifests.unwrap_or_else(|mistake| panic!("{mistake}"));
        let report = simulate(&manifests, &scenario, 1).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        wrong.extend(report.failures.iter().map(|failure| format!("{}: {failure}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Days and weeks take minutes together: `EXAMPLES=whole` plays them.
fn plays_when_all_is_played(runbook: &str) {
    if env::var("EXAMPLES").is_ok_and(|how| how == "whole") {
        plays(runbook);
    }
}

#[test]
fn the_phased_canary_goes_as_its_scenarios_expect() {
    plays_when_all_is_played("phased-canary");
}

#[test]
fn the_tool_server_cutover_goes_as_its_scenarios_expect() {
    plays("tool-server-cutover");
}

#[test]
fn the_staged_user_release_goes_as_its_scenarios_expect() {
    plays_when_all_is_played("staged-user-release");
}

#[test]
fn the_validated_cutover_goes_as_its_scenarios_expect() {
    plays("validated-cutover");
}

#[test]
fn the_service_with_dependencies_goes_as_its_scenarios_expect() {
    plays("service-with-dependencies");
}

#[test]
fn a_scenario_of_a_runbook_expects_who_serves_or_an_outcome_in_time_and_bounds_who_is_hurt() {
    let all = fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    for file in all.flat_map(|runbook| scenarios(&runbook)) {
        let scenario = Scenario::load(&file).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert!(!scenario.expect.0.is_empty(), "{} expects nothing", file.display());
        for expected in &scenario.expect.0 {
            // A version that never starts has no outcome.
            let in_time = expected.outcome.is_some() && expected.within.is_some();
            assert!(in_time || expected.serving.is_some(), "{}: {expected:?}", file.display());
            let bad = expected.outcome == Some(Outcome::Reverted);
            assert!(!bad || expected.exposed_at_most.is_some(), "{}: {expected:?}", file.display());
        }
    }
}
