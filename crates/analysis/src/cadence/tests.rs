use serde_json::{Value, json};
use tidegate_api::{CheckStatus, Verdict};

use crate::tests::lab::{Curve, Lab, errors};

fn value(limits: Value) -> Value {
    let mut query = limits;
    query["expr"] = json!("it");
    json!({"name": "it", "query": query})
}

#[tokio::test(start_paused = true)]
async fn prometheus_is_asked_at_the_times_of_the_cadence_and_at_no_others() {
    let cadence = json!([{"every": "1m"}, {"after": "5m", "every": "5m"}]);
    let lab = Lab::new(|_, _| Some(1.0), &value(json!({"max": 2})), &cadence);
    let (asked, said) = lab.play(1200).await;
    assert_eq!(asked, [60, 120, 180, 240, 300, 600, 900, 1200]);
    assert_eq!(said.verdict, Verdict::Pass);
    for between in [1201, 1300, 1499] {
        assert_eq!(lab.look(between).await.checks, std::slice::from_ref(&said), "what was said stands");
    }
    assert_eq!(lab.asked.lock().unwrap().last(), Some(&1200));
}

#[tokio::test(start_paused = true)]
async fn a_look_in_vain_is_made_up_for_without_waiting_for_the_next_one() {
    let down_for_a_while: Curve = |_, at| (!(295..=330).contains(&at)).then_some(1.0);
    let lab = Lab::new(down_for_a_while, &value(json!({"max": 2})), &json!([{"every": "5m"}]));
    let (asked, said) = lab.play(600).await;
    assert_eq!(asked, [300, 310, 320, 330, 340, 600]);
    assert_eq!(said.verdict, Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_between_two_looks_fails_at_the_next_one() {
    // Beyond the limit for three minutes, and well again when somebody looks.
    let spell: Curve = |_, at| Some(if (400..580).contains(&at) { 3.0 } else { 1.0 });
    let every = json!([{"every": "15m"}]);
    for (limits, verdict) in [
        (json!({"max": 2}), Verdict::Fail),
        (json!({"max": 2, "for": "2m"}), Verdict::Fail),
        (json!({"max": 2, "failureLimit": 10}), Verdict::Fail),
        (json!({"max": 2, "for": "5m"}), Verdict::Pass),
        (json!({"max": 2, "failureLimit": 20}), Verdict::Pass),
    ] {
        let rare = Lab::new(spell, &value(limits.clone()), &every).play(900).await.1;
        assert_eq!(rare.verdict, verdict, "{limits}: {}", rare.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_with_stable_has_its_values_between_two_looks_too() {
    let worse: Curve = |query, at| Some(if query.contains("new") && (400..580).contains(&at) { 3.0 } else { 1.0 });
    let check =
        json!({"name": "it", "query": {"expr": "it{pod=\"{{revision}}\"}", "relative": {"max": 2}, "failureLimit": 2}});
    let said = Lab::new(worse, &check, &json!([{"every": "15m"}])).play(900).await.1;
    assert_eq!(said.verdict, Verdict::Fail, "{}", said.message);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_looks_back_as_far_as_the_last_look_can_have_been() {
    let spell: Curve = |_, at| Some(if (400..580).contains(&at) { 3.0 } else { 1.0 });
    let lab = Lab::new(spell, &value(json!({"max": 2})), &json!([{"every": "15m"}]));
    assert_eq!(lab.look(700).await.checks[0].verdict, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn rare_looks_count_the_requests_that_frequent_ones_count() {
    // Twenty requests a second, of which one in a thousand fails; a process that restarts counts from zero.
    let healthy: Curve = |query, at| {
        let running = if query.contains("new") && at >= 1000 { at - 1000 } else { at + 10_000 };
        Some((running * if query.starts_with("bad") { 1 } else { 1000 } / 50) as f64)
    };
    let often = Lab::new(healthy, &errors(), &Value::Null).play(3600).await;
    let rarely = Lab::new(healthy, &errors(), &json!([{"every": "20m"}])).play(3600).await;
    assert!(often.0.len() > 300 && rarely.0.len() < 20, "{} and {}", often.0.len(), rarely.0.len());
    let counted = |(_, said): &(_, CheckStatus)| (said.verdict, said.value.clone(), said.sample);
    assert_eq!(counted(&rarely), counted(&often));
}

#[tokio::test(start_paused = true)]
async fn errors_between_two_looks_fail_the_version_at_the_next_one() {
    let spell: Curve = |query, at| {
        let bad = if query.contains("new") { (at - 400).clamp(0, 60) } else { 0 };
        Some((if query.starts_with("bad") { bad * 20 } else { (at + 10_000) * 20 }) as f64)
    };
    let lab = Lab::new(spell, &errors(), &json!([{"every": "15m"}]));
    let before = lab.play(899).await.1;
    assert_eq!(before.verdict, Verdict::NeedMoreData, "{}", before.message);
    assert_eq!(lab.look(900).await.checks[0].verdict, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_only_lacks_requests_when_its_bake_is_over_is_looked_at_when_it_may_have_them() {
    let healthy: Curve = |query, at| Some(if query.starts_with("bad") { 0 } else { (at + 10_000) / 10 } as f64);
    let stages = json!([{"name": "full", "weight": "100%", "bake": "5m", "cadence": [{"every": "1h"}]}]);
    let (asked, said) = Lab::in_stages(healthy, &stages, &errors()).play(10_800).await;
    assert_eq!(asked.iter().find(|at| **at >= 60), Some(&300), "{asked:?}");
    assert!(asked.iter().any(|at| (3601..7200).contains(at)), "{asked:?}");
    assert!(asked.len() < 30, "{asked:?}");
    assert_eq!(said.verdict, Verdict::Pass, "{}", said.message);
}
