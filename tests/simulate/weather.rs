//! What verdicts have to stand: things that happened to the version that serves.

use crate::command::{ROLLOUT, ScenarioFile};

const STAGES: &str = "stages: [{name: canary, weight: 5%, bake: 10m}, {name: full, weight: 100%, bake: 1m}]";

/// A story of 60 requests a second, in which stable is like this, and a release with so many errors comes after 25 minutes.
fn story(stable: &str, canary: &str, expect: &str) -> String {
    format!(
        "traffic: {{requestsPerSecond: 60}}
versions: {{stable: {{errors: [{stable}]}}, canary: {{errors: {canary}}}}}
events: [{{at: 25m, release: {{image: 'checkout:v2'}}}}]
until: 60m
expect: {{{expect}}}
"
    )
}

/// So many of its requests failed for half a minute, ten minutes before the release.
fn hiccup(percent: u32) -> String {
    format!("{{from: 0s, rate: 0.02%}}, {{from: 15m, rate: {percent}%}}, {{from: 930s, rate: 0.02%}}")
}

/// It is like that whatever the dice say, where errors are held against `check`.
fn holds(story: &str, check: &str) {
    simulates(story, &format!("checks: [{{name: errors, errorRate: {{preset: pod-http, {check}}}}}]"));
}

/// The same with an analysis of one's own.
fn simulates(story: &str, analysis: &str) {
    let plan = ScenarioFile::new(story);
    let rollout = ROLLOUT.replace("stages: [{name: full, weight: 100%, bake: 1m}]", STAGES).replace(
        "analysis:\n    checks: [{name: errors, errorRate: {preset: pod-http, max: 1%}}]",
        &format!("analysis: {{{analysis}}}"),
    );
    assert!(rollout.contains(STAGES) && rollout.contains(analysis), "{rollout}");
    plan.write("rollout.yaml", &rollout);
    for seed in ["1", "2", "3"] {
        let outcome = plan.simulate(&["--seed", seed]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{analysis}, {story}: {}", outcome.printed);
    }
}

const FIXED: &str = "max: 1%";
const COMPARED: &str = "relative: {ratio: 1.5, margin: 1%}";
const REVERTED: &str = "outcome: Reverted, within: 5m";
/// One and a half times as long as its stages bake.
const PROMOTED: &str = "outcome: Promoted, within: 990s";

#[test]
fn a_bad_version_is_reverted_within_five_minutes_after_a_hiccup_of_whatever_size() {
    for percent in [1, 5, 10, 30, 90, 100] {
        holds(&story(&hiccup(percent), "5%", REVERTED), FIXED);
    }
}

#[test]
fn so_is_one_that_is_compared_with_stable() {
    for percent in [1, 10, 90, 100] {
        holds(&story(&hiccup(percent), "5%", REVERTED), COMPARED);
    }
}

#[test]
fn a_good_version_is_promoted_in_time_after_a_hiccup_of_whatever_size() {
    for percent in [1, 10, 90, 100] {
        holds(&story(&hiccup(percent), "0.02%", PROMOTED), FIXED);
        holds(&story(&hiccup(percent), "0.02%", PROMOTED), COMPARED);
    }
}

#[test]
fn so_is_one_after_an_incident_of_three_minutes() {
    let incident = "{from: 0s, rate: 0.02%}, {from: 12m, rate: 40%}, {from: 15m, rate: 0.02%}";
    holds(&story(incident, "0.02%", PROMOTED), FIXED);
    holds(&story(incident, "5%", REVERTED), FIXED);
    holds(&story(incident, "0.02%", PROMOTED), COMPARED);
}

#[test]
fn the_fix_of_an_incident_is_promoted_while_it_lasts() {
    let incident = "{from: 0s, rate: 0.02%}, {from: 20m, rate: 60%}";
    holds(&story(incident, "0.02%", PROMOTED), FIXED);
    holds(&story(incident, "0.02%", PROMOTED), COMPARED);
}

/// Pods of both versions are twelve times as slow in their first two minutes, as those of a JVM are. The pods of stable are as
/// old as the simulation.
fn cold(latency: &str, release: &str, expect: &str) -> String {
    let cold = "startUp: 25s, warmUp: {for: 2m, slowerBy: 12}";
    format!(
        "traffic: {{requestsPerSecond: 60}}
versions: {{stable: {{latency: {{median: 50ms, p99: 200ms}}, {cold}}}, canary: {{latency: {latency}, {cold}}}}}
events: [{{at: {release}, release: {{image: 'checkout:v2'}}}}]
until: 90m
expect: {{{expect}}}
"
    )
}

const WARMED: &str = "warmUp: 150s, checks: [{name: slow, latency: {preset: pod-http, quantile: 0.99, max: 1s}}]";
const AS_FAST: &str = "{median: 50ms, p99: 200ms}";

#[test]
fn a_version_whose_pods_warm_up_is_promoted_in_time() {
    simulates(&cold(AS_FAST, "25m", "outcome: Promoted, within: 20m"), WARMED);
}

#[test]
fn so_is_one_while_the_warm_up_of_stable_is_still_in_its_history() {
    simulates(&cold(AS_FAST, "12m", "outcome: Promoted, within: 20m"), WARMED);
}

#[test]
fn one_that_stays_slow_is_reverted_when_it_should_be_warm() {
    simulates(&cold("{median: 600ms, p99: 2s}", "25m", "outcome: Reverted, within: 6m"), WARMED);
}

#[test]
fn one_that_fails_altogether_is_reverted_before_it_is_warm() {
    let story = story("{from: 0s, rate: 0.02%}", "80%", "outcome: Reverted, within: 100s");
    simulates(&story, "warmUp: 10m, checks: [{name: errors, errorRate: {preset: pod-http, max: 1%}}]");
}

/// A release after three hours without a request; ten minutes later come as many as these a second.
fn after_silence(requests: u32, canary: &str, expect: &str) -> String {
    format!(
        "traffic: {{requestsPerSecond: [{{from: 0s, rate: 0}}, {{from: 190m, rate: {requests}}}]}}
versions: {{stable: {{errors: 0.1%}}, canary: {{errors: {canary}}}}}
events: [{{at: 3h, release: {{image: 'checkout:v2'}}}}]
until: 5h
expect: {{{expect}}}
"
    )
}

#[test]
fn a_service_that_nobody_used_for_hours_is_judged_by_what_comes() {
    for check in [FIXED, COMPARED] {
        holds(&after_silence(40, "0.1%", "outcome: Promoted, within: 45m"), check);
        holds(&after_silence(40, "5%", "outcome: Reverted, within: 20m"), check);
    }
}

#[test]
fn a_version_that_nobody_asks_for_anything_goes_no_further_and_says_what_would_decide_sooner() {
    let plan = ScenarioFile::new(&after_silence(0, "0.1%", "outcome: Unfinished, stage: canary"));
    let rollout = ROLLOUT.replace("stages: [{name: full, weight: 100%, bake: 1m}]", STAGES);
    plan.write("rollout.yaml", &rollout);
    let outcome = plan.simulate(&[]);
    assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{}", outcome.printed);
    let said = outcome.printed.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["waiting for evidence: errors: no requests yet", "a deadline of the stage ends the wait"] {
        assert!(said.contains(part), "{said}");
    }
}
