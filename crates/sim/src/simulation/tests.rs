use super::*;
use crate::{report, scenario::Outcome};

const ROLLOUT: &str = "
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  workload: {kind: Deployment, name: checkout}
  service: checkout
  replicas: 10
  traffic: {gatewayAPI: {routes: [{name: checkout}]}}
  analysis:
    checks:
    - {name: errors, errorRate: {preset: pod-http, max: 1%}}
    - {name: p95, latency: {preset: pod-http, quantile: 0.95, max: 500ms}}
";

fn simulated(scenario: &str, seed: u64) -> Result<Report, SimulationError> {
    let mut manifests = Manifests::default();
    manifests.add(ROLLOUT, "rollout.yaml")?;
    let scenario = Scenario::parse(scenario, "scenario.yaml")?;
    simulate(&manifests.complete()?, &scenario, seed)
}

#[test]
fn a_good_release_is_promoted_and_a_bad_one_reverted_for_what_is_wrong_with_it() {
    let good = simulated(
        "events: [{at: 0s, release: {image: 'checkout:v2'}}]\nexpect: {outcome: Promoted, serving: 'checkout:v2'}",
        1,
    );
    assert_eq!(good.unwrap().failures, Vec::<String>::new());
    let bad = "
traffic: {requestsPerSecond: 100}
versions: {canary: {errors: 5%}}
events: [{at: 0s, release: {image: 'checkout:v2'}}]
expect: {outcome: Reverted, because: errors, within: 5m, serving: 'checkout:v1'}";
    assert_eq!(simulated(bad, 1).unwrap().failures, Vec::<String>::new());
}

#[test]
fn what_the_operator_writes_is_counted_and_what_it_tells_apart_from_that() {
    let scenario = "
events: [{at: 0s, release: {image: 'checkout:v2'}}, {at: 2m, editWeights: {route: checkout, canary: 40}}]
expect: {outcome: Promoted}";
    let report = simulated(scenario, 1).unwrap();
    assert_eq!(report.failures, Vec::<String>::new());
    let writes = &report.writes;
    // The two Services and the new ReplicaSet are created, and the Services deleted: requests that name no manager.
    assert_eq!(writes.by_kind.get("services"), Some(&4), "{writes:?}");
    assert_eq!(writes.by_kind.get("rollouts/status"), Some(&writes.statuses), "{writes:?}");
    assert_eq!(writes.by_kind.values().sum::<u64>(), writes.total(), "{writes:?}");
    let told = report.timeline.iter().filter(|entry| entry.by == report::By::Tidegate && entry.at >= report.start);
    let told = told.filter(|entry| !matches!(entry.what.as_str(), "AtRest" | "NumbersLost" | "NumbersBack")).count();
    assert_eq!(writes.events, told as u64, "{:#?}", report.timeline);
}

#[test]
fn the_same_seed_gives_the_same_report_to_the_last_byte() {
    let scenario = "versions: {canary: {errors: 2%}}\nevents: [{at: 0s, release: {image: 'checkout:v2'}}, {at: 90s, crashPods: {of: stable, share: 30%}}]";
    let told = |seed| {
        let report = simulated(scenario, seed).unwrap();
        (report::json(&report).to_string(), report::svg(&report))
    };
    assert_eq!(told(3), told(3));
    assert_ne!(told(3), told(4));
}

#[test]
fn an_operator_that_is_killed_goes_on_where_it_was() {
    let scenario = "events: [{at: 0s, release: {image: 'checkout:v2'}}, {at: 15m, crashOperator: {}, for: 1m}]";
    let report = simulated(scenario, 1).unwrap();
    assert_eq!(report.releases.len(), 1, "{:#?}", report.timeline);
    assert_eq!(report.releases[0].outcome, Outcome::Promoted, "{:#?}", report.timeline);
}

#[test]
fn a_schedule_of_the_whole_cluster_holds_a_rollout_that_has_none() {
    let scenario = "
start: 2026-03-02T07:00:00Z
schedule: {timeZone: Europe/Berlin, start: ['Mon-Fri 09:00-16:00']}
events: [{at: 0s, release: {image: 'checkout:v2'}}]
expect: {outcome: Promoted, notBefore: 30m, within: 2h}";
    let report = simulated(scenario, 1).unwrap();
    assert_eq!(report.failures, Vec::<String>::new(), "{:#?}", report.timeline);
    let started = report.releases[0].started;
    assert!(started >= "2026-03-02T08:00:00Z".parse().unwrap(), "{started}");
    let nowhere = "schedule: {timeZone: Europe/Atlantis}\nexpect: {outcome: Promoted}";
    let mistake = simulated(nowhere, 1).unwrap_err().to_string();
    assert!(mistake.contains("schedule.timeZone") && mistake.contains("Europe/Atlantis"), "{mistake}");
}

#[test]
fn somebody_may_have_all_stages_left_without_waiting_for_them() {
    let scenario = "
events: [{at: 0s, release: {image: 'checkout:v2'}}, {at: 2m, promote: {full: true}}]
expect: {outcome: Promoted, within: 5m, told: [StageSkipped, StageSkipped, Promoted]}";
    assert_eq!(simulated(scenario, 1).unwrap().failures, Vec::<String>::new());
}

#[test]
fn a_name_that_nothing_has_is_a_mistake() {
    let refused = |event: &str| simulated(&format!("events: [{{at: 0s, {event}}}]"), 1).unwrap_err().to_string();
    assert_eq!(
        refused("editWeights: {route: chekout, canary: 50}"),
        "the scenario's editWeights: there is no HTTPRoute chekout; did you mean checkout?"
    );
    assert_eq!(refused("release: {image: a, rollout: basket}"), "the scenario's release: there is no Rollout basket");
}
