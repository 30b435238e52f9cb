//! What is expected of a release at today's traffic.

use serde_json::{Value, json};

use crate::{
    command::{ERRORS, on, rollout},
    past::Past,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_how_long_each_stage_takes_at_todays_traffic() {
    let Some(past) = Past::write().await else { return };
    let errors = rollout(ERRORS);
    let text = on(&past, "plan", &errors, &["--over", "90m"]).await;
    println!("{}", text.printed);
    assert_eq!(text.code, 0, "{text:?}");
    let report = on(&past, "plan", &errors, &["--over", "90m", "-o", "json"]).await.json();
    let per_hour = |value: &serde_json::Value| value["requestsPerHour"].as_f64().unwrap();
    // Two pods with thirty requests each every fifteen seconds, and a third one for half an hour.
    let today = per_hour(&report["today"][0]);
    assert!((14_400.0..17_300.0).contains(&today), "{report}");
    let [canary, full] = [0, 1].map(|place| report["stages"][place]["checks"][0].clone());
    assert!((per_hour(&canary) - 0.25 * today).abs() < 1.0 && (per_hour(&full) - today).abs() < 1.0, "{report}");
    assert!(canary["requestsToPass"].as_f64().unwrap() > 300.0, "{report}");
    assert!(report["hints"][0].as_str().unwrap().contains("the stage lasts longer than its bake of 5m"), "{report}");
    // The last stage has to be surer, and has four times the traffic.
    let seconds = |place: usize| {
        let lasts = report["stages"][place]["lasts"].as_str().unwrap();
        lasts.parse::<tidegate_api::Span>().unwrap().duration().as_secs()
    };
    assert!(seconds(0) > 2 * seconds(1), "{report}");

    // A limit that the version that serves does not keep itself.
    let strict = rollout("[{name: errors, errorRate: {preset: pod-http, max: 0.1%}}]");
    let strict = on(&past, "plan", &strict, &["--over", "90m"]).await;
    assert!(
        strict.printed.contains("the version that serves is beyond the limit of check errors itself"),
        "{strict:?}"
    );

    // Pods that nobody scraped.
    let nobody = on(&past, "plan", &errors.replace("name: checkout}", "name: cart}"), &[]).await;
    println!("{}", nobody.printed);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    let nothing =
        "errors: there is no http_requests_total of the version asked for: of its label pod there is none with cart; ";
    assert!(nobody.printed.contains(nothing), "{nobody:?}");
    assert!(nobody.printed.contains("takes nobody knows how long"), "{nobody:?}");
}

/// Two pods with thirty requests each every fifteen seconds.
const REQUESTS_AN_HOUR: f64 = 14_400.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_of_each_latency_check_for_itself_what_the_buckets_can_tell() {
    let Some(past) = Past::write().await else { return };
    let checks = "[{name: p95, latency: {preset: pod-http, quantile: 0.95, max: 1s}}, \
                  {name: p99, latency: {preset: pod-http, quantile: 0.99, max: 2s}}, \
                  {name: p90, latency: {preset: pod-http, quantile: 0.9, max: 700ms}}]";
    // Over the upgrade of Prometheus, which writes the bound of one second otherwise since.
    let plan = on(&past, "plan", &rollout(checks), &["--over", "5h", "-o", "json"]).await;
    println!("{}", plan.printed);
    assert_eq!(plan.code, 1, "{plan:?}");
    let report = plan.json();
    let (p95, p99) = (&report["today"][0], &report["today"][1]);
    assert!((p95["requestsPerHour"].as_f64().unwrap() / REQUESTS_AN_HOUR - 1.0).abs() < 0.02, "{report}");
    assert_eq!((&p95["bad"], &p95["badAtMost"]), (&json!("0.2%"), &Value::Null), "{report}");
    let between = &report["today"][2];
    assert_eq!((&between["bad"], &between["badAtMost"]), (&json!("0.2%"), &json!("1%")), "{report}");
    assert_eq!(
        p99["message"],
        "the limit of 2s is above 1s, the largest bucket of the histogram of the stable version; add a bucket at the limit \
         or lower the limit"
    );
    let hints = report["hints"].as_array().unwrap();
    assert!(!hints.iter().any(|hint| hint.as_str().unwrap().contains("p99")), "{report}");
}
