//! Gates of a plan, on a toy cluster.

use serde_json::{Value, json};
use tidegate_api::{GateState, Percent, Phase, Verdict, condition::kind};

use super::{
    lab::Lab,
    specs::{routed, staged, with},
};
use crate::plan::{OtherRolloutState, Reply};

/// The default stages, with gates behind the first one.
fn behind_canary(gates: &Value) -> Value {
    let mut spec = staged();
    spec["stages"][0]["after"] = gates.clone();
    spec
}

fn sign_off(approval: &Value) -> Value {
    json!([{"name": "sign-off", "approval": approval}])
}

fn smoke() -> Value {
    json!([{"name": "smoke", "webhook": {"endpoint": "smoke"}}])
}

/// The version that is on its way, or waits to be.
fn version(lab: &Lab) -> String {
    let status = lab.status();
    status.canary.map(|canary| canary.revision).or(status.gates.first().map(|gate| gate.revision.clone())).unwrap()
}

fn approve(lab: &mut Lab, entries: &str) {
    let entries = entries.replace("VERSION", &version(lab));
    lab.cluster.annotate("tidegate.dev/approve", &entries);
    lab.settle();
}

/// Where a gate stands, and what it says.
fn gate(lab: &Lab, name: &str) -> Option<(GateState, String)> {
    let gates = lab.status().gates;
    gates.into_iter().find(|gate| gate.name == name).map(|gate| (gate.state, gate.message))
}

/// Lets the canary stage pass, so that its gates are asked.
fn at_the_gate(spec: &Value) -> Lab {
    let mut lab = Lab::in_stage(spec, "canary");
    lab.pass(3600);
    lab
}

#[test]
fn a_stage_that_has_passed_waits_for_an_approval_and_goes_on_with_it() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({}))));
    assert_eq!((lab.stage().as_str(), lab.told("GateWaits")), ("canary", 1));
    let message = lab.status().message;
    assert_eq!(
        message,
        "stage canary may be left and waits for gate sign-off: an approval by anybody who may annotate the Rollout"
    );
    approve(&mut lab, "VERSION/sign-off by jane");
    assert_eq!((lab.stage().as_str(), lab.told("GatePassed")), ("quarter", 1));
    let known = lab.status().gates;
    assert_eq!((known[0].state, known[0].approvals[0].by.as_str()), (GateState::Passed, "jane"));
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.status().gates.len()), (Phase::Stable, 10, 0));
    assert_eq!(lab.told("CommandIgnored"), 0, "an approval that has counted stays, and nobody minds");
}

#[test]
fn as_many_different_people_as_it_takes_have_to_approve() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({"count": 2}))));
    approve(&mut lab, "VERSION/sign-off by jane; VERSION/sign-off by jane at noon");
    assert_eq!(lab.stage(), "canary");
    let (_, message) = gate(&lab, "sign-off").unwrap();
    assert!(message.starts_with("1 of 2 approvals (there is one by jane)"), "{message}");
    approve(&mut lab, "VERSION/sign-off by jane; VERSION/sign-off by joe");
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn an_approval_that_is_withdrawn_before_the_gate_has_passed_does_not_count() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({"count": 2}))));
    approve(&mut lab, "VERSION/sign-off by jane");
    approve(&mut lab, "VERSION/sign-off by joe");
    assert_eq!(lab.stage(), "canary");
    assert_eq!(lab.status().gates[0].approvals.iter().map(|it| it.by.as_str()).collect::<Vec<_>>(), ["joe"]);
}

