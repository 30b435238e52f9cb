use std::time::Duration;

use jiff::Timestamp;
use serde_json::json as value;
use tidegate_api::Rollout;

use super::*;
use crate::{
    scenario::{Outcome, Scenario},
    traffic::{Backend, Exposed, Load},
};

const SCENARIO: &str = "
start: 2026-03-02T02:00:00Z
traffic: {requestsPerSecond: 40}
versions:
  stable: {errors: 0.05%, latency: {median: 40ms, p99: 300ms}}
  canary: {errors: [{from: 0s, rate: 0.05%}, {from: 16m, rate: 6%}], latency: {median: 45ms, p99: 330ms}}
expect: {outcome: Reverted, within: 30m, exposedAtMost: 20000, because: errors}
";

fn start() -> Timestamp {
    "2026-03-02T02:00:00Z".parse().unwrap()
}

fn minutes(count: u64) -> Timestamp {
    start() + Duration::from_mins(count)
}

fn rollout(status: &serde_json::Value) -> Rollout {
    serde_json::from_value(value!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "analysis": {"checks": [
                {"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}},
                {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
            ]},
        },
        "status": status,
    }))
    .unwrap()
}

/// What the Rollout's history tells of a release that goes bad in its second stage, oldest first.
fn history() -> Vec<serde_json::Value> {
    let told = [
        (0, "RolloutStarted", "version new (checkout:v2) starts: bringing up its pods for stage canary"),
        (1, "StageEntered", "stage canary: 5% of the traffic in force, baking for 10m"),
        (
            11,
            "StagePassed",
            "stage canary passed (errors: 0.04% of 1,201 requests failed, allowed 0.5%); next: quarter",
        ),
        (12, "StageEntered", "stage quarter: 25% of the traffic in force, baking for 10m"),
        (
            18,
            "Reverted",
            "version new (checkout:v2) failed at 25% of the traffic: errors: 3.1% of 3,612 requests failed",
        ),
    ];
    let step = |(minute, reason, message)| value!({"at": minutes(minute), "reason": reason, "message": message, "revision": "new"});
    told.map(step).into()
}

/// The share of the new version in that minute.
fn share(minute: u64) -> f64 {
    match minute {
        1..=11 => 0.05,
        12..=18 => 0.25,
        _ => 0.0,
    }
}

/// The Rollout's status in that minute.
fn status(minute: u64) -> serde_json::Value {
    let now = minutes(minute);
    let told: Vec<_> = history().into_iter().rev().filter(|one| one["at"].as_str() <= Some(&now.to_string())).collect();
    let weight = format!("{}%", share(minute) * 100.0);
    let phase = ["Progressing", "Reverting", "Reverted"][usize::from(minute >= 18) + usize::from(minute >= 20)];
    let stable = value!({"revision": "old", "replicaSet": "checkout-old", "images": ["shop/checkout:v1"]});
    let mut status = value!({"phase": phase, "message": "goes on", "stable": stable, "history": told});
    if minute < 18 {
        status["stage"] = value!({"name": if minute < 12 { "canary" } else { "quarter" }, "index": 1, "of": 3,
            "weight": weight, "weightInForce": weight, "enteredAt": now});
        status["canary"] = value!({"revision": "new", "replicaSet": "checkout-new", "images": ["shop/checkout:v2"]});
    }
    status
}

/// A release that goes bad in its second stage, as its Rollout's statuses tell it.
fn reverted() -> Report {
    let scenario = Scenario::parse(SCENARIO, "scenario.yaml").unwrap();
    let exposed = Exposed::new(&rollout(&value!({})).spec, &scenario.traffic);
    let mut load = Load::new(&scenario, "shop", exposed, 1);
    let mut recorder = Recorder::new(start());
    recorder.event(start(), "checkout", "Release", "shop/checkout:v2 is applied".to_owned());
    for minute in 0..30 {
        let now = minutes(minute);
        let backends = [("a", "old", "stable", 1.0 - share(minute)), ("b", "new", "canary", share(minute))];
        let backends = backends.map(|(pod, revision, version, share)| Backend {
            pod,
            revision,
            version,
            node: "node-1",
            share,
            copies: 0.0,
            ready_since: start(),
        });
        load.route(now, &backends);
        load.settle(now);
        recorder.rollout(now, &rollout(&status(minute)), Some(&load));
        for part in 0..4 {
            let now = now + Duration::from_secs(part * 15);
            load.settle(now);
            recorder.sample(now, "checkout", &load);
        }
    }
    let mut report = recorder.finish(minutes(30), 7, &BTreeMap::from([("checkout".to_owned(), &load)]));
    report.writes = Writes { statuses: 2, objects: 1, events: 1, ..Writes::default() };
    report.failures = scenario.expect.failures(&report);
    report
}

