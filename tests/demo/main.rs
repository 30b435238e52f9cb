//! `tidegate demo`, as somebody runs it who has nothing but the binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy takes only #[test] functions for tests")]

mod demo;
mod kubectl;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use demo::Demo;
use kubectl::Kubectl;

#[test]
fn the_good_release_is_promoted_and_the_bad_one_is_reverted() {
    let demo = Demo::start(&["--exit-when-done", "--port", "0", "--speed", "600"]);
    let (code, told) = demo.end();
    assert_eq!(code, Some(0), "{told}");
    let tells = |app: &str, words: &str| told.lines().any(|line| line.contains(app) && line.contains(words));
    assert!(tells("checkout", "is now stable"), "{told}");
    assert!(tells("search", "check errors fails: "), "{told}");
    assert!(!tells("search", "is now stable"), "{told}");
    assert!(!told.contains('\x1b'), "what is not a terminal gets plain lines");
}

#[test]
fn kubectl_sees_both_rollouts_and_acts_on_them() {
    let Some(kubectl) = Kubectl::find() else { return };
    let demo = Demo::start(&["--port", "0", "--speed", "20"]);
    let kubectl = kubectl.with(demo.kubeconfig());
    let rollouts = kubectl.run(&["get", "rollouts"]);
    assert!(rollouts.contains("checkout") && rollouts.contains("search"), "{rollouts}");
    kubectl.run(&["scale", "rollout/checkout", "--replicas", "7"]);
    let count = r#"jsonpath={.status.replicas}{"\n"}"#;
    kubectl.watch_until(&["get", "rollout", "checkout", "-w", "-o", count], |line| line == "7");
    kubectl.run(&["patch", "rollout/search", "--type", "merge", "--patch", r#"{"spec":{"paused":true}}"#]);
    kubectl.run(&["annotate", "rollout/search", "example.com/note=seen"]);
    let search = kubectl.run(&["get", "rollout/search", "-o", "jsonpath={.spec.paused} {.metadata.annotations}"]);
    assert_eq!(search, r#"true {"example.com/note":"seen"}"#);
    assert!(kubectl.run(&["describe", "rollout", "checkout"]).contains("Adopted"));
}

#[test]
fn a_watch_of_kubectl_follows_what_happens() {
    let Some(kubectl) = Kubectl::find() else { return };
    let demo = Demo::start(&["--port", "0", "--speed", "100"]);
    let kubectl = kubectl.with(demo.kubeconfig());
    kubectl.watch_until(&["get", "rollouts", "-w"], |line| line.contains("checkout") && line.contains("Progressing"));
}

#[test]
fn ages_are_those_of_the_demos_time_wherever_kubectl_shows_them() {
    let Some(kubectl) = Kubectl::find() else { return };
    // Two minutes of the demo are little more than a second here.
    let demo = Demo::start(&["--port", "0", "--speed", "100"]);
    let kubectl = kubectl.with(demo.kubeconfig());
    kubectl.run(&["create", "configmap", "late"]);
    let began = Instant::now();
    let age =
        || kubectl.run(&["get", "configmap", "late", "--no-headers"]).split_whitespace().nth(2).map(str::to_owned);
    while !age().unwrap().contains(['m', 'h']) {
        assert!(began.elapsed() < Duration::from_mins(1), "it ages as slowly as in life: {age:?}", age = age());
    }
    for arguments in [&["get", "events", "--no-headers"][..], &["events", "--no-headers"]] {
        let told = kubectl.run(arguments);
        let ages: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(!ages.is_empty());
        assert!(ages.iter().all(|age| !age.contains(['<', 'd'])), "{told}");
    }
    let described = kubectl.run(&["describe", "rollout", "checkout"]);
    assert!(described.contains("RolloutStarted") && !described.contains("invalid"), "{described}");
    assert!(!described.contains("23h"), "{described}");
}

#[test]
fn status_tells_the_demos_time_and_not_that_of_the_terminal() {
    let demo = Demo::start(&["--port", "0", "--speed", "100"]);
    let began = Instant::now();
    let told = loop {
        let told = demo.tidegate(&["status", "checkout"]);
        if told.contains(" ago") {
            break told;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "nothing has happened: {told}");
    };
    assert!(!told.contains("23h") && !told.contains("24h"), "{told}");
}

#[test]
fn a_release_is_drawn_from_its_history_and_where_there_was_none_that_is_said() {
    let demo = Demo::start(&["--port", "0", "--speed", "100"]);
    let drawn = |name| demo.tidegate(&["history", name, "-o", "svg"]);
    let (first, began) = (drawn("search"), Instant::now());
    assert!(first.contains("search has released nothing yet"), "{first}");
    let picture = loop {
        let picture = drawn("search");
        if picture.contains("search:v2: reverted after") {
            break picture;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "it is not turned back: {picture}");
    };
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"), "{picture}");
    for told in ["Weight of the new version", ">errors<", ">p95<", "limit 0.5%", "limit 5%", "StageEntered"] {
        assert!(picture.contains(told), "{told}: {picture}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, complaint) = Demo::refused(&["--port", &port.to_string()]);
    assert_eq!(code, Some(1));
    let sentence = format!(
        "tidegate: port {port} of this machine is taken; choose another with --port, or any that is free with --port 0\n"
    );
    assert_eq!(complaint, sentence);
}

#[test]
fn an_interrupt_ends_it_and_removes_the_kubeconfig() {
    let demo = Demo::start(&["--port", "0"]);
    let kubeconfig = demo.kubeconfig().to_owned();
    assert!(kubeconfig.is_file());
    demo.interrupt();
    let (code, told) = demo.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(!kubeconfig.exists());
}

#[test]
fn an_interrupt_before_the_end_is_no_success() {
    let demo = Demo::start(&["--port", "0", "--exit-when-done"]);
    demo.interrupt();
    assert_eq!(demo.end().0, Some(1));
}