#[test]
fn an_approval_by_someone_else_or_for_another_version_or_gate_does_nothing_and_says_so() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({"users": ["jane"], "groups": ["sre"]}))));
    for (entry, why) in [
        ("VERSION/sign-off by joe", "joe is not one of jane or group sre"),
        ("another/sign-off by jane", "version another is not on its way"),
        ("VERSION/smoke by jane", "no gate called smoke waits for approval"),
    ] {
        let before = lab.told("CommandIgnored");
        approve(&mut lab, entry);
        assert_eq!((lab.stage().as_str(), lab.told("CommandIgnored")), ("canary", before + 1), "{entry}");
        let told = lab.status().history[0].message.clone();
        assert!(told.ends_with(why), "{told}");
    }
    approve(&mut lab, "VERSION/sign-off by joe of web,sre");
    assert_eq!(lab.stage(), "quarter");
    let before = lab.told("CommandIgnored");
    approve(&mut lab, "VERSION/sign-off by joe of web,sre; VERSION/sign-off by jane");
    assert_eq!(lab.told("CommandIgnored"), before + 1, "who comes late is told, who was counted is not");
}

#[test]
fn what_is_written_otherwise_than_an_approval_is_told_once_and_harms_none_that_stands_beside_it() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({"count": 2}))));
    approve(&mut lab, "VERSION/sign-off jane; VERSION/sign-off by joe");
    let told = lab.status().history.into_iter().find(|step| step.reason == "CommandIgnored").unwrap().message;
    let expected =
        format!("approval \"{}/sign-off jane\" is ignored: it is none: write REVISION/GATE by NAME", version(&lab));
    assert!(told.starts_with(&expected), "{told}");
    approve(&mut lab, "VERSION/sign-off by jane; VERSION/sign-off jane; VERSION/sign-off by joe");
    assert_eq!((lab.stage().as_str(), lab.told("CommandIgnored")), ("quarter", 1));
    lab.finish();
    assert_eq!((lab.phase(), lab.told("CommandIgnored")), (Phase::Stable, 1), "not even when the rollout is over");
    lab.cluster.annotate("tidegate.dev/approve", "yes");
    lab.settle();
    assert_eq!(lab.told("CommandIgnored"), 2, "at rest, too");
}

#[test]
fn an_approval_may_come_before_its_gate_is_asked_and_counts_for_one_rollout_alone() {
    let mut lab = Lab::in_stage(&behind_canary(&sign_off(&json!({}))), "canary");
    approve(&mut lab, "VERSION/sign-off by jane");
    lab.until(|lab| lab.stage() == "quarter");
    let version = version(&lab);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    lab.verdicts.clear();
    lab.cluster.annotate("tidegate.dev/retry", &version);
    lab.until(|lab| lab.stage() == "canary" && gate(lab, "sign-off").is_some());
    lab.pass(3600);
    assert_eq!(lab.stage(), "canary", "what was said about the last try does not count for this one");
    approve(&mut lab, "VERSION/sign-off by jane once more");
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_failure_reverts_at_once_whatever_gate_waits() {
    for gates in [sign_off(&json!({})), smoke()] {
        let mut lab = at_the_gate(&behind_canary(&gates));
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.decide();
        assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
    }
}

#[test]
fn no_command_passes_a_gate() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({}))));
    let target = format!("{}/canary", version(&lab));
    lab.cluster.annotate("tidegate.dev/promote", &target);
    lab.settle();
    assert_eq!((lab.stage().as_str(), lab.status().commands.len()), ("canary", 0));
    approve(&mut lab, "VERSION/sign-off by jane");
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_version_starts_when_the_gates_in_front_of_it_have_passed() {
    let mut spec = staged();
    spec["gates"] = json!({"start": sign_off(&json!({}))});
    spec["stages"][0]["before"] = smoke();
    let mut lab = Lab::adopted(&spec);
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 0));
    assert!(lab.status().message.starts_with("a new version waits for gate sign-off: "));
    assert_eq!(gate(&lab, "smoke"), None, "one after another");
    approve(&mut lab, "VERSION/sign-off by jane");
    assert_eq!(gate(&lab, "smoke").unwrap().0, GateState::Waiting);
    lab.gate_reply = Some(Reply::Go("well".to_owned()));
    lab.settle();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
    assert_eq!(lab.status().gates.len(), 2, "what was said before the start is not asked again");
}

