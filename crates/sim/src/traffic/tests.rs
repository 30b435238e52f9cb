#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidegate_api::RolloutSpec;

use super::*;
use crate::scenario::Scenario;

const MINUTE: Duration = Duration::from_mins(1);

fn spec(preset: &str) -> RolloutSpec {
    serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "analysis": {"checks": [{"name": "errors", "errorRate": {"preset": preset, "max": "1%"}}]},
    }))
    .unwrap()
}

fn load(scenario: &str, seed: u64) -> (Load, Timestamp) {
    let scenario = Scenario::parse(scenario, "scenario.yaml").unwrap();
    let exposed = Exposed::new(&spec("pod-http"), &scenario.traffic);
    (Load::new(&scenario, "shop", exposed, seed), scenario.start)
}

fn backend<'a>(pod: &'a str, version: &'a str, share: f64, ready_since: Timestamp) -> Backend<'a> {
    Backend { pod, revision: version, version, node: "node-1", share, copies: 0.0, ready_since }
}

fn value(series: &[Series], name: &str, label: Option<(&str, &str)>) -> f64 {
    let has = |series: &&Series, name: &str, value: &str| series.0.iter().any(|it| it == (name, value));
    let found = series.iter().filter(|one| has(one, "__name__", name));
    let mut found = found.filter(|one| label.is_none_or(|(label, value)| has(one, label, value)));
    found.next().unwrap_or_else(|| panic!("no {name}")).1
}

const SHOP: &str = "
traffic: {requestsPerSecond: 100}
versions:
  stable: {errors: 0.1%, latency: {median: 50ms, p99: 400ms}}
  canary: {errors: 5%, latency: {median: 100ms, p99: 800ms}, metrics: [
    {name: queue_length, gauge: 40, spread: 0%}, {name: mails_total, perRequest: 2, of: Served, spread: 0%}]}
";

#[test]
fn each_pod_counts_what_its_share_brings() {
    let (mut load, start) = load(SHOP, 1);
    load.route(start, &[backend("a", "stable", 0.9, start), backend("b", "canary", 0.1, start)]);
    let end = start + 100 * MINUTE;
    let stable = load.scrape(end, "a").to_vec();
    let canary = load.scrape(end, "b").to_vec();
    let requests = |series: &[Series]| value(series, "http_request_duration_seconds_count", None);
    assert!((requests(&stable) / 540_000.0 - 1.0).abs() < 0.01, "{}", requests(&stable));
    assert!((requests(&canary) / 60_000.0 - 1.0).abs() < 0.02, "{}", requests(&canary));
    let failed = value(&canary, "http_requests_total", Some(("code", "500")));
    assert!((failed / requests(&canary) / 0.05 - 1.0).abs() < 0.1, "{failed}");
    let served = value(&canary, "http_requests_total", Some(("code", "200")));
    assert_eq!(served + failed, requests(&canary));
    let fast = value(&canary, "http_request_duration_seconds_bucket", Some(("le", "0.1")));
    assert!((fast / requests(&canary) - 0.5).abs() < 0.02, "{fast}");
    assert_eq!(value(&canary, "http_request_duration_seconds_bucket", Some(("le", "+Inf"))), requests(&canary));
    assert_eq!(value(&canary, "queue_length", Some(("pod", "b"))), 40.0);
    assert_eq!(value(&canary, "mails_total", Some(("namespace", "shop"))), 2.0 * served);
}

#[test]
fn a_metric_of_its_own_counts_what_came_between_two_scrapes_whoever_looked_meanwhile() {
    let (mut load, start) = load(SHOP, 1);
    load.route(start, &[backend("b", "canary", 1.0, start)]);
    load.scrape(start + MINUTE, "b");
    load.settle(start + 2 * MINUTE);
    load.settle(start + 3 * MINUTE);
    let series = load.scrape(start + 4 * MINUTE, "b").to_vec();
    let served = value(&series, "http_requests_total", Some(("code", "200")));
    assert_eq!(value(&series, "mails_total", None), 2.0 * served);
}

#[test]
fn the_quantiles_of_the_totals_are_those_of_the_scenario() {
    let (mut load, start) = load(SHOP, 1);
    load.route(start, &[backend("a", "stable", 1.0, start)]);
    load.settle(start + 60 * MINUTE);
    let totals = load.totals("stable").unwrap();
    let p99 = totals.quantile(0.99).unwrap();
    assert!((0.3..0.5).contains(&p99), "{p99}");
    assert!(
        load.failures().keys().all(|cause| *cause == Cause::Answered("stable".to_owned())),
        "{:?}",
        load.failures()
    );
}

