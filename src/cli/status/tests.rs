//! What the screen says of many a Rollout.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::{Rollout, condition::kind};

use super::{code, screen::told};

fn now() -> Timestamp {
    "2026-03-02T09:05:00Z".parse().unwrap()
}

/// Rollout shop/checkout, with what is said of its spec and its status.
pub fn rollout(spec: Value, status: Value) -> Rollout {
    let mut whole = json!({"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"});
    add(&mut whole, spec);
    let mut rollout = json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "checkout", "namespace": "shop"}, "spec": whole,
    });
    rollout["status"] = status;
    serde_json::from_value(rollout).unwrap()
}

/// Adds the fields of `more`, or puts them in place of those that are there.
fn add(object: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    object.as_object_mut().unwrap().extend(more);
}

pub fn condition(kind: &str, reason: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": reason, "message": "the message",
        "lastTransitionTime": "2026-03-02T09:00:00Z",
    })
}

/// A status in the second of two stages, with what is said besides.
pub fn underway(more: Value) -> Value {
    let mut status = json!({
        "phase": "Progressing", "message": "stage half at 50%: good so far, bakes until 2026-03-02T09:10:00Z",
        "stable": {"revision": "7f9c", "replicaSet": "checkout-7f9c", "images": ["checkout:v1"], "replicas": 10, "ready": 10},
        "canary": {"revision": "6b5d", "replicaSet": "checkout-6b5d", "images": ["checkout:v2"], "replicas": 5, "ready": 4},
        "stage": {
            "name": "half", "index": 2, "of": 3, "weight": "50%", "weightInForce": "50%", "weightMeasured": "49.1%",
            "weightRange": "48.0% to 50.2%", "enteredAt": "2026-03-02T08:59:00Z", "since": "2026-03-02T09:00:00Z",
            "until": "2026-03-02T09:10:00Z",
        },
        "checks": [{
            "name": "errors", "verdict": "NeedMoreData", "value": "0.1%", "limit": "0.5%", "stable": "0.2%", "sample": 812,
            "moreRequests": 400, "moreTime": "5m", "reason": "TooFewRequests", "message": "400 more requests are needed",
        }],
        "history": [{
            "at": "2026-03-02T08:59:00Z", "reason": "StagePassed", "message": "stage canary passed; next: half", "revision": "6b5d",
        }],
    });
    add(&mut status, more);
    status
}

pub fn two_stages() -> Value {
    json!({"stages": [
        {"name": "canary", "weight": "5%"},
        {"name": "half", "weight": "50%", "deadline": "20m"},
        {"name": "full", "weight": "100%"},
    ]})
}

fn line<'a>(screen: &'a str, name: &str) -> &'a str {
    let found = screen.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {screen}"));
    found.trim_start()
}

#[test]
fn a_rollout_that_is_on_its_way_is_one_screen_and_the_documents_show_it() {
    let gate = json!({
        "name": "sign-off", "revision": "6b5d", "place": "after half", "state": "Waiting", "since": "2026-03-02T09:04:00Z",
        "message": "an approval by group release-managers",
    });
    let screen = told(&rollout(two_stages(), underway(json!({"gates": [gate]}))), now());
    let expected = "\
Rollout shop/checkout: Progressing
stage half at 50%: good so far, bakes until 2026-03-02T09:10:00Z

stable    7f9c (checkout:v1), 10 of 10 pods ready
new       6b5d (checkout:v2), 4 of 5 pods ready
stage     half, 2 of 3: 50% of the traffic, 50% in force for 5m
bake      10m, 5m left, until 2026-03-02T09:10:00Z
deadline  15m left, until 2026-03-02T09:20:00Z
measured  49.1% of the requests (48.0% to 50.2%)

CHECK   VERDICT       VALUE  LIMIT  STABLE  REQUESTS  NEEDS
errors  NeedMoreData  0.1%   0.5%   0.2%    812       400 more, 5m

GATE      WHERE       STATE    SINCE   SAYS
sign-off  after half  Waiting  1m ago  an approval by group release-managers

WHEN    WHAT         WHY
6m ago  StagePassed  stage canary passed; next: half
";
    assert_eq!(screen, expected);
    assert!(include_str!("../../../docs/commands.md").contains(expected), "docs/commands.md shows another screen");
}

#[test]
fn a_clock_that_stands_still_says_why() {
    let mut status = underway(json!({}));
    status["stage"]["disturbance"] = json!({"since": "2026-03-02T09:03:00Z", "weight": "50%"});
    assert!(line(&told(&rollout(two_stages(), status.clone()), now()), "bake").starts_with("stands still"));
    status["stage"]
        .as_object_mut()
        .unwrap()
        .retain(|field, _| !["disturbance", "since", "until"].contains(&field.as_str()));
    let screen = told(&rollout(two_stages(), status), now());
    assert_eq!(line(&screen, "bake"), "10m, not begun: the weight of the stage is not in force yet");
    assert_eq!(line(&screen, "stage  "), "half, 2 of 3: 50% of the traffic, 50% in force; entered 6m ago");
    assert!(!screen.contains("\ndeadline"), "{screen}");
}