#[test]
fn a_gate_in_front_of_the_start_that_says_no_keeps_the_version_off_until_it_is_retried() {
    let mut lab = Lab::adopted(&with(&json!({"gates": {"start": smoke()}})));
    lab.cluster.push("v2");
    lab.gate_reply = Some(Reply::Stop("the change is not approved".to_owned()));
    lab.settle();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told("GateStopped")), (Phase::Reverted, 0, 1));
    assert!(lab.status().message.contains("the change is not approved"), "{}", lab.status().message);
    let version = lab.status().failed[0].revision.clone();
    lab.gate_reply = Some(Reply::Go("it is now".to_owned()));
    lab.cluster.annotate("tidegate.dev/retry", &version);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
}

#[test]
fn a_gate_that_says_no_is_a_failure_of_the_stage() {
    let mut spec = behind_canary(&json!([]));
    spec["stages"][1]["after"] = smoke();
    for (on_failure, phase, stage) in [
        ("Revert", Phase::Reverting, "quarter"),
        ("Hold", Phase::Held, "quarter"),
        ("StepBack", Phase::Progressing, "canary"),
    ] {
        spec["onFailure"] = json!(on_failure);
        let mut lab = Lab::in_stage(&spec, "quarter");
        lab.gate_reply = Some(Reply::Stop("the smoke test failed".to_owned()));
        lab.until(|lab| gate(lab, "smoke").is_some());
        lab.settle();
        let status = lab.status();
        assert_eq!(status.gates[0].state, GateState::Stopped);
        assert!(
            (status.phase, status.stage.map(|stage| stage.name)) == (phase, Some(stage.to_owned()))
                || status.phase == Phase::Reverted,
            "{on_failure}"
        );
    }
}

#[test]
fn what_a_gate_has_said_is_not_asked_again() {
    let mut spec = behind_canary(&smoke());
    spec["onFailure"] = json!("StepBack");
    spec["stages"][1]["checks"] = json!([{"name": "errors", "max": "1%"}]);
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.gate_reply = Some(Reply::Go("well".to_owned()));
    lab.until(|lab| lab.stage() == "quarter" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.gate_reply = Some(Reply::Stop("not any more".to_owned()));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    lab.verdicts.clear();
    assert_eq!(lab.stage(), "canary");
    lab.until(|lab| lab.stage() == "quarter");
    assert_eq!((gate(&lab, "smoke").unwrap().0, lab.told("GatePassed")), (GateState::Passed, 1));
}

#[test]
fn a_gate_that_waits_for_too_long_holds_and_its_late_answer_counts() {
    let mut gates = sign_off(&json!({}));
    gates[0]["timeout"] = json!("2h");
    let mut lab = at_the_gate(&behind_canary(&gates));
    lab.pass(3 * 3600);
    assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Held, Some("GateTimedOut")));
    assert_eq!(gate(&lab, "sign-off").unwrap().0, GateState::TimedOut);
    approve(&mut lab, "VERSION/sign-off by jane");
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "quarter"));
}

#[test]
fn a_gate_that_waits_for_too_long_turns_the_traffic_back_where_it_says_so() {
    let mut gates = sign_off(&json!({}));
    (gates[0]["timeout"], gates[0]["onTimeout"]) = (json!("2h"), json!("Revert"));
    let mut spec = behind_canary(&gates);
    spec["onFailure"] = json!("Hold");
    let mut lab = at_the_gate(&spec);
    lab.pass(3 * 3600);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    assert!(lab.status().message.contains("gate sign-off has waited for longer than 2h"), "{}", lab.status().message);
}

#[test]
fn promotion_waits_for_its_gates_with_all_of_the_traffic_on_the_new_version() {
    let mut lab = Lab::in_stage(&with(&json!({"gates": {"promote": sign_off(&json!({}))}})), "full");
    lab.pass(3600);
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Progressing, Percent::FULL));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO), "stable is still there");
}