#[test]
fn copies_are_counted_by_the_pod_and_how_they_end_nobody_sees() {
    let (mut load, start) = load(SHOP, 1);
    let copied = Backend { copies: 0.5, ..backend("b", "canary", 0.0, start) };
    load.route(start, &[backend("a", "stable", 1.0, start), copied]);
    let series = load.scrape(start + 100 * MINUTE, "b").to_vec();
    load.settle(start + 100 * MINUTE);
    let requests = value(&series, "http_request_duration_seconds_count", None);
    assert!((requests / 300_000.0 - 1.0).abs() < 0.01, "{requests}");
    let failed = value(&series, "http_requests_total", Some(("code", "500")));
    assert!((failed / 15_000.0 - 1.0).abs() < 0.1, "{failed}");
    let seen: Vec<_> = load.failures().keys().collect();
    assert_eq!(seen, [&Cause::Answered("stable".to_owned())]);
    let all = load.served() + load.failures().values().sum::<u64>();
    assert!((all as f64 / 600_000.0 - 1.0).abs() < 0.01, "{all}");
}

#[test]
fn what_nobody_answers_is_counted_by_why() {
    let (mut load, start) = load(SHOP, 1);
    load.route(start, &[backend("a", "stable", 1.0, start)]);
    load.remove(start + MINUTE, "a");
    load.route(start + MINUTE, &[]);
    load.lose([(Cause::NoReadyPod, 0.75), (Cause::NoBackend, 0.25)]);
    load.settle(start + 2 * MINUTE);
    for (cause, expected) in [(Cause::NoReadyPod, 4500.0), (Cause::NoBackend, 1500.0)] {
        assert!((load.failures()[&cause] as f64 / expected - 1.0).abs() < 0.1, "{:?}", load.failures());
    }
}

#[test]
fn a_restarted_pod_counts_from_zero_and_the_totals_go_on() {
    let (mut load, start) = load(SHOP, 1);
    load.route(start, &[backend("a", "stable", 1.0, start)]);
    let before = value(load.scrape(start + 10 * MINUTE, "a"), "http_request_duration_seconds_count", None);
    load.route(start + 10 * MINUTE, &[backend("a", "stable", 1.0, start + 10 * MINUTE)]);
    let after = value(load.scrape(start + 11 * MINUTE, "a"), "http_request_duration_seconds_count", None);
    assert!(after < before / 5.0, "{before} {after}");
    assert_eq!(load.totals("stable").unwrap().requests as f64, before + after);
}

#[test]
fn failed_requests_come_again_where_clients_repeat_them() {
    let answered = |retries: &str| {
        let (mut load, start) =
            load(&format!("traffic: {{requestsPerSecond: 100{retries}}}\nversions: {{stable: {{errors: 50%}}}}"), 4);
        load.route(start, &[backend("a", "stable", 1.0, start)]);
        for minute in 1..=100 {
            load.scrape(start + minute * MINUTE, "a");
        }
        (load.served() + load.failures().values().sum::<u64>()) as f64
    };
    let more = answered(", retries: {share: 80%}") / answered("");
    assert!((more / (1.0 / (1.0 - 0.4)) - 1.0).abs() < 0.05, "{more}");
}

#[test]
fn a_cold_pod_is_slow_at_first() {
    let scenario = "versions: {stable: {latency: {median: 50ms, p99: 51ms}, warmUp: {for: 5m, slowerBy: 10}}}";
    let (mut load, start) = load(scenario, 1);
    load.route(start, &[backend("a", "stable", 1.0, start)]);
    let fast = |series: &[Series]| value(series, "http_request_duration_seconds_bucket", Some(("le", "0.1")));
    assert_eq!(fast(load.scrape(start + 4 * MINUTE, "a")), 0.0);
    assert!(fast(load.scrape(start + 8 * MINUTE, "a")) > 0.0);
}

