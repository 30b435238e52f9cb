//! What is explained of many a Rollout.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::condition::{kind, reason};

use super::told;
use crate::cli::status::tests::{condition, rollout, two_stages, underway};

fn explained(spec: Value, status: Value) -> String {
    let now: Timestamp = "2026-03-02T09:05:00Z".parse().unwrap();
    told(&rollout(spec, status), "kubectl tidegate", now)
}

/// The lines below a head.
fn below<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != head).skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).collect()
}

/// The verbs that are offered.
fn offered(text: &str) -> Vec<String> {
    let lines = below(text, "what you can do").into_iter();
    let commands = lines.map(|line| line.split("  ").next().unwrap_or_default());
    commands.map(|command| command.replace("kubectl tidegate ", "").replace(" -n shop", "")).collect()
}

/// A plan of two stages whose checks are there.
fn judged() -> Value {
    let mut spec = two_stages();
    spec["analysis"] = json!({"checks": [{"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}}]});
    spec
}

fn failed() -> Value {
    json!({
        "phase": "Reverted",
        "message": "version 6b5d (checkout:v2) failed (errors: 6.1% of 114 requests failed) and stays off",
        "failed": [{
            "revision": "6b5d", "replicaSet": "checkout-6b5d", "at": "2026-03-02T09:00:00Z",
            "message": "errors: 6.1% of 114 requests failed, allowed 0.5%",
        }],
        "conditions": [condition(kind::STALLED, reason::REVERTED)],
    })
}

#[test]
fn a_stage_under_way_says_what_it_lacks_and_what_comes_then_and_the_documents_show_it() {
    let text = explained(judged(), underway(json!({})));
    let expected = "\
why
  Rollout checkout is Progressing: stage half at 50%: good so far, bakes until 2026-03-02T09:10:00Z
  check errors says NeedMoreData: 400 more requests are needed (value 0.1%, limit 0.5%, stable 0.2%, 812 requests)
  the last step was StagePassed at 2026-03-02T08:59:00Z, 6m ago: stage canary passed; next: half

what happens next
  bake: 10m, 5m left, until 2026-03-02T09:10:00Z
  check errors has to pass, about 400 more requests, about 5m at this traffic
  deadline: 15m left, until 2026-03-02T09:20:00Z; where a check has not passed by then, it is held
  then comes stage full with 100% of the traffic
  if a check fails meanwhile, all traffic goes back to the stable version at once

what you can do
  kubectl tidegate promote checkout -n shop         leaves stage half without its bake, its evidence and the schedule; gates are asked
  kubectl tidegate promote checkout --full -n shop  leaves all stages that are to come so, too
  kubectl tidegate pause checkout -n shop           keeps it in this stage; a failure still goes back
  kubectl tidegate abort checkout -n shop           takes all traffic back to the stable version, and does not try this one again
";
    assert_eq!(text, expected);
    assert!(include_str!("../../../docs/commands.md").contains(expected), "docs/commands.md shows another answer");
}

#[test]
fn a_version_that_failed_says_which_check_by_which_numbers_and_how_to_try_it_again() {
    let text = explained(json!({}), failed());
    let why = below(&text, "why");
    let failure =
        "version 6b5d failed at 2026-03-02T09:00:00Z, 5m ago: errors: 6.1% of 114 requests failed, allowed 0.5%";
    assert_eq!(why[1], failure);
    assert!(why[2].starts_with("to do: The message says why"), "{text}");
    assert_eq!(offered(&text), ["retry checkout", "undo checkout"]);
    assert!(text.contains("change the pod template of Deployment checkout"), "{text}");
}

#[test]
fn a_version_that_waits_since_its_routes_were_refused_is_the_one_to_be_tried_again() {
    let mut status = failed();
    status["takenBack"] = json!({
        "revision": "9e2f", "generation": 1, "at": "2026-03-02T09:00:00Z", "reason": "RouteRefused", "message": "no",
    });
    assert!(explained(json!({}), status).contains("tries version 9e2f again"));
}

#[test]
fn a_gate_says_what_it_waits_for_and_the_one_for_people_can_be_answered() {
    let mut spec = two_stages();
    spec["stages"][1]["after"] = json!([
        {"name": "board", "webhook": {"endpoint": "board"}},
        {"name": "sign-off", "approval": {}, "timeout": "1h", "onTimeout": "Revert"},
    ]);
    spec["stages"][2]["before"] = json!([{"name": "backend", "rollouts": [{"name": "ledger"}]}]);
    let gate = |name: &str, state: &str| {
        json!({
            "name": name, "revision": "6b5d", "place": "after half", "state": state, "since": "2026-03-02T09:04:00Z",
            "message": "an approval by anybody who may annotate the Rollout",
        })
    };
    let gates = json!([gate("board", "Passed"), gate("sign-off", "Waiting")]);
    let text = explained(spec, underway(json!({"gates": gates})));
    let next = below(&text, "what happens next").join("\n");
    assert!(!next.contains("board"), "what has passed is not asked again: {next}");
    let waits = "gate sign-off is asked since 2026-03-02T09:04:00Z: an approval by anybody who may annotate the Rollout; \
                 without an answer after 1h, all traffic goes back\ngate backend is asked then\nthen comes stage full";
    assert!(next.contains(waits), "{next}");
    assert_eq!(offered(&text)[0], "approve checkout --gate sign-off");
}

#[test]
fn what_a_failure_leads_to_is_said_by_the_plan_and_by_what_happened_already() {
    let fails = |spec: &Value, more: Value| {
        let text = explained(spec.clone(), underway(more));
        below(&text, "what happens next").last().unwrap().to_string()
    };
    let mut spec = two_stages();
    spec["onFailure"] = json!("StepBack");
    let back = "if a check fails meanwhile, stage canary comes back with 5% of the traffic";
    assert_eq!(fails(&spec, json!({})), back);
    let fallen = json!({"steppedBack": [{"stage": "half", "to": "canary", "at": "2026-03-02T09:00:00Z"}]});
    assert!(fails(&spec, fallen).ends_with("all traffic goes back to the stable version at once"));
    spec["stages"][1]["onFailure"] = json!("Hold");
    assert!(fails(&spec, json!({})).ends_with("everything stays as it is until somebody acts"));
    spec["degrade"] = json!({"by": {"name": "flags-off", "webhook": {"endpoint": "flags"}}});
    let first =
        "if a check fails meanwhile, flags-off is asked to switch something off; if that does not help, everything";
    assert!(fails(&spec, json!({})).starts_with(first), "{}", fails(&spec, json!({})));
    let degraded = json!({"degraded": {"stage": "half", "by": "flags-off", "at": "2026-03-02T09:00:00Z"}});
    assert!(fails(&spec, degraded).starts_with("if a check fails meanwhile, everything"), "it is tried once");
}

#[test]
fn a_stage_with_a_drill_says_that_it_goes_back_before_it_goes_on() {
    let mut spec = judged();
    spec["stages"][1]["drill"] = json!({"within": "1m"});
    let text = explained(spec, underway(json!({})));
    let next = below(&text, "what happens next");
    let told = "drill: 5% of the traffic is in force again before it goes on, within 1m";
    assert!(next.contains(&told), "{next:?}");
}

#[test]
fn one_that_is_held_says_that_nothing_goes_on_and_offers_only_what_would_be_done() {
    let held = |why: &str| json!({"phase": "Held", "conditions": [condition(kind::STALLED, why)]});
    let text = explained(judged(), underway(held(reason::CHECK_FAILED)));
    assert_eq!(below(&text, "what happens next")[0], "nothing goes on until somebody acts");
    assert_eq!(offered(&text), ["abort checkout"]);
    let text = explained(judged(), underway(held(reason::INCONCLUSIVE)));
    assert_eq!(offered(&text), ["promote checkout", "promote checkout --full", "abort checkout"]);
}

#[test]
fn one_that_is_paused_can_be_resumed() {
    let mut spec = judged();
    spec["paused"] = json!(true);
    let text = explained(spec.clone(), underway(json!({})));
    assert_eq!(offered(&text), ["resume checkout", "abort checkout"]);
    assert!(text.contains("spec.paused is set: the stage is not left"));
    assert_eq!(offered(&explained(spec, json!({"phase": "Stable"}))), ["restart checkout", "resume checkout"]);
}

#[test]
fn one_whose_weight_is_not_in_force_says_until_when_that_may_last() {
    let mut status = underway(json!({}));
    status["stage"].as_object_mut().unwrap().retain(|field, _| !["since", "until"].contains(&field.as_str()));
    let text = explained(judged(), status);
    let next = below(&text, "what happens next");
    assert_eq!(next[1], "pods and routes have until 2026-03-02T09:09:00Z, in 4m for that (spec.progressDeadline)");
}

#[test]
fn the_next_hours_are_told_before_a_stage_is_left_and_before_a_version_starts() {
    let mut spec = judged();
    spec["schedule"] = json!({"timeZone": "UTC", "start": ["Tue 10:00-12:00"], "advance": ["09:00-12:00"]});
    let text = explained(spec.clone(), underway(json!({})));
    assert!(text.contains("\n  schedule: hours in which the stage may be left are open now\n"), "{text}");
    let text = explained(spec, json!({"phase": "Stable", "message": "version 7f9c serves"}));
    let opens = "schedule: hours in which a new version may start open on Tue 2026-03-03 10:00 UTC (UTC)";
    assert_eq!(below(&text, "what happens next")[0], opens);
}

#[test]
fn at_rest_the_way_of_the_next_version_and_the_one_back_are_told() {
    let former = json!([{"revision": "5c44", "replicaSet": "checkout-5c44", "images": ["checkout:v0"], "until": "2026-03-01T09:00:00Z"}]);
    let text = explained(json!({}), json!({"phase": "Stable", "message": "version 7f9c serves", "former": former}));
    let way =
        "a version that Deployment checkout asks for then goes through canary with 5% of the traffic for 10m at least";
    assert!(below(&text, "what happens next")[0].starts_with(way), "{text}");
    assert_eq!(offered(&text), ["undo checkout", "restart checkout", "pause checkout"]);
}

#[test]
fn a_command_that_came_to_nothing_says_why() {
    let ignored = json!([{
        "command": "abort", "text": "5c44", "at": "2026-03-02T09:04:00Z", "done": false,
        "message": "abort of 5c44 is ignored: version 5c44 is not on its way",
    }]);
    let text = explained(judged(), underway(json!({"commands": ignored})));
    let said = "  abort of 5c44 is ignored: version 5c44 is not on its way (2026-03-02T09:04:00Z, 1m ago)\n";
    assert!(text.contains(said), "{text}");
}

#[test]
fn every_phase_is_explained() {
    for phase in ["Pending", "Adopting", "Stable", "Promoting", "Reverting", "Reverted", "HandingBack"] {
        let text = explained(json!({}), json!({"phase": phase}));
        assert!(!below(&text, "what happens next").is_empty(), "{phase}: {text}");
    }
}

#[test]
fn a_version_that_is_watched_says_until_when_and_what_happens_when_it_fails() {
    let mut spec = judged();
    spec["watch"] = json!({"for": "24h", "onFailure": "Revert"});
    let watch = json!({"revision": "6b5d", "since": "2026-03-02T09:00:00Z", "until": "2026-03-03T09:00:00Z"});
    let text = explained(spec.clone(), json!({"phase": "Stable", "watch": watch}));
    assert!(text.contains(": when a check fails, the version before it comes back"), "{text}");
    let failed = json!({"revision": "6b5d", "until": "2026-03-03T09:00:00Z", "failed": "errors: 6%"});
    let text = explained(spec, json!({"phase": "Stable", "watch": failed}));
    assert!(text.contains("the version failed after its promotion (errors: 6%) and serves on"), "{text}");
}
