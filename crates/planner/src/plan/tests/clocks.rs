//! Clocks that jump: an operator on another node, a virtual machine that slept, an hour that somebody set wrong.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate_api::{GateState, Percent, Phase};

use super::{
    lab::Lab,
    specs::{staged, with},
};

const HOUR: i64 = 3600;

/// The clock shows another time from one moment to the next; nobody was woken meanwhile.
fn jump(lab: &mut Lab, seconds: i64) {
    lab.cluster.now += SignedDuration::from_secs(seconds);
    lab.settle();
}

/// Where the rollout stands, and who gets how much.
fn standing(lab: &Lab) -> (Phase, String, Percent) {
    (lab.phase(), lab.stage(), lab.cluster.canary_weight())
}

/// The canary stage waits for a person, for two hours.
fn at_the_gate(on_timeout: &str) -> Lab {
    let mut spec = staged();
    let gate = json!({"name": "sign-off", "approval": {}, "timeout": "2h", "onTimeout": on_timeout});
    spec["stages"][0]["after"] = json!([gate]);
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.until(|lab| !lab.status().gates.is_empty());
    lab
}

fn approve(lab: &mut Lab) {
    let version = lab.status().gates[0].revision.clone();
    lab.cluster.annotate("tidegate.dev/approve", &format!("{version}/sign-off by jane"));
}

fn in_windows(schedule: Value) -> Value {
    let mut spec = staged();
    spec["schedule"] = schedule;
    spec
}

#[test]
fn a_clock_that_goes_back_leaves_an_open_gate_open_and_its_answer_counts() {
    for on_timeout in ["Hold", "Revert"] {
        let mut lab = at_the_gate(on_timeout);
        let stood = standing(&lab);
        jump(&mut lab, -HOUR);
        assert_eq!((standing(&lab), lab.status().gates[0].state), (stood.clone(), GateState::Waiting));
        lab.pass(2 * HOUR);
        assert_eq!((standing(&lab), lab.status().gates[0].state), (stood, GateState::Waiting), "its time is not up");
        approve(&mut lab);
        lab.settle();
        lab.until(|lab| lab.stage() == "quarter");
    }
}

#[test]
fn a_clock_that_goes_forward_over_a_timeout_moves_no_traffic_to_the_new_version() {
    let mut lab = at_the_gate("Hold");
    let (_, stage, weight) = standing(&lab);
    jump(&mut lab, 1000 * HOUR);
    assert_eq!(standing(&lab), (Phase::Held, stage, weight));
    let mut lab = at_the_gate("Revert");
    jump(&mut lab, 1000 * HOUR);
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO, "its time is up by the only clock there is");
}

#[test]
fn an_answer_counts_that_was_there_when_the_clock_went_over_its_timeout() {
    let mut lab = at_the_gate("Revert");
    approve(&mut lab);
    jump(&mut lab, 1000 * HOUR);
    assert_eq!((lab.stage().as_str(), lab.told("Reverted")), ("quarter", 0));
}

#[test]
fn a_clock_that_goes_out_of_a_window_leaves_everything_where_it_is_until_one_opens() {
    // It is Monday, at nine.
    let mut lab = Lab::in_stage(&in_windows(json!({"timeZone": "UTC", "advance": ["09:00-17:00"]})), "canary");
    let stood = standing(&lab);
    jump(&mut lab, -2 * HOUR);
    assert_eq!(standing(&lab), stood);
    lab.pass(HOUR);
    assert_eq!(standing(&lab), stood, "the window is not open yet");
    lab.until(|lab| lab.stage() == "quarter");
    let shown = lab.cluster.now.to_zoned(jiff::tz::TimeZone::UTC);
    assert!((9..17).contains(&shown.hour()), "{shown}");
}

#[test]
fn a_clock_that_goes_back_before_a_start_starts_nothing_out_of_its_window() {
    let mut lab = Lab::adopted(&in_windows(json!({"timeZone": "UTC", "start": ["11:00-12:00"]})));
    lab.cluster.push("v2");
    lab.settle();
    for seconds in [-5 * HOUR, HOUR, -HOUR] {
        jump(&mut lab, seconds);
        assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 0));
    }
    lab.until(|lab| lab.phase() == Phase::Progressing);
    assert_eq!(lab.cluster.now.to_zoned(jiff::tz::TimeZone::UTC).hour(), 11);
}

#[test]
fn a_watch_lasts_for_as_long_as_it_takes_the_clock_to_get_there() {
    let mut lab = Lab::adopted(&with(&json!({"watch": {"for": "24h", "onFailure": "Revert"}})));
    lab.cluster.push("v2");
    lab.until(|lab| lab.phase() == Phase::Stable && lab.told("Promoted") == 1);
    lab.settle();
    let until = lab.status().watch.and_then(|watch| watch.until);
    jump(&mut lab, -HOUR);
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told("WatchFailed")), (Phase::Stable, 10, 0));
    assert_eq!(lab.status().watch.and_then(|watch| watch.until), until);
    jump(&mut lab, 30 * HOUR);
    assert_eq!((lab.told("Watched"), lab.status().watch, lab.cluster.pods_of("v2")), (1, None, 10));
}

#[test]
fn no_clock_is_too_far_away() {
    for (on_timeout, at) in [("Hold", Timestamp::MAX), ("Revert", Timestamp::MAX), ("Hold", Timestamp::MIN)] {
        let mut lab = at_the_gate(on_timeout);
        let weight = lab.cluster.canary_weight();
        lab.cluster.now = at;
        lab.decide();
        assert!(lab.cluster.canary_weight() <= weight, "{at}");
    }
}