#[test]
fn what_is_beyond_the_capacity_of_a_pod_fails() {
    let scenario = "traffic: {requestsPerSecond: 100}\nversions: {stable: {errors: 0%, capacity: 30}}";
    let (mut load, start) = load(scenario, 1);
    load.route(start, &[backend("a", "stable", 0.5, start), backend("b", "stable", 0.2, start)]);
    for second in 1..=20 {
        load.settle(start + second * 15 * Duration::from_secs(1));
    }
    let [a, b] = ["a", "b"].map(|pod| {
        let series = load.scrape(start + 5 * MINUTE, pod).to_vec();
        value(&series, "http_requests_total", Some(("code", "200")))
    });
    // Thirty a second in five minutes, of fifty that come; and all of twenty.
    assert_eq!(a, 9000.0);
    assert!((5600.0..6400.0).contains(&b), "{b}");
    assert!((5400..6600).contains(&load.failures().values().sum::<u64>()), "{:?}", load.failures());
}

#[test]
fn requests_that_come_in_a_pause_wait_for_its_end() {
    let scenario = "traffic: {requestsPerSecond: 100}\n\
                    versions: {stable: {latency: {median: 5ms, p99: 9ms}, pauses: {every: 50s, length: 2s}}}";
    let (mut load, start) = load(scenario, 1);
    load.route(start, &[backend("a", "stable", 1.0, start)]);
    for second in 1..=800 {
        load.scrape(start + second * 15 * Duration::from_secs(1), "a");
    }
    let series = load.scrape(start + 200 * MINUTE, "a").to_vec();
    let bucket = |le: &str| value(&series, "http_request_duration_seconds_bucket", Some(("le", le)));
    // A twenty-fifth of them waits, half of these for more than a second.
    let slow = |le: &str| 1.0 - bucket(le) / bucket("+Inf");
    assert!((slow("1") / 0.02 - 1.0).abs() < 0.3, "{}", slow("1"));
    assert_eq!(bucket("2.5"), bucket("+Inf"));
}

#[test]
fn what_all_versions_depend_on_fails_and_slows_all_of_them_while_it_lasts() {
    let (mut load, start) = load(SHOP, 1);
    let failed = |load: &mut Load, minutes: u32| {
        load.settle(start + minutes * MINUTE);
        ["stable", "canary"].map(|version| load.totals(version).map_or(0, |totals| totals.failed))
    };
    load.route(start, &[backend("a", "stable", 0.5, start), backend("b", "canary", 0.5, start)]);
    let well = failed(&mut load, 10);
    let dependency = crate::scenario::Dependency {
        errors: tidegate_api::Percent::new(20.0),
        slower_by: crate::scenario::Count(40.0),
    };
    load.depend(start + 10 * MINUTE, Some(dependency));
    let ill = failed(&mut load, 20);
    // Beside the 5 % that fail anyway.
    assert!(
        (5700..6300).contains(&(ill[0] - well[0])) && (6900..7500).contains(&(ill[1] - well[1])),
        "{well:?} {ill:?}"
    );
    assert!(load.totals("stable").unwrap().quantile(0.75).unwrap() > 1.0);
    load.depend(start + 20 * MINUTE, None);
    let after = failed(&mut load, 30);
    assert!(after[0] - ill[0] < 60, "{ill:?} {after:?}");
}

