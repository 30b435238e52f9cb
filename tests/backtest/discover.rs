//! What an application exposes, and which checks it can have.

use serde_json::json;

use crate::{
    command::{Outcome, on, rollout},
    past::Past,
};

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_enough_to_find_out_which_checks_it_can_have() {
    let Some(past) = Past::write().await else { return };
    let found = on(&past, "plan", DEPLOYMENT, &["--discover"]).await;
    println!("{}", found.printed);
    assert_eq!(found.code, 0, "{found:?}");
    let manifest = "analysis:\n  checks:\n  - name: errors\n    errorRate: {preset: pod-http, max: 0.5%}\n  \
                    - name: p95\n    latency: {preset: pod-http, quantile: 0.95, max: ";
    assert!(found.printed.contains(manifest), "{found:?}");
    assert!(found.printed.contains("limits of a latency that are decided exactly: "), "{found:?}");
    let report = on(&past, "plan", DEPLOYMENT, &["--discover", "-o", "json"]).await.json();
    assert_eq!(report["errorRate"]["preset"], "pod-http", "{report}");
    assert!(
        report["presets"][0]["requestsInFiveMinutes"].as_f64().is_some_and(|requests| requests > 500.0),
        "{report}"
    );

    let nobody = on(&past, "plan", &DEPLOYMENT.replace("checkout", "cart"), &["--discover"]).await;
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.printed.contains("cart in namespace shop: 0 metrics on its pods"), "{nobody:?}");
    let neither =
        on(&past, "plan", "apiVersion: v1\nkind: Service\nmetadata: {name: checkout}\n", &["--discover"]).await;
    assert_eq!(neither.code, 2, "{neither:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preset_auto_is_planned_with_what_it_stands_for() {
    let Some(past) = Past::write().await else { return };
    let plan = async |preset: &str| {
        let checks = json!([{"name": "errors", "errorRate": {"preset": preset, "max": "1%"}}]);
        on(&past, "plan", &rollout(&checks.to_string()), &["--over", "90m", "-o", "json"]).await
    };
    let (named, auto) = (plan("pod-http").await, plan("auto").await);
    // They are asked one after the other, and today goes on.
    let planned = |outcome: &Outcome| {
        let plan = outcome.json();
        [plan["today"][0]["requestsPerHour"].as_f64(), plan["stages"][1]["checks"][0]["requestsToPass"].as_f64()]
    };
    assert_eq!(auto.code, 0, "{auto:?}");
    for (auto, named) in planned(&auto).into_iter().zip(planned(&named)) {
        let (auto, named) = (auto.unwrap(), named.unwrap());
        assert!((auto / named - 1.0).abs() < 0.05, "{auto} for {named}");
    }
    let note = "note: check errors: preset auto stands for pod-http, which reads http_request_duration_seconds_bucket and \
                http_requests_total, which the pods expose";
    assert!(auto.complaint.contains(note), "{auto:?}");
    let cart = rollout(r#"[{"name": "errors", "errorRate": {"preset": "auto", "max": "1%"}}]"#);
    let unplanned = on(&past, "plan", &cart.replace("name: checkout}", "name: cart}"), &[]).await;
    assert_eq!(unplanned.code, 2, "{unplanned:?}");
    assert!(unplanned.complaint.contains("preset auto: there are no metrics"), "{unplanned:?}");
}
