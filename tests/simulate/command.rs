//! Runs the built binary on a release that takes a minute.

use std::{fs, process::Command};

use tempfile::TempDir;

/// One stage of a minute, so that a simulation is over at once.
pub const ROLLOUT: &str = "\
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  workload: {kind: Deployment, name: checkout}
  service: checkout
  replicas: 2
  stages: [{name: full, weight: 100%, bake: 1m}]
  traffic: {gatewayAPI: {routes: [{name: checkout}]}}
  analysis:
    checks: [{name: errors, errorRate: {preset: pod-http, max: 1%}}]
";

/// A good release that is promoted.
pub const GOOD: &str = "\
events: [{at: 0s, release: {image: 'checkout:v2'}}]
expect: {outcome: Promoted, serving: 'checkout:v2'}
";

/// A folder with a Rollout and a scenario.
pub struct ScenarioFile(TempDir);

/// What came of it.
pub struct Outcome {
    pub code: i32,
    pub printed: String,
    pub complaint: String,
}

impl ScenarioFile {
    /// With the Rollout of this test and this scenario.
    pub fn new(scenario: &str) -> Self {
        let plan = Self(tempfile::tempdir().unwrap());
        plan.write("rollout.yaml", ROLLOUT);
        plan.write("scenario.yaml", scenario);
        plan
    }

    /// Writes a file.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    /// `tidegate simulate --scenario scenario.yaml` with these arguments, in the folder.
    pub fn simulate(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["simulate", "--scenario", "scenario.yaml"]).args(arguments).current_dir(self.0.path());
        let output = command.env_remove("COLUMNS").output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or_else(|| panic!("{:?}", output.status)),
            printed: String::from_utf8(output.stdout).unwrap(),
            complaint: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
