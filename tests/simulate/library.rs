//! The library of weather: what each file has to have, and what becomes of some of them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tidegate_sim::{
    scenario::{Manifests, Outcome, Scenario},
    simulation::simulate,
};

/// These are played whenever the tests are; `EXAMPLES=whole` plays all.
const ALWAYS: [&str; 3] = ["clock-behind", "health-checks", "one-bad-pod"];

/// In these a verdict comes late with the seed that is played, if at all: docs/judging.md, "In all kinds of weather". A wrong
/// one it must not be.
const LATE: [&str; 2] = ["batch-clients", "small-crowds"];

/// All files, by name.
fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/weather");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "only {} scenarios were found", files.len());
    files
}

fn scenario(file: &Path) -> Scenario {
    Scenario::load(file).unwrap_or_else(|mistake| panic!("{mistake}"))
}

#[test]
fn every_scenario_has_a_good_release_that_is_to_be_promoted_and_a_bad_one_that_is_to_hurt_few() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# "), "{} does not say what the weather is", file.display());
        let scenario = scenario(&file);
        let each = scenario.each();
        let [(Some("bad"), bad), (Some("good"), good)] = each.as_slice() else {
            panic!("{} has other variants than good and bad", file.display())
        };
        let expected = |scenario: &Scenario| scenario.expect.0.first().cloned().unwrap_or_default();
        let (bad, good) = (expected(bad), expected(good));
        assert_eq!([bad.outcome, good.outcome], [Some(Outcome::Reverted), Some(Outcome::Promoted)], "{file:?}");
        assert!(bad.within.is_some() && good.within.is_some() && bad.exposed_at_most.is_some(), "{file:?}");
    }
}

#[test]
fn lint_finds_no_fault_in_any_of_them() {
    for file in files() {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("lint").arg(&file).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), printed.as_str()), (Some(0), ""), "{}", file.display());
    }
}

#[test]
fn releases_in_the_weather_go_as_they_should() {
    let whole = env::var("EXAMPLES").is_ok_and(|how| how == "whole");
    let mut wrong = Vec::new();
    for file in files() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if !whole && !ALWAYS.contains(&name) {
            continue;
        }
        let manifests = Manifests::load(&[], &file).and_then(Manifests::complete);
        let manifests = manifests.unwrap_or_else(|mistake| panic!("{mistake}"));
        for (variant, scenario) in scenario(&file).each() {
            let report = simulate(&manifests, &scenario, 1).unwrap_or_else(|error| panic!("{name}: {error}"));
            let variant = variant.unwrap_or_default();
            let outcome = report.releases.last().map(|release| release.outcome);
            let opposite = if variant == "good" { Outcome::Reverted } else { Outcome::Promoted };
            if LATE.contains(&name) && outcome != Some(opposite) {
                continue;
            }
            wrong.extend(report.failures.iter().map(|failure| format!("{name}, {variant}: {failure}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
