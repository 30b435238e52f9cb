use proptest::prelude::*;

use super::*;

const WHOLE: &str = "
start: 2026-03-02T02:00:00Z
traffic:
  requestsPerSecond: [{from: 0s, rate: 40}, {from: 1d, rate: 60}]
  shape: {diurnal: {peak: \"14:00\", low: 20%}, weekend: 40%}
  bursts: {every: 2h, length: 5m, factor: 3}
  spikes: {every: 1h, length: 90s, factor: 5}
  retries: {share: 50%}
versions:
  stable: {errors: 0.05%, latency: {median: 40ms, p99: 300ms}}
  canary:
    errors: [{from: 0s, rate: 0.05%}, {from: 2h, rate: 4%, codes: {500: 3, 503: 1}}]
    latency: 45ms
    startUp: 20s
    warmUp: {for: 1m, slowerBy: 3}
    capacity: 50
    pauses: {every: 2m, length: 1s}
    metrics:
    - {name: queue_length, labels: {queue: mail}, gauge: {value: 40, growth: 10}}
    - {name: mails_total, perRequest: 2, of: Served}
events:
- {at: 0s, release: {image: 'shop/checkout:v2'}}
- {at: T+3h, prometheus: Down, for: 10m}
- {at: 3h, dependency: {errors: 20%, slowerBy: 3}, for: 5m}
- {at: 3h30m, prometheus: {missing: 20%}, for: 5m}
- {at: 3h40m, prometheus: {ahead: 30s}, for: 5m}
- {at: 4h, crashPods: {of: canary, share: 50%}}
- {at: 5h, crashOperator: {}, for: 30s}
- {at: 6h, editWeights: {route: checkout, canary: 50, by: argocd}, for: 10m, every: 1m}
- {at: 30m, pause: {}}
- {at: 40m, resume: {}}
- {at: 1h, scale: {replicas: 20}}
- {at: 7h, delete: {kind: Rollout, name: checkout}}
until: 7d
expect: {outcome: Reverted, within: 3h, exposedAtMost: 500, because: errors}
";

fn mistake(text: &str) -> String {
    Scenario::parse(text, "s.yaml").unwrap_err().to_string()
}

#[test]
fn a_scenario_is_read_with_all_that_it_may_say() {
    let scenario = Scenario::parse(WHOLE, "s.yaml").unwrap();
    assert_eq!(scenario.events.len(), 12);
    assert!(scenario.events.is_sorted_by_key(|event| event.at));
    let canary = &scenario.versions[CANARY];
    assert_eq!(canary.errors.at(7199.0).unwrap().rate, tidegate_api::Percent::new(0.05));
    assert_eq!(canary.errors.at(7200.0).unwrap().rate, tidegate_api::Percent::new(4.0));
    assert_eq!(scenario.expect.0[0].outcome, Some(Outcome::Reverted));
    assert_eq!(scenario.latest_end().to_string(), "2026-03-09T02:00:00Z");
}

#[test]
fn a_canary_of_which_nothing_is_said_behaves_like_the_stable_version() {
    let scenario = Scenario::parse("versions: {stable: {errors: 1%}}", "s.yaml").unwrap();
    assert_eq!(scenario.versions[CANARY], scenario.versions[STABLE]);
}

#[test]
fn a_mistake_in_a_scenario_is_told_with_its_place_and_what_to_write_instead() {
    for (text, sentence) in [
        ("trafic: {}", "s.yaml:1:1: trafic: there is no such field; did you mean traffic?"),
        ("expect: {outcome: Promotet}", "s.yaml:1:19: expect.outcome: \"Promotet\" is unknown; did you mean Promoted?"),
        (
            "events:\n- {at: 1h, prometeus: Down}",
            "s.yaml:2:12: events[0].prometeus: there is no such field; did you mean prometheus?",
        ),
        (
            "events:\n- {at: 1h}",
            "s.yaml:2:3: events[0]: says when, but not what happens, such as `release: {image: shop/checkout:v2}`",
        ),
        (
            "events:\n- {at: soon, pause: {}}",
            "s.yaml:2:8: events[0].at: \"soon\" is not a length of time such as 90s, 2h30m or 7d, up to 366d",
        ),
        (
            "events: [{at: 0s, release: {image: a, version: cannary}}]",
            "s.yaml:1:10: events[0]: versions has no cannary; did you mean canary?",
        ),
        (
            "until: 1h\nevents: [{at: 2h, pause: {}}]",
            "s.yaml:2:10: events[0]: happens at 2h, after the simulation has ended at 1h",
        ),
        (
            "versions: {canary: {errors: [{from: 1h, rate: 1%}, {from: 1h, rate: 2%}]}}",
            "s.yaml:1:21: versions.canary.errors: a step from 1h stands behind one that is not earlier",
        ),
        (
            "versions: {canary: {errors: 101%}}",
            "s.yaml:1:29: versions.canary.errors: \"101%\" is not a percentage between 0% and 100%, such as 5% or 0.5%",
        ),
        (
            "versions: {stable: {latency: {median: 1s, p99: 1ms}}}",
            "s.yaml:1:21: versions.stable.latency: median must be above 0s, and p99 not below it",
        ),
        (
            "versions: {stable: {metrics: [{name: a b, gauge: 1}]}}",
            "s.yaml:1:21: versions.stable.metrics: a b: is not a name that Prometheus takes",
        ),
        (
            "versions: {canary: {pods: [{errors: 5%}]}}",
            "s.yaml:1:21: versions.canary.pods: each takes exactly one of pod and node",
        ),
        (
            "versions: {canary: {pods: [{pod: 0, errors: 5%}]}}",
            "s.yaml:1:21: versions.canary.pods: the first pod is number 1",
        ),
        (
            "traffic: {requestsPerSecond: -1}",
            "s.yaml:1:30: traffic.requestsPerSecond: -1 is not between 0 and 10000000",
        ),
        ("", "s.yaml: is empty; a scenario has at least `events` or `expect`"),
    ] {
        assert_eq!(mistake(text), sentence, "{text}");
    }
}

#[test]
fn weather_that_cannot_be_is_a_mistake_too() {
    for (text, sentence) in [
        (
            "traffic: {spikes: {every: 1m, length: 1m, factor: 2}}",
            "s.yaml:1:11: traffic.spikes: length must be at least 1s and below every, which is 1d at most",
        ),
        (
            "versions: {stable: {pauses: {every: 1s, length: 2s}}}",
            "s.yaml:1:21: versions.stable.pauses: length must be above 0s, and below every",
        ),
        (
            "versions: {stable: {errors: {rate: 1%, together: 0.5}}}",
            "s.yaml:1:21: versions.stable.errors: together must be at least 1",
        ),
        (
            "variants: {bad: {canary: {pauses: {every: 1s, length: 2s}}}}",
            "s.yaml:1:27: variants.bad.canary.pauses: length must be above 0s, and below every",
        ),
        (
            "until: 1h\n---\nuntil: 2h",
            "s.yaml:3:1: a scenario is one document; what stands behind it are objects, each with a kind",
        ),
    ] {
        assert_eq!(mistake(text), sentence, "{text}");
    }
}

#[test]
fn each_variant_is_the_scenario_with_a_release_and_expectations_of_its_own() {
    let text = "versions: {stable: {errors: 1%}}\nexpect: {failedAtMost: 10}\nvariants:\n  \
                bad: {canary: {errors: 7%}, expect: {outcome: Reverted}}\n  good: {expect: {outcome: Promoted}}";
    let scenario = Scenario::parse(text, "s.yaml").unwrap();
    let each = scenario.each();
    let told: Vec<_> = each
        .iter()
        .map(|(name, it)| {
            (name.unwrap(), it.versions[CANARY].errors.at(0.0).unwrap().rate.percent(), it.expect.0.len())
        })
        .collect();
    assert_eq!(told, [("bad", 7.0, 2), ("good", 1.0, 2)]);
    assert_eq!(each[0].1.expect.0[1].outcome, Some(Outcome::Reverted));
    let alone = Scenario::parse("until: 1h", "s.yaml").unwrap();
    assert_eq!(alone.each(), [(None, alone.clone())]);
}

const ROLLOUT: &str = "apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  workload: {kind: Deployment, name: checkout}
  service: checkout
  traffic: {gatewayAPI: {routes: [{name: public}]}}
";

#[test]
fn what_a_rollout_names_and_nobody_wrote_is_made_up_and_said() {
    let mut manifests = Manifests::default();
    manifests.add(ROLLOUT, "rollout.yaml").unwrap();
    let manifests = manifests.complete().unwrap();
    let kinds: Vec<_> = manifests.objects.iter().map(|manifest| (manifest.kind(), manifest.name())).collect();
    let expected =
        [("Deployment", "checkout"), ("Service", "checkout"), ("HTTPRoute", "public"), ("Rollout", "checkout")];
    assert_eq!(kinds, expected);
    assert_eq!(manifests.notes.len(), 3);
    assert_eq!(manifests.notes[2], "no HTTPRoute public is given: a plain one to checkout stands in");
}

#[test]
fn a_mistake_in_a_manifest_is_told_with_its_place() {
    let refused = |from: &str, to: &str| {
        Manifests::default().add(&ROLLOUT.replace(from, to), "rollout.yaml").unwrap_err().to_string()
    };
    assert_eq!(
        refused("service:", "servise:"),
        "rollout.yaml:6:3: spec.servise: there is no such field; did you mean service?"
    );
    assert_eq!(
        refused("kind: Deployment", "kind: Deploymint"),
        "rollout.yaml:5:20: spec.workload.kind: \"Deploymint\" is unknown; did you mean Deployment?"
    );
    assert_eq!(refused("kind: Rollout\n", ""), "rollout.yaml:1:1: kind: an object needs a kind, such as Rollout");
    let falling =
        "service: checkout\n  stages: [{name: a, weight: 50%}, {name: b, weight: 100%}, {name: c, weight: 5%}]";
    assert!(refused("service: checkout", falling).contains("the weights of the stages must rise"));
}

#[test]
fn one_object_in_two_files_is_a_mistake() {
    let mut manifests = Manifests::default();
    manifests.add(ROLLOUT, "a.yaml").unwrap();
    let error = manifests.add(ROLLOUT, "b.yaml").unwrap_err().to_string();
    assert_eq!(error, "b.yaml:3:18: metadata.name: Rollout checkout is in a.yaml as well");
}

proptest! {
    #[test]
    fn no_text_makes_the_loaders_panic(text in ".{0,200}") {
        let _ = Scenario::parse(&text, "s.yaml");
        let _ = Manifests::default().add(&text, "m.yaml");
    }

    /// Scenarios and manifests with one place broken: deeper inside than random text comes.
    #[test]
    fn no_broken_scenario_or_manifest_makes_the_loaders_panic(
        at in 0..2000_usize, length in 0..12_usize, instead in "[-0-9a-z{}\\[\\]:,.%+'\"\n &*]{0,8}",
    ) {
        for whole in [WHOLE, ROLLOUT] {
            let at = at % whole.len();
            let broken = format!("{}{instead}{}", &whole[..at], &whole[(at + length).min(whole.len())..]);
            let _ = Scenario::parse(&broken, "s.yaml");
            let mut manifests = Manifests::default();
            if manifests.add(&broken, "m.yaml").is_ok() {
                let _ = manifests.complete();
            }
        }
    }
}