#[test]
fn a_report_tells_what_became_of_a_release() {
    let report = reverted();
    let release = report.release(None, Some("shop/checkout:v2")).unwrap();
    assert_eq!((release.outcome, release.reason.as_str()), (Outcome::Reverted, "Reverted"));
    assert_eq!((release.stage.as_deref(), release.ended), (Some("quarter"), Some(minutes(18))));
    assert!((4000..6500).contains(&release.exposed), "{}", release.exposed);
    assert_eq!(report.serving(None), Some("shop/checkout:v1"));
    assert_eq!(report.failures, Vec::<String>::new());
}

#[test]
fn an_expectation_that_does_not_hold_is_told_in_a_sentence() {
    let report = reverted();
    let failures =
        |expect: &str| Scenario::parse(&format!("expect: {expect}"), "s.yaml").unwrap().expect.failures(&report);
    assert_eq!(failures("{within: 10m}"), ["shop/checkout:v2: it took 18m, expected was 10m at most"]);
    assert_eq!(failures("{stage: canary}"), ["shop/checkout:v2: it ended in stage quarter, expected was canary"]);
    assert_eq!(failures("{release: other}"), ["there was no release of other"]);
    assert_eq!(
        failures("{serving: shop/checkout:v2}"),
        ["shop/checkout:v1 serves at the end, expected was shop/checkout:v2"]
    );
    assert!(
        failures("{outcome: Promoted}")[0]
            .starts_with("shop/checkout:v2: the outcome is Reverted, expected was Promoted: ")
    );
    assert_eq!(failures("[{outcome: Reverted}, {writesAtMost: 2}]"), ["3 writes were needed, expected were 2 at most"]);
}

#[test]
fn what_people_are_told_is_expected_word_by_word_in_its_order() {
    let report = reverted();
    let failures =
        |told: &str| Scenario::parse(&format!("expect: {{told: {told}}}"), "s.yaml").unwrap().expect.failures(&report);
    assert_eq!(failures("[StagePassed, Reverted]"), Vec::<String>::new());
    let all = "RolloutStarted, StageEntered, StagePassed, StageEntered, Reverted, AtRestReverted";
    assert_eq!(failures("[CheckWarns]"), [format!("shop/checkout:v2: CheckWarns was not told; told were: {all}")]);
    assert_eq!(
        failures("[Reverted, StagePassed]"),
        [format!("shop/checkout:v2: StagePassed was not told in that order; told were: {all}")]
    );
}

#[test]
fn json_has_what_it_always_has() {
    let json = json(&reverted());
    assert_eq!(json["outcome"], "Reverted");
    assert_eq!(json["timeline"][1]["what"], "RolloutStarted");
    assert_eq!(json["timeline"][2]["after"], "+1m");
    assert_eq!(json["timeline"][2]["weight"], "5%");
    let writes = value!({"total": 3, "statuses": 2, "objects": 1, "events": 1, "refused": 0, "byKind": {}});
    assert_eq!(json["writes"], writes);
    assert_eq!(json["expect"], value!({"holds": true, "failures": []}));
    let fields: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let known = [
        "end", "expect", "notes", "outcome", "releases", "requests", "rollouts", "seed", "serving", "start",
        "timeline", "writes",
    ];
    assert_eq!(fields, known);
}

#[test]
fn the_table_keeps_to_its_width_and_is_plain_without_a_terminal() {
    let text = table(&reverted(), Style { width: 100, color: false });
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(text.contains("shop/checkout:v2: Reverted after 18m in stage quarter"), "{text}");
    assert!(table(&reverted(), Style { width: 100, color: true }).contains("\u{1b}[31m"));
}

#[test]
fn the_picture_is_one_file_without_scripts_or_links() {
    let picture = svg(&reverted());
    assert!(picture.starts_with("<svg xmlns=") && picture.ends_with("</svg>\n"));
    for foreign in ["<script", "href", "url(", "<foreignObject", "NaN", "inf"] {
        assert!(!picture.contains(foreign), "{foreign}");
    }
    assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
    if let Ok(file) = std::env::var("TIDEGATE_TEST_PICTURE") {
        std::fs::write(file, picture).unwrap();
    }
}

#[test]
fn many_runs_are_told_by_their_middle_and_their_ends() {
    let scenario = Scenario::parse(SCENARIO, "scenario.yaml").unwrap();
    let runs: Vec<_> = (0..10).map(|seed| Run::new(&Report { seed, ..reverted() }, &scenario)).collect();
    let distribution = Distribution::new(&runs);
    assert_eq!((distribution.runs, distribution.held, distribution.false_reverts), (10, 10, 0));
    assert_eq!(distribution.outcomes["Reverted"], 10);
    assert_eq!(distribution.time_to_detect, Some([120; 4]), "from the change at 16m to the revert at 18m");
    let text = distribution_table(&distribution, Style { width: 100, color: false });
    assert!(text.contains("10 runs, seeds 0 to 9"), "{text}");
}
