//! What it answers, and what it ends with where the input is good.

use serde_json::{Value, json};

use crate::command::{GOOD, ROLLOUT, ScenarioFile};

#[test]
fn a_release_that_goes_as_expected_ends_with_0_and_a_table() {
    let outcome = ScenarioFile::new(GOOD).simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""));
    assert!(outcome.printed.contains("checkout:v2: Promoted after "), "{}", outcome.printed);
    assert!(!outcome.printed.contains('\u{1b}'), "what is not a terminal gets no colours");
    assert!(outcome.printed.lines().all(|line| line.chars().count() <= 120), "{}", outcome.printed);
}

#[test]
fn a_release_that_does_not_go_as_expected_ends_with_1_and_the_answer_all_the_same() {
    let outcome = ScenarioFile::new(&GOOD.replace("Promoted", "Reverted")).simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (1, ""));
    let told = "not expected: checkout:v2: the outcome is Promoted, expected was Reverted: ";
    assert!(outcome.printed.contains(told), "{}", outcome.printed);
    assert!(outcome.printed.contains("RolloutStarted"), "{}", outcome.printed);
}

#[test]
fn json_is_the_same_for_the_same_seed_and_another_for_another() {
    let plan = ScenarioFile::new(GOOD);
    let [one, same, other] = ["7", "7", "8"].map(|seed| plan.simulate(&["-o", "json", "--seed", seed]).printed);
    assert_eq!(one, same);
    assert_ne!(one, other);
    let report: Value = serde_json::from_str(&one).unwrap();
    assert_eq!((&report["outcome"], &report["seed"]), (&json!("Promoted"), &json!(7)));
    assert_eq!(report["serving"], json!({"checkout": "checkout:v2"}));
    let writes = |kind: &str| report["writes"][kind].as_u64().unwrap();
    assert_eq!(writes("total"), writes("statuses") + writes("objects"));
    assert!(writes("events") >= 2, "{}", report["writes"]);
}

#[test]
fn somebody_restarts_the_pods_before_a_release() {
    let restarted = GOOD.replace("{at: 0s, release", "{at: 1m, restart: {}}, {at: 10m, release");
    let outcome = ScenarioFile::new(&restarted).simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{}", outcome.printed);
    let place = |word: &str| outcome.printed.find(word);
    assert!(place(" Restarting").is_some() && place(" Restarting") < place(" Restarted"), "{}", outcome.printed);
}

#[test]
fn a_picture_is_one_svg() {
    let outcome = ScenarioFile::new(GOOD).simulate(&["--output", "svg"]);
    assert_eq!(outcome.code, 0);
    assert!(outcome.printed.starts_with("<svg ") && outcome.printed.ends_with("</svg>\n"));
}

#[test]
fn many_runs_are_told_as_a_distribution_over_their_seeds() {
    let outcome = ScenarioFile::new(GOOD).simulate(&["--runs", "3", "--seed", "5", "-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.printed).unwrap();
    assert_eq!((outcome.code, &told["runs"], &told["held"]), (0, &json!(3), &json!(3)));
    assert_eq!((&told["first"], &told["last"]), (&json!(5), &json!(7)));
    assert_eq!(told["outcomes"], json!({"Promoted": 3}));

    let outcome = ScenarioFile::new(&GOOD.replace("Promoted", "Reverted")).simulate(&["--runs", "2"]);
    assert_eq!(outcome.code, 1, "{}", outcome.printed);
    assert!(outcome.printed.contains("2 runs, seeds 1 to 2"), "{}", outcome.printed);
    assert!(outcome.printed.contains("not expected in 2 of 2: "), "{}", outcome.printed);
}

#[test]
fn routes_are_taken_in_every_version_that_clusters_have_and_out_of_a_list() {
    for (kind, version) in [
        ("HTTPRoute", "v1beta1"),
        ("GRPCRoute", "v1alpha2"),
        ("TLSRoute", "v1alpha2"),
        ("TLSRoute", "v1alpha3"),
        ("TCPRoute", "v1alpha2"),
        ("TCPRoute", "v1"),
    ] {
        let plan = ScenarioFile::new(GOOD);
        plan.write(
            "rollout.yaml",
            &ROLLOUT.replace("[{name: checkout}]", &format!("[{{kind: {kind}, name: checkout}}]")),
        );
        let route = format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: gateway.networking.k8s.io/{version}\n  kind: {kind}\n  \
             metadata: {{name: checkout, namespace: shop}}\n  \
             spec: {{parentRefs: [{{name: public}}], rules: [{{backendRefs: [{{name: checkout, port: 80}}]}}]}}\n"
        );
        plan.write("route.yaml", &route);
        let outcome = plan.simulate(&[]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{kind} {version}: {}", outcome.printed);
        assert!(!outcome.printed.contains(&format!("no {kind} checkout is given")), "{}", outcome.printed);
    }
}

#[test]
fn an_object_of_a_kind_that_is_not_simulated_is_left_out_and_told() {
    let plan = ScenarioFile::new(GOOD);
    let others = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: checkout, namespace: shop}\n---\n\
                  apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: checkout, namespace: shop}\n";
    plan.write("others.yaml", others);
    // It lies beside manifests, and is none.
    plan.write(
        "kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
    );
    plan.write("fountain.yaml", "apiVersion: example.com/v1\nkind: Fountain\nmetadata: {name: square}\n");
    let outcome = plan.simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""));
    let note = "note: Fountain square is left out: the cluster of a simulation knows no Fountain in example.com/v1\n";
    assert!(outcome.printed.contains(note), "{}", outcome.printed);
    for kept in ["Rollout checkout is left out", "Service checkout is left out", "no Service checkout is given"] {
        assert!(outcome.printed.contains(&format!("note: {kept}: ")), "{}", outcome.printed);
    }
}

