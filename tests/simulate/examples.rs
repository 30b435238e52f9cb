//! Every example does what it says: its scenario is simulated with the real operator.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tidegate_sim::{
    scenario::{Manifests, Outcome, Scenario},
    simulation::simulate,
};

/// The folders of the examples, by name.
fn folders() -> Vec<PathBuf> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folders = fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    // The library of weather and the runbooks have tests of their own.
    let have_own = |folder: &Path| folder.ends_with("weather") || folder.ends_with("runbooks");
    let mut folders: Vec<_> = folders.filter(|folder| !have_own(folder)).collect();
    folders.sort();
    assert!(folders.len() >= 9, "only {} examples were found", folders.len());
    folders
}

/// The example of six days with an hour in place of each: as they are, they take longer than all other examples
/// together. `EXAMPLES=whole` plays them.
fn by_the_hour(folder: &Path) -> TempDir {
    const HOURS: [(&str, &str); 5] = [("6d2h", "8h"), ("6d", "6h"), ("72h", "3h"), ("48h", "2h"), ("24h", "1h")];
    let copy = TempDir::new().unwrap();
    for name in ["rollout.yaml", "scenario.yaml"] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let text = HOURS.iter().fold(text, |text, (days, hours)| text.replace(days, hours));
        fs::write(copy.path().join(name), text).unwrap();
    }
    copy
}

#[test]
fn every_example_goes_as_its_scenario_expects() {
    let mut wrong = Vec::new();
    let whole = env::var("EXAMPLES").is_ok_and(|how| how == "whole");
    for folder in folders() {
        let hours = (folder.ends_with("phased") && !whole).then(|| by_the_hour(&folder));
        let folder = hours.as_ref().map_or(folder, |hours| hours.path().to_owned());
        let file = folder.join("scenario.yaml");
        let scenario = Scenario::load(&file).unwrap_or_else(|mistake| panic!("{mistake}"));
        let manifests = Manifests::load(std::slice::from_ref(&folder), &file).and_then(Manifests::complete);
        let manifests = manifests.unwrap_or_else(|mistake| panic!("{mistake}"));
        let report = simulate(&manifests, &scenario, 1).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        wrong.extend(report.failures.iter().map(|failure| format!("{}: {failure}", folder.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_expects_an_outcome_within_a_time_and_a_bad_one_bounds_who_is_hurt() {
    for folder in folders() {
        let scenario = Scenario::load(&folder.join("scenario.yaml")).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert!(!scenario.expect.0.is_empty(), "{} expects nothing", folder.display());
        for expected in &scenario.expect.0 {
            assert!(expected.outcome.is_some() && expected.within.is_some(), "{}: {expected:?}", folder.display());
            let bad = expected.outcome == Some(Outcome::Reverted) && expected.reason.is_none();
            assert!(!bad || expected.exposed_at_most.is_some(), "{}: {expected:?}", folder.display());
        }
    }
}

#[test]
fn the_manifests_in_the_documentation_of_checks_release_a_good_version_and_no_bad_one() {
    let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let mut manifests = Manifests::default();
    for block in blocks.filter(|block| block.starts_with("apiVersion:")) {
        manifests.add(block, "docs/checks.md").unwrap_or_else(|mistake| panic!("{mistake}"));
    }
    let kinds: Vec<_> = manifests.objects.iter().map(|manifest| manifest.kind().to_owned()).collect();
    assert_eq!(kinds, ["ClusterCheckTemplate", "Rollout"]);
    let manifests = manifests.complete().unwrap_or_else(|mistake| panic!("{mistake}"));
    for (errors, outcome) in [("0.05%", "Promoted"), ("5%", "Reverted")] {
        let scenario = format!(
            "traffic: {{requestsPerSecond: 100}}\nversions: {{stable: {{errors: 0.05%}}, canary: {{errors: {errors}}}}}\n\
             events: [{{at: 0s, release: {{image: \"shop/checkout:v2\"}}}}]\n\
             expect: {{outcome: {outcome}, within: 3h}}\n"
        );
        let scenario = Scenario::parse(&scenario, "it").unwrap_or_else(|mistake| panic!("{mistake}"));
        let report = simulate(&manifests, &scenario, 1).unwrap_or_else(|error| panic!("{error}"));
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    }
}

#[test]
fn the_scenario_in_the_documentation_is_one() {
    let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/simulate.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let scenarios: Vec<_> = blocks.filter(|block| block.starts_with("start:")).collect();
    assert_eq!(scenarios.len(), 1);
    for scenario in scenarios {
        Scenario::parse(scenario, "docs/simulate.md").unwrap_or_else(|mistake| panic!("{mistake}"));
    }
}
