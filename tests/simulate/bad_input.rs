//! What cannot be used ends with 2, and a sentence that says where and what.

use crate::command::{GOOD, ROLLOUT, ScenarioFile};

#[track_caller]
fn refused(plan: &ScenarioFile, arguments: &[&str], sentence: &str) {
    let outcome = plan.simulate(arguments);
    assert_eq!((outcome.code, outcome.printed.as_str()), (2, ""), "{}", outcome.complaint);
    assert!(outcome.complaint.contains(sentence), "{}", outcome.complaint);
}

#[test]
fn a_mistake_in_the_scenario_is_told_with_its_place_and_the_nearest_name() {
    let plan = ScenarioFile::new(&GOOD.replace("outcome", "outcom"));
    refused(&plan, &[], "tidegate: scenario.yaml:2:10: expect.outcom: there is no such field; did you mean outcome?\n");
}

#[test]
fn a_mistake_in_a_manifest_is_told_with_its_place() {
    let plan = ScenarioFile::new(GOOD);
    plan.write("rollout.yaml", &ROLLOUT.replace("service:", "servise:"));
    refused(&plan, &[], "rollout.yaml:6:3: spec.servise: there is no such field; did you mean service?\n");
}

#[test]
fn a_scenario_that_speaks_of_what_is_not_there_is_refused() {
    let plan = ScenarioFile::new("events: [{at: 0s, delete: {kind: Service, name: chekout}}]\n");
    refused(&plan, &[], "there is no Service chekout; did you mean checkout?\n");
}

#[test]
fn files_without_a_rollout_and_files_that_are_not_there_are_refused() {
    let plan = ScenarioFile::new(GOOD);
    plan.write("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: colours}\n");
    refused(&plan, &["config.yaml"], "tidegate: there is no Rollout in the files; a simulation needs at least one\n");
    refused(&plan, &["missing.yaml"], "tidegate: missing.yaml: cannot be read: ");
}

#[test]
fn a_route_in_a_version_that_never_was_and_a_list_without_items_are_refused() {
    let plan = ScenarioFile::new(GOOD);
    plan.write("route.yaml", "apiVersion: gateway.networking.k8s.io/v9\nkind: HTTPRoute\nmetadata: {name: a}\n");
    refused(&plan, &[], "HTTPRoute a: no matches for kind \"HTTPRoute\" in version \"gateway.networking.k8s.io/v9\"\n");
    let plan = ScenarioFile::new(GOOD);
    plan.write("list.yaml", "kind: List\nitems: {it: none}\n");
    refused(
        &plan,
        &["list.yaml"],
        "list.yaml:2:1: items: a List needs items, each an object, so nothing of it is read\n",
    );
}

#[test]
fn arguments_that_say_nothing_are_refused() {
    let plan = ScenarioFile::new(GOOD);
    refused(&plan, &["--runs", "0"], "--runs");
    refused(&plan, &["-o", "yaml"], "svg");
}

#[test]
fn a_number_that_has_to_stand_in_quotes_is_told_with_its_place_as_lint_does() {
    let plan = ScenarioFile::new(GOOD);
    let overriding = "bake: 1m, checks: [{name: errors, warn: 0.5}]}]";
    plan.write("rollout.yaml", &ROLLOUT.replace("bake: 1m}]", overriding));
    let told = "tidegate: ./rollout.yaml:8:79: spec.stages[0].checks[0].warn: 0.5 is neither a whole number nor a text; \
                write it in quotes: \"0.5\"\n";
    refused(&plan, &[], told);
}

#[test]
fn what_the_api_server_does_not_take_is_told_with_its_place() {
    let plan = ScenarioFile::new(GOOD);
    plan.write("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Colours}\n");
    refused(&plan, &["config.yaml", "rollout.yaml"], "config.yaml:3:18: metadata.name: ");
}