/// A route that has no room for the backend that a rollout adds, and backends that are not there.
fn full_route() -> String {
    let others: Vec<_> = (1..16).map(|number| format!("    - {{name: other-{number}, port: 80}}\n")).collect();
    let others = others.concat();
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
         rules:\n  - backendRefs:\n    - {{name: checkout, port: 80}}\n{others}"
    )
}

#[test]
fn a_rollout_that_does_not_start_says_why_and_so_do_requests_that_fail() {
    let plan = ScenarioFile::new(&format!("until: 10m\n{GOOD}"));
    plan.write("route.yaml", &full_route());
    let why = "rule 1 of HTTPRoute shop/checkout has no room for another backend";
    let outcome = plan.simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (1, ""));
    for told in [
        format!("checkout: Pending: {why}"),
        format!("not expected: there was no release; Rollout checkout is Pending: {why}"),
        "answered by nobody: they came to a Service that does not exist, or no backend had a weight (500)".to_owned(),
    ] {
        let words = outcome.printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&told), "{told} in {}", outcome.printed);
    }
    assert!(outcome.printed.lines().any(|line| line.contains("  Pending  rule 1 of")), "{}", outcome.printed);

    let report: Value = serde_json::from_str(&plan.simulate(&["-o", "json"]).printed).unwrap();
    assert!(report["rollouts"]["checkout"]["message"].as_str().unwrap().starts_with(why), "{report}");
    let causes = report["requests"]["causes"].as_array().unwrap();
    let counts: u64 = causes.iter().map(|cause| cause["count"].as_u64().unwrap()).sum();
    assert_eq!(report["requests"]["failed"], counts);
    // Fifteen of sixteen requests, fifty a second.
    let nobody = causes.iter().find(|cause| cause["cause"] == "NoBackend").unwrap()["count"].as_u64().unwrap();
    assert!((27_000..29_300).contains(&nobody), "{report}");
}

#[test]
fn failed_requests_are_told_by_the_version_that_answered_them() {
    let bad = "versions: {stable: {errors: 1%}, canary: {errors: 20%}}\nevents: [{at: 0s, release: {image: 'checkout:v2'}}]\n";
    let report: Value = serde_json::from_str(&ScenarioFile::new(bad).simulate(&["-o", "json"]).printed).unwrap();
    let answered = |cause: &&Value| cause["cause"] == "Answered" && cause["count"].as_u64() > Some(0);
    let causes = report["requests"]["causes"].as_array().unwrap();
    let versions: Vec<_> = causes.iter().filter(answered).map(|cause| cause["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["canary", "stable"], "{report}");
}

#[test]
fn routes_that_a_gateway_breaks_are_taken_back_within_two_scrapes_and_no_version_has_failed() {
    // Without room for a new pod nothing is written after the first split.
    let broken = "until: 12m\nevents:\n- {at: 0s, gateway: Breaking}\n- {at: 1s, quota: {pods: 2}}\n\
                  - {at: 10m, release: {image: 'checkout:v2'}}\n";
    for seed in ["1", "2", "3", "4", "5"] {
        let outcome = ScenarioFile::new(broken).simulate(&["-o", "json", "--seed", seed]);
        let report: Value = serde_json::from_str(&outcome.printed).unwrap();
        let rollout = &report["rollouts"]["checkout"];
        assert!(rollout["message"].as_str().unwrap().contains("requests stopped: "), "{rollout}");
        let causes = report["requests"]["causes"].as_array().unwrap();
        let lost: u64 = causes.iter().map(|cause| cause["count"].as_u64().unwrap()).sum();
        // Fifty a second: two scrapes are 30 s, and the gateway and the operator need a moment.
        assert!((750..=1750).contains(&lost), "{report}");
    }
}

#[test]
fn a_version_that_a_gate_does_not_let_start_is_one_that_went_back_and_had_no_requests() {
    let scenario = "events:\n- {at: 0s, jobs: fail}\n- {at: 0s, release: {image: 'checkout:v2'}}\n\
                    expect: {release: 'checkout:v2', outcome: Reverted, reason: GateStopped, exposedAtMost: 0, serving: 'checkout:v1'}\n";
    let plan = ScenarioFile::new(scenario);
    let migration = "gates:\n    start:\n    - name: migration\n      job: {template: {spec: {template: {spec: {containers: [{name: it, image: 'it:1'}]}}}}}\n";
    plan.write("rollout.yaml", &ROLLOUT.replace("analysis:\n", &format!("{migration}  analysis:\n")));
    let outcome = plan.simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{}", outcome.printed);
    assert!(outcome.printed.contains("checkout:v2: Reverted after "), "{}", outcome.printed);
}
