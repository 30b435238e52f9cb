//! One weather, several releases; and everything in one file.

use serde_json::Value;

use crate::command::{ROLLOUT, ScenarioFile};

const BOTH: &str = "\
events: [{at: 0s, release: {image: 'checkout:v2'}}]
variants:
  good: {expect: {outcome: Promoted}}
  bad: {canary: {errors: 40%}, expect: {outcome: Reverted}}
";

#[test]
fn each_variant_is_simulated_from_the_same_seed_and_told_under_its_name() {
    let plan = ScenarioFile::new(BOTH);
    let outcome = plan.simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{}", outcome.printed);
    let [bad, good] = ["variant bad\n", "variant good\n"].map(|head| outcome.printed.find(head).unwrap());
    assert!(bad < good, "{}", outcome.printed);
    assert!(outcome.printed[bad..good].contains("checkout:v2: Reverted after "), "{}", outcome.printed);
    assert!(outcome.printed[good..].contains("checkout:v2: Promoted after "), "{}", outcome.printed);
    let told: Value = serde_json::from_str(&plan.simulate(&["-o", "json"]).printed).unwrap();
    let outcomes = ["bad", "good"].map(|name| told["variants"][name]["outcome"].as_str().unwrap());
    assert_eq!(outcomes, ["Reverted", "Promoted"]);
}

#[test]
fn one_of_them_can_be_named_and_a_picture_needs_that() {
    let plan = ScenarioFile::new(BOTH);
    let outcome = plan.simulate(&["--variant", "bad", "-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.printed).unwrap();
    assert_eq!((outcome.code, &told["outcome"]), (0, &"Reverted".into()));
    assert!(plan.simulate(&["--variant", "good", "-o", "svg"]).printed.starts_with("<svg "));
    for (arguments, sentence) in [
        (&["--variant", "goood"][..], "the scenario's variants: there is no goood; did you mean good?\n"),
        (
            &["-o", "svg"],
            "the scenario's variants: a picture shows one of them: name it with --variant, of bad, good\n",
        ),
    ] {
        let outcome = plan.simulate(arguments);
        assert_eq!((outcome.code, outcome.complaint), (2, format!("tidegate: {sentence}")));
    }
}

#[test]
fn what_is_not_as_one_variant_expects_ends_with_1() {
    let plan = ScenarioFile::new(&BOTH.replace("errors: 40%", "errors: 0.01%"));
    assert_eq!(plan.simulate(&[]).code, 1);
    assert_eq!(plan.simulate(&["--variant", "good"]).code, 0);
}

#[test]
fn objects_behind_the_scenario_are_those_that_are_simulated_and_no_others() {
    let plan = ScenarioFile::new(&format!("{BOTH}---\n{ROLLOUT}"));
    // The same Rollout beside it would be a second one.
    let outcome = plan.simulate(&["--variant", "good"]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{}", outcome.printed);
    let outcome = plan.simulate(&["rollout.yaml"]);
    assert_eq!(outcome.code, 2, "{}", outcome.complaint);
    assert!(outcome.complaint.contains("Rollout checkout is in scenario.yaml as well"), "{}", outcome.complaint);
}
