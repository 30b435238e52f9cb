//! How it is called, and what it answers.

use std::fs;

use serde_json::Value;

use crate::command::{lint, lint_text, repository};

const WARNED: &str = "\
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:
  workload: {kind: Deployment, name: checkout}
  service: checkout
";

#[test]
fn the_standard_input_is_read_too() {
    let outcome = lint_text(WARNED, &["-"]);
    assert_eq!(outcome.code, 0, "a warning is no error");
    assert!(outcome.printed.starts_with("-:4:1: warning: "), "{}", outcome.printed);
}

#[test]
fn strict_makes_an_error_of_a_warning() {
    let outcome = lint_text(WARNED, &["--strict", "-"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.printed.starts_with("-:4:1: error: "), "{}", outcome.printed);
}

#[test]
fn json_says_the_same_to_programs() {
    let outcome = lint_text(&WARNED.replace("service", "servise"), &["-o", "json", "-"]);
    let report: Value = serde_json::from_str(&outcome.printed).unwrap();
    assert_eq!((outcome.code, &report["errors"], &report["warnings"]), (1, &2.into(), &0.into()));
    let finding = &report["findings"][1];
    assert_eq!((&finding["file"], &finding["line"], &finding["column"]), (&"-".into(), &6.into(), &3.into()));
    assert_eq!((&finding["severity"], &finding["field"]), (&"error".into(), &"spec.servise".into()));
    assert_eq!(finding["message"], "spec has no field servise; did you mean service?");
}

#[test]
fn files_of_a_folder_are_seen_together() {
    let folder = tempfile::tempdir().unwrap();
    let rollout = format!("{WARNED}  analysis: {{checks: [{{name: up, query: {{expr: up, min: 1}}}}]}}\n");
    fs::create_dir(folder.path().join("base")).unwrap();
    fs::write(folder.path().join("base/rollout.yml"), rollout).unwrap();
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout}\nspec:\n  scaleTargetRef:\n    kind: Deployment\n    name: checkout\n";
    fs::write(folder.path().join("scaler.yaml"), scaler).unwrap();
    fs::write(folder.path().join("notes.txt"), "no: [yaml").unwrap();
    let outcome = lint(folder.path(), &["."]);
    assert!(outcome.printed.starts_with("./scaler.yaml:5:3: error: HorizontalPodAutoscaler checkout falls silent"));
    assert_eq!((outcome.code, outcome.printed.lines().count()), (1, 1), "{}", outcome.printed);
}

#[test]
fn what_cannot_be_read_ends_with_2_and_a_sentence() {
    let empty = tempfile::tempdir().unwrap();
    let outcome = lint(empty.path(), &["missing.yaml"]);
    assert_eq!((outcome.code, outcome.printed.as_str()), (2, ""));
    assert!(outcome.complaint.starts_with("tidegate: missing.yaml cannot be read: "), "{}", outcome.complaint);
    let outcome = lint(empty.path(), &["."]);
    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.complaint, "tidegate: . holds no files that end in .yaml or .yml\n");
    assert_eq!(lint(&repository(""), &["--requests-per-second", "-1", "examples"]).code, 2);
    let outcome = lint(&repository(""), &["--webhooks-config", "nowhere.yaml", "examples"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.complaint.starts_with("tidegate: cannot read the endpoints from nowhere.yaml"),
        "{}",
        outcome.complaint
    );
}
