//! Every example does what it says: its scenario is simulated with the real operator.

use std::{fs, path::PathBuf};

use tidegate::sim::{
    scenario::{Manifests, Scenario},
    simulation::simulate,
};

#[test]
fn every_example_goes_as_its_scenario_expects() {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folders = fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    assert!(folders.len() >= 9, "only {} examples were found", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        // Six days take minutes without optimisations.
        if cfg!(debug_assertions) && folder.ends_with("phased") {
            continue;
        }
        let file = folder.join("scenario.yaml");
        let scenario = Scenario::load(&file).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert!(!scenario.expect.0.is_empty(), "{} expects nothing", file.display());
        let manifests = Manifests::load(std::slice::from_ref(&folder), &file).and_then(Manifests::complete);
        let manifests = manifests.unwrap_or_else(|mistake| panic!("{mistake}"));
        let report = simulate(&manifests, &scenario, 1).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        wrong.extend(report.failures.iter().map(|failure| format!("{}: {failure}", folder.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
