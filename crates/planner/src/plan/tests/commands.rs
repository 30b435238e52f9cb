//! What people ask of a rollout.

use serde_json::json;
use tidegate_api::{Percent, Phase, Verdict};

use super::{
    lab::Lab,
    specs::{routed, with},
};

/// Somebody annotates the Rollout, and it is looked at once.
fn asked(lab: &mut Lab, command: &str, target: &str) {
    lab.cluster.annotate(&format!("tidegate.dev/{command}"), target);
    lab.decide();
}

fn version(lab: &Lab) -> String {
    lab.status().canary.map(|canary| canary.revision).unwrap_or_default()
}

/// What came of the last command, and whether it was done.
fn answer(lab: &Lab) -> (bool, String) {
    lab.status().commands.first().map(|known| (known.done, known.message.clone())).unwrap_or_default()
}

#[test]
fn abort_takes_all_traffic_back_in_the_same_decision_and_the_version_stays_off() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    let target = format!("{} by jane", version(&lab));
    asked(&mut lab, "abort", &target);
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
    lab.finish();
    assert_eq!((lab.phase(), lab.told("Aborted")), (Phase::Reverted, 1));
    assert!(lab.status().message.contains("(aborted, as jane (by their own account) asked) and stays off"));
}

#[test]
fn promote_leaves_the_stage_that_it_names_without_waiting() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    let target = format!("{}/canary", version(&lab));
    asked(&mut lab, "promote", &target);
    assert_eq!((lab.stage().as_str(), lab.told("StageSkipped"), lab.told("StagePassed")), ("quarter", 1, 0));
    lab.settle();
    lab.pass(24 * 3600);
    assert_eq!(lab.stage(), "quarter", "once");
}

#[test]
fn promote_waits_for_no_window_but_for_whoever_paused() {
    let frozen = json!({"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]});
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.edit(&json!({"schedule": frozen}));
    lab.pass(3600);
    let target = format!("{}/canary", version(&lab));
    asked(&mut lab, "promote", &target);
    assert_eq!(lab.stage(), "quarter");
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.cluster.edit(&json!({"paused": true}));
    let target = format!("{}/quarter", version(&lab));
    asked(&mut lab, "promote", &target);
    assert_eq!(lab.stage(), "quarter");
    assert!(answer(&lab).1.ends_with("spec.paused is set: set it to false first"), "{:?}", answer(&lab));
}

#[test]
fn promote_of_the_last_stage_makes_the_version_stable() {
    let mut lab = Lab::in_stage(&routed(), "full");
    let target = format!("{}/full", version(&lab));
    asked(&mut lab, "promote", &target);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told("Promoted")), (Phase::Stable, 10, 1));
}

#[test]
fn promote_of_all_stages_leads_a_version_to_the_end_and_a_failure_still_goes_back() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    let target = format!("{}/*", version(&lab));
    asked(&mut lab, "promote", &target);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told("StageSkipped")), (Phase::Stable, 10, 2));
    assert!(answer(&lab).0);
    let mut lab = Lab::in_stage(&routed(), "canary");
    let target = format!("{}/*", version(&lab));
    asked(&mut lab, "promote", &target);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn no_command_passes_a_check_that_fails() {
    let mut lab = Lab::in_stage(&with(&json!({"onFailure": "Hold"})), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    let target = format!("{}/canary", version(&lab));
    asked(&mut lab, "promote", &target);
    lab.settle();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Held, "canary"));
}

#[test]
fn abort_wins_over_all_that_is_asked_at_the_same_time() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let version = version(&lab);
    lab.cluster.annotate("tidegate.dev/promote", &format!("{version}/canary"));
    asked(&mut lab, "abort", &version);
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn a_command_for_another_revision_or_stage_does_nothing_and_says_so() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let own = version(&lab);
    for (command, target) in [
        ("abort", "another".to_owned()),
        ("promote", format!("{own}/quarter")),
        ("promote", own.clone()),
        ("retry", own),
    ] {
        let before = lab.told("CommandIgnored");
        asked(&mut lab, command, &target);
        lab.settle();
        assert_eq!((lab.stage().as_str(), lab.told("CommandIgnored")), ("canary", before + 1), "{command} {target}");
        assert!(!answer(&lab).0);
    }
}

#[test]
fn a_failed_version_is_tried_again_when_somebody_asks_and_once_for_each_time() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let version = version(&lab);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    lab.verdicts.clear();
    asked(&mut lab, "retry", &version);
    lab.until(|lab| lab.stage() == "canary" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((lab.phase(), lab.told("Retried")), (Phase::Reverted, 1), "the same annotation is the same command");
    lab.verdicts.clear();
    asked(&mut lab, "retry", &format!("{version} at noon"));
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
}

#[test]
fn a_command_that_a_tool_writes_anew_after_another_of_its_kind_is_not_done_again() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    let version = version(&lab);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    for text in ["by jane", "by joe"] {
        asked(&mut lab, "retry", &format!("{version} {text}"));
        lab.finish();
    }
    assert_eq!((lab.phase(), lab.told("Retried")), (Phase::Reverted, 2));
    let before = lab.told("CommandIgnored");
    for text in ["by jane", "by joe", "by jane"] {
        asked(&mut lab, "retry", &format!("{version} {text}"));
        lab.finish();
        assert_eq!((lab.phase(), lab.told("Retried"), lab.told("CommandIgnored")), (Phase::Reverted, 2, before));
    }
}

#[test]
fn of_each_kind_as_many_commands_are_known_again_as_the_documentation_says() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    for number in 0..20 {
        asked(&mut lab, "abort", &format!("another by j{number}"));
        lab.settle();
    }
    let known = lab.status().commands[0].clone();
    assert_eq!((lab.status().commands.len(), known.text.as_str(), known.earlier.len()), (1, "another by j19", 7));
    assert_eq!((known.earlier[0].as_str(), known.earlier[6].as_str()), ("another by j18", "another by j12"));
}