#[test]
fn failures_that_come_together_scatter_more_and_are_no_more() {
    let failed = |errors: &str| -> Vec<f64> {
        let (mut load, start) =
            load(&format!("traffic: {{requestsPerSecond: 100}}\nversions: {{stable: {{errors: {errors}}}}}"), 1);
        load.route(start, &[backend("a", "stable", 1.0, start)]);
        let mut counts = vec![0.0];
        for minute in 1..=500 {
            load.settle(start + minute * MINUTE);
            counts.push(load.totals("stable").unwrap().failed as f64);
        }
        counts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    let of = |counts: &[f64]| {
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        (mean, counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64)
    };
    let (alone, together) = (of(&failed("2%")), of(&failed("{rate: 2%, together: 10}")));
    assert!((together.0 / alone.0 - 1.0).abs() < 0.1 && together.1 / alone.1 > 10.0, "{alone:?} {together:?}");
}

#[test]
fn one_seed_is_one_history_and_another_is_another() {
    let history = |seed| {
        let (mut load, start) = load(SHOP, seed);
        load.route(start, &[backend("a", "stable", 0.5, start), backend("b", "canary", 0.5, start)]);
        (1..50).flat_map(|minute| load.scrape(start + minute * MINUTE, "b").to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn the_presets_find_what_pods_expose() {
    let scenario = Scenario::parse(SHOP, "scenario.yaml").unwrap();
    let exposed = Exposed::new(&spec("istio"), &scenario.traffic);
    let mut load = Load::new(&scenario, "shop", exposed, 1);
    load.route(scenario.start, &[backend("b", "canary", 1.0, scenario.start)]);
    let series = load.scrape(scenario.start + MINUTE, "b");
    assert!(value(series, "istio_requests_total", Some(("response_code", "500"))) > 0.0);
    assert!(value(series, "istio_request_duration_milliseconds_bucket", Some(("le", "2500"))) > 0.0);
    let named = |name: &str| series.iter().any(|one| one.0.iter().any(|(_, value)| value == name));
    assert!(named("destination") && !named("http_requests_total"));
}

/// Which part of the requests of a pod failed.
fn failed(load: &mut Load, at: Timestamp, pod: &str) -> f64 {
    let series = load.scrape(at, pod).to_vec();
    let all = value(&series, "http_request_duration_seconds_count", None);
    1.0 - value(&series, "http_requests_total", Some(("code", "200"))) / all
}

const BAD_POD: &str = "
traffic: {requestsPerSecond: 100}
versions:
  canary: {errors: 0%, pods: [{pod: 2, errors: 30%}, {pod: 3, errors: 40%, replacement: Alike}]}
";

#[test]
fn one_pod_fails_and_the_one_that_takes_its_number_is_well_unless_it_is_to_be_alike() {
    let (mut load, start) = load(BAD_POD, 1);
    let third = |names: [&'static str; 3], since| names.map(|pod| backend(pod, "canary", 1.0 / 3.0, since));
    load.route(start, &third(["a", "b", "c"], start));
    let later = start + 10 * MINUTE;
    let rates = ["a", "b", "c"].map(|pod| failed(&mut load, later, pod));
    assert!(rates[0] == 0.0 && (rates[1] - 0.3).abs() < 0.02 && (rates[2] - 0.4).abs() < 0.02, "{rates:?}");
    for pod in ["b", "c"] {
        load.remove(later, pod);
    }
    load.route(later, &third(["a", "d", "e"], later));
    let rates = ["d", "e"].map(|pod| failed(&mut load, later + 10 * MINUTE, pod));
    assert!(rates[0] == 0.0 && (rates[1] - 0.4).abs() < 0.02, "{rates:?}");
}

#[test]
fn a_pod_that_starts_anew_keeps_its_number() {
    let (mut load, start) = load(BAD_POD, 1);
    let half = |since| ["a", "b"].map(|pod| backend(pod, "canary", 0.5, since));
    load.route(start, &half(start));
    load.route(start + MINUTE, &half(start + MINUTE));
    assert!((failed(&mut load, start + 11 * MINUTE, "b") - 0.3).abs() < 0.02);
}

#[test]
fn the_pods_of_one_node_are_slow_for_as_long_as_was_written() {
    let scenario = "
traffic: {requestsPerSecond: 100}
versions: {canary: {latency: {median: 50ms, p99: 400ms}, pods: [{node: node-2, slowerBy: 10, from: 10m, for: 10m}]}}
";
    let (mut load, start) = load(scenario, 1);
    let on = |pod, node| Backend { node, ..backend(pod, "canary", 0.5, start) };
    load.route(start, &[on("a", "node-1"), on("b", "node-2")]);
    let counts = |load: &mut Load, at, pod| {
        let series = load.scrape(at, pod).to_vec();
        let below = |le| value(&series, "http_request_duration_seconds_bucket", Some(("le", le)));
        (below("+Inf"), below("+Inf") - below("0.5"))
    };
    let mut before = [(0.0, 0.0); 2];
    for (minutes, slow) in [(10, 0.005), (20, 0.5), (30, 0.005)] {
        let now = ["a", "b"].map(|pod| counts(&mut load, start + minutes * MINUTE - Duration::from_secs(1), pod));
        let parts: Vec<_> =
            now.iter().zip(before).map(|(now, before)| (now.1 - before.1) / (now.0 - before.0)).collect();
        assert!((parts[0] - 0.005).abs() < 0.003 && (parts[1] - slow).abs() < 0.02, "{minutes}: {parts:?}");
        before = now;
    }
}
