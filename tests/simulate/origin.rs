//! Bad requests that come from one pod, or from one node.

use serde_json::Value;

use crate::command::{ROLLOUT, ScenarioFile};

/// Six pods, half of them new in the first stage, a hundred requests a second; `behaviour` of the new version and of stable.
fn simulated(suspect_pod: &str, canary: &str, stable: &str, seed: &str) -> Value {
    let plan = ScenarioFile::new(&format!(
        "traffic: {{requestsPerSecond: 100}}\nversions:\n  stable: {{{stable}}}\n  canary: {{{canary}}}\n\
         events:\n- {{at: 0s, release: {{image: 'checkout:v2'}}}}\n"
    ));
    let stages = "[{name: half, weight: 50%, bake: 5m}, {name: full, weight: 100%, bake: 5m}]";
    let rollout = ROLLOUT
        .replace("[{name: full, weight: 100%, bake: 1m}]", stages)
        .replace("replicas: 2", "replicas: 6")
        .replace("  analysis:\n", &format!("  analysis:\n    suspectPod: {suspect_pod}\n"));
    plan.write("rollout.yaml", &rollout);
    let outcome = plan.simulate(&["-o", "json", "--seed", seed]);
    serde_json::from_str(&outcome.printed).unwrap_or_else(|_| panic!("{}", outcome.complaint))
}

/// The outcome and what it was decided by.
fn told(report: &Value) -> (&str, &str) {
    let release = &report["releases"][0];
    (release["outcome"].as_str().unwrap(), release["message"].as_str().unwrap())
}

fn times(report: &Value, what: &str) -> usize {
    report["timeline"].as_array().unwrap().iter().filter(|entry| entry["what"] == what).count()
}

const ONE_POD: &str = "errors: 0.1%, pods: [{pod: 1, errors: 30%}]";
const WELL: &str = "errors: 0.1%";
const SEEDS: [&str; 3] = ["1", "2", "3"];

#[test]
fn a_version_with_one_bad_pod_is_promoted_where_that_is_to_be_replaced() {
    for seed in SEEDS {
        let report = simulated("Replace", ONE_POD, WELL, seed);
        assert_eq!((told(&report).0, times(&report, "SuspectPodReplaced")), ("Promoted", 1), "{report:#}");
        assert_eq!(report["writes"]["byKind"]["pods"], 1, "{report:#}");
    }
}

#[test]
fn a_version_with_one_bad_pod_is_reverted_otherwise_and_the_sentence_names_it() {
    for seed in SEEDS {
        let report = simulated("None", ONE_POD, WELL, seed);
        let (outcome, message) = told(&report);
        assert_eq!((outcome, times(&report, "SuspectPodReplaced")), ("Reverted", 0), "{report:#}");
        let sentence = message.split_once(" failures at pod checkout-").unwrap_or_else(|| panic!("{message}")).1;
        assert!(sentence.contains(", on node node-") && sentence.contains("; the others: "), "{message}");
    }
}

#[test]
fn a_pod_whose_replacement_is_bad_too_reverts_the_version() {
    for seed in SEEDS {
        let report = simulated("Replace", "pods: [{pod: 1, errors: 30%, replacement: Alike}]", WELL, seed);
        let (outcome, message) = told(&report);
        assert_eq!((outcome, times(&report, "SuspectPodReplaced")), ("Reverted", 1), "{report:#}");
        assert!(message.contains("was replaced before, and a second one is not"), "{message}");
    }
}

#[test]
fn a_version_that_is_bad_in_all_of_its_pods_is_reverted_as_soon_as_ever() {
    for seed in SEEDS {
        let [with, without] = ["Replace", "None"].map(|answer| simulated(answer, "errors: 30%", WELL, seed));
        assert_eq!((told(&with).0, times(&with, "SuspectPodReplaced")), ("Reverted", 0), "{with:#}");
        assert_eq!(with["releases"][0]["ended"], without["releases"][0]["ended"]);
        assert!(!told(&with).1.contains("failures at pod"), "{}", told(&with).1);
    }
}

#[test]
fn a_bad_node_is_named_with_what_it_does_to_stable() {
    // Not so many that the first of its pods that is scraped is enough: then there is nobody to tell it from.
    let node = "errors: 0.1%, pods: [{node: node-2, errors: 12%, from: 0s}]";
    for seed in SEEDS {
        let report = simulated("Replace", node, node, seed);
        let (outcome, message) = told(&report);
        assert_eq!((outcome, times(&report, "SuspectPodReplaced")), ("Reverted", 0), "{report:#}");
        assert!(message.contains(" failures on node node-2; the others: "), "{message}");
        assert!(message.contains("; of the stable version's failures, "), "{message}");
    }
}