#[test]
fn other_rollouts_have_to_be_where_the_gate_needs_them() {
    let gates = json!([{"name": "backend", "rollouts": [
        {"name": "ledger"}, {"name": "stock", "namespace": "depot", "revision": "SameImageTag"},
    ]}]);
    let state = |namespace: &str, name: &str, unready: Option<&str>, image: &str| OtherRolloutState {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        unready: unready.map(str::to_owned),
        images: vec![image.to_owned()],
        circle: None,
    };
    let mut lab = at_the_gate(&behind_canary(&gates));
    let says = |lab: &mut Lab, others: Vec<OtherRolloutState>| {
        lab.cluster.other_rollouts = others;
        lab.pass(10);
        gate(lab, "backend").unwrap().1
    };
    assert_eq!(says(&mut lab, vec![]), "Rollout ledger is not known here");
    let told = says(&mut lab, vec![state("shop", "ledger", Some("it is on its way"), "ledger:7")]);
    assert_eq!(told, "Rollout ledger is not where it should be: it is on its way");
    let ledger = || state("shop", "ledger", None, "ledger:7");
    let told = says(&mut lab, vec![ledger(), state("depot", "stock", None, "stock:v1")]);
    assert!(told.starts_with("Rollout depot/stock serves v1 and not latest"), "{told}");
    let circle = OtherRolloutState { circle: Some("checkout → ledger → checkout".to_owned()), ..ledger() };
    let told = says(&mut lab, vec![circle]);
    assert!(told.contains("wait for one another: checkout → ledger → checkout"), "{told}");
    says(&mut lab, vec![ledger(), state("depot", "stock", None, "registry.example.com:5000/stock")]);
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn two_gates_of_one_name_are_refused() {
    let mut spec = behind_canary(&smoke());
    spec["stages"][1]["before"] = smoke();
    let mut lab = Lab::before_adoption(&spec);
    lab.settle();
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("InvalidSpec"));
    assert!(lab.status().message.starts_with("two gates are called smoke"), "{}", lab.status().message);
}

#[test]
fn a_version_that_comes_while_another_waits_at_a_gate_asks_it_anew() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({}))));
    let first = version(&lab);
    lab.cluster.push("v3");
    lab.until(|lab| lab.stage() == "canary" && version(lab) != first);
    lab.pass(3600);
    lab.cluster.annotate("tidegate.dev/approve", &format!("{first}/sign-off by jane"));
    lab.settle();
    assert_eq!(
        (lab.stage().as_str(), lab.status().gates.len()),
        ("canary", 1),
        "an approval of the one before does nothing"
    );
}

#[test]
fn a_plan_without_gates_says_nothing_of_them() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.finish();
    let gates = ["GateWaits", "GatePassed"].map(|reason| lab.told(reason));
    assert_eq!((gates, lab.status().gates.len(), lab.phase()), ([0, 0], 0, Phase::Stable));
}

#[test]
fn a_version_that_is_not_asked_for_any_more_waits_at_no_gate() {
    let mut gates = sign_off(&json!({}));
    (gates[0]["timeout"], gates[0]["onTimeout"]) = (json!("1h"), json!("Revert"));
    let mut lab = Lab::adopted(&with(&json!({"gates": {"start": gates}})));
    lab.cluster.push("v2");
    lab.settle();
    let first = version(&lab);
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!(lab.status().gates.len(), 0);
    lab.cluster.annotate("tidegate.dev/approve", &format!("{first}/sign-off by jane"));
    lab.pass(3 * 3600);
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!((lab.phase(), gate(&lab, "sign-off").unwrap().0), (Phase::Stable, GateState::Waiting), "asked anew");
}