#[test]
fn a_bake_and_a_deadline_that_are_over_say_for_how_long() {
    let later = "2026-03-02T09:25:30Z".parse().unwrap();
    let screen = told(&rollout(two_stages(), underway(json!({}))), later);
    assert_eq!(line(&screen, "bake"), "10m, over for 15m30s");
    assert_eq!(line(&screen, "deadline"), "over for 5m30s");
}

#[test]
fn a_version_that_failed_is_there_with_why_and_nothing_of_it_is_on_its_way() {
    let failed = json!([{"revision": "6b5d", "replicaSet": "checkout-6b5d", "at": "2026-03-02T06:05:00Z", "message": "errors: 6.1% of 114 requests failed, allowed 0.5%"}]);
    let status = json!({"phase": "Reverted", "message": "version 6b5d failed", "failed": failed});
    let reverted = rollout(json!({}), status);
    let screen = told(&reverted, now());
    assert_eq!(line(&screen, "failed"), "6b5d, 3h ago: errors: 6.1% of 114 requests failed, allowed 0.5%");
    assert_eq!(code(&reverted), ExitCode::FAILURE);
}

#[test]
fn the_next_hours_are_those_that_the_next_step_waits_for() {
    let mut spec = two_stages();
    spec["schedule"] =
        json!({"timeZone": "Europe/Berlin", "start": ["Mon-Fri 09:00-16:00"], "advance": ["Tue 09:00-16:00"]});
    let screen = told(&rollout(spec.clone(), underway(json!({}))), now());
    assert_eq!(line(&screen, "schedule"), "hours for leaving a stage open on Tue 2026-03-03 09:00 CET (Europe/Berlin)");
    let screen = told(&rollout(spec, json!({"phase": "Stable"})), now());
    assert_eq!(line(&screen, "schedule"), "hours for a new version are open now");
}

#[test]
fn what_somebody_should_look_at_is_there_though_nothing_waits_for_it() {
    let back = json!([{"stage": "full", "to": "half", "at": "2026-03-02T09:00:00Z", "checks": ["errors"]}]);
    let warning = json!([condition(kind::WARNING, "Contention")]);
    let screen = told(&rollout(two_stages(), underway(json!({"steppedBack": back, "conditions": warning}))), now());
    assert_eq!(line(&screen, "stepped back"), "from full to half, 5m ago: errors");
    assert_eq!(line(&screen, "warning"), "the message");
}

#[test]
fn what_was_switched_off_and_how_long_the_way_back_took_stand_on_the_screen() {
    let at = "2026-03-02T09:00:00Z";
    let degraded = json!({"stage": "half", "by": "flags-off", "at": at, "checks": ["errors"]});
    let drill = json!({"stage": "canary", "state": "Over", "at": at, "backAt": "2026-03-02T09:00:02.5Z"});
    let both = json!({"degraded": degraded, "drill": drill});
    let screen = told(&rollout(two_stages(), underway(both)), now());
    assert_eq!(line(&screen, "degraded"), "errors failed in stage half; flags-off is asked to help");
    assert_eq!(line(&screen, "drill"), "of stage canary: back in 2.5s");
}

#[test]
fn what_stands_for_preset_auto_is_on_the_screen() {
    let taken = json!([{"check": "errors", "preset": "pod-http", "reason": "reads http_requests_total, which the pods expose"}]);
    let screen = told(&rollout(two_stages(), underway(json!({"presets": taken}))), now());
    let wanted = "auto of errors stands for pod-http, which reads http_requests_total, which the pods expose";
    assert_eq!(line(&screen, "preset"), wanted);
}

#[test]
fn a_rollout_that_nobody_has_looked_at_says_so() {
    let screen = told(&rollout(json!({"paused": true}), json!({})), now());
    assert_eq!(screen, "Rollout shop/checkout: Pending, paused\nthe operator has not looked at it yet\n");
}

#[test]
fn the_code_says_whether_somebody_has_to_act() {
    let of = |phase: &str, kind: &str| {
        code(&rollout(json!({}), json!({"phase": phase, "conditions": [condition(kind, "R")]})))
    };
    assert_eq!(of("Stable", kind::READY), ExitCode::SUCCESS);
    assert_eq!(of("Progressing", kind::PROGRESSING), ExitCode::SUCCESS);
    assert_eq!(of("Reverted", kind::STALLED), ExitCode::FAILURE);
    assert_eq!(of("Held", kind::STALLED), ExitCode::from(3));
}