#[test]
fn a_gate_that_is_renamed_and_renamed_back_is_asked() {
    let mut lab = at_the_gate(&behind_canary(&smoke()));
    let renamed = |name: &str| {
        let mut stages = staged()["stages"].clone();
        stages[0]["after"] = json!([{"name": name, "webhook": {"endpoint": "smoke"}}]);
        json!({"stages": stages})
    };
    for name in ["other", "smoke"] {
        lab.cluster.edit(&renamed(name));
        lab.settle();
        assert_eq!(lab.status().gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>(), [name]);
    }
    lab.gate_reply = Some(Reply::Go("well".to_owned()));
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_gate_behind_one_that_has_passed_is_asked_once_and_its_time_runs() {
    let mut gates = sign_off(&json!({}));
    gates.as_array_mut().unwrap().push(smoke()[0].clone());
    let mut lab = at_the_gate(&behind_canary(&gates));
    approve(&mut lab, "VERSION/sign-off by jane");
    let asked = |lab: &Lab| lab.status().gates.iter().find(|gate| gate.name == "smoke").map(|gate| gate.since);
    let since = asked(&lab);
    assert!(since.is_some());
    lab.pass(3600);
    assert_eq!((asked(&lab), lab.told("GateWaits")), (since, 2));
    lab.gate_reply = Some(Reply::Go("well".to_owned()));
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn a_gate_of_a_version_that_failed_takes_no_approval_any_more() {
    let mut lab = at_the_gate(&behind_canary(&sign_off(&json!({}))));
    let failed = version(&lab);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((lab.phase(), lab.status().gates.len()), (Phase::Reverted, 0));
    lab.cluster.annotate("tidegate.dev/approve", &format!("{failed}/sign-off by jane"));
    lab.settle();
    assert_eq!(lab.told("CommandIgnored"), 1);
}

#[test]
fn a_spent_approval_stays_spent_however_many_others_stand_in_front_of_it() {
    let mut lab = Lab::in_stage(&behind_canary(&sign_off(&json!({"count": 2}))), "canary");
    approve(&mut lab, "another/sign-off by jane");
    let spent = lab.status().spent_approvals;
    let mut entries: Vec<_> = (0..40).map(|number| format!("another/sign-off by j{number}")).collect();
    entries.push("another/sign-off by jane".to_owned());
    lab.cluster.annotate("tidegate.dev/approve", &entries.join("; "));
    lab.settle();
    assert!(lab.status().spent_approvals.contains(&spent[0]));
}

#[test]
fn a_gate_turns_the_traffic_back_in_time_though_the_schedule_is_closed_by_then() {
    let mut gates = sign_off(&json!({}));
    (gates[0]["timeout"], gates[0]["onTimeout"]) = (json!("2h"), json!("Revert"));
    let mut lab = at_the_gate(&behind_canary(&gates));
    lab.cluster.edit(&json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]}}));
    lab.pass(3 * 3600);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_gate_that_waited_when_its_stage_fell_back_has_its_time_anew() {
    let mut spec = behind_canary(&json!([]));
    spec["onFailure"] = json!("StepBack");
    spec["stages"][1]["after"] = json!([{"name": "sign-off", "approval": {}, "timeout": "5m", "onTimeout": "Revert"}]);
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.until(|lab| gate(lab, "sign-off").is_some());
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    lab.verdicts.clear();
    assert_eq!((lab.stage().as_str(), gate(&lab, "sign-off")), ("canary", None));
    lab.until(|lab| lab.stage() == "quarter" && gate(lab, "sign-off").is_some());
    assert_eq!((lab.phase(), gate(&lab, "sign-off").unwrap().0), (Phase::Progressing, GateState::Waiting));
}

#[test]
fn a_no_that_is_met_again_still_names_its_gate() {
    let mut spec = behind_canary(&json!([]));
    spec["onFailure"] = json!("StepBack");
    spec["stages"][1]["after"] = smoke();
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.gate_reply = Some(Reply::Stop("it does not answer".to_owned()));
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    assert!(lab.status().message.contains("gate smoke says no: it does not answer"), "{}", lab.status().message);
}
