//! The rig is only as good as what it stands on: each part once, without the operator.

use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, api::PostParams};
use serde_json::json;
use tidegate_testkit::{Result, audit, control_plane::Identity, wait::until, world::World};

use crate::behaviour::behaviours;

behaviours![
    a_deployments_pods_become_ready_and_serve,
    prometheus_has_a_pods_counters_within_three_seconds,
    load_follows_the_weights_of_the_route,
    a_pod_that_goes_loses_no_request,
    the_audit_log_counts_writes_by_user,
];

const SOON: Duration = Duration::from_secs(20);

async fn a_deployments_pods_become_ready_and_serve(world: &World) -> Result<()> {
    let shop = world.shop("serves").replicas(3).without_operator().open().await?;
    let load = shop.load.as_ref().context("no load")?;
    let revision = shop.now().revision("v1").context("no revision")?;
    until("requests to be answered", SOON, || async {
        load.tally().revisions.get(&revision).filter(|counts| counts.ok > 100).copied()
    })
    .await?;
    ensure!(shop.pods_created() == 3, "{} pods were created", shop.pods_created());
    shop.release("v2", &[("rig/error-rate", "0.2")]).await?;
    shop.wait("v2 to replace v1", SOON, |now| now.ready_count("v2") == 3 && now.pods_of("v1") == 0).await?;
    ensure!(shop.pods_created() == 6, "{} pods were created", shop.pods_created());
    Ok(())
}

async fn prometheus_has_a_pods_counters_within_three_seconds(world: &World) -> Result<()> {
    let shop = world.shop("scraped").replicas(2).without_operator().open().await?;
    let query = format!("sum by (pod) (http_requests_total{{namespace=\"{}\"}})", shop.namespace);
    let pods = until("both pods' counters", Duration::from_secs(3), || async {
        world.prometheus.query(&query).await.ok().filter(|pods| pods.len() == 2)
    })
    .await?;
    let named = pods.iter().all(|pod| pod["metric"]["pod"].as_str().is_some_and(|name| name.starts_with("checkout-")));
    ensure!(named, "{pods:?}");
    Ok(())
}

async fn load_follows_the_weights_of_the_route(world: &World) -> Result<()> {
    let shop = world.shop("weighted").replicas(2).without_operator().other_backend("nobody", 0).open().await?;
    shop.patch_route(
        "test",
        json!({"spec": {"rules": [{"backendRefs": [
            {"name": "checkout", "port": 80, "weight": 80}, {"name": "nobody", "port": 80, "weight": 20},
        ]}]}}),
    )
    .await?;
    shop.wait("the weights to be in force", SOON, |now| now.in_force.get("nobody") == Some(&20)).await?;
    let load = shop.load.as_ref().context("no load")?;
    load.restart_tally();
    let tally = until("a hundred requests", SOON, || async {
        Some(load.tally()).filter(|tally| tally.revisions.values().map(|counts| counts.ok).sum::<u64>() >= 80)
    })
    .await?;
    let lost = tally.lost.len();
    ensure!((18..=22).contains(&lost), "of a hundred requests {lost} went to the backend with 20 %: {:?}", tally.lost);
    Ok(())
}

async fn a_pod_that_goes_loses_no_request(world: &World) -> Result<()> {
    let shop = world.shop("lossless").replicas(4).load(100.0).without_operator().open().await?;
    shop.patch_deployment("test", json!({"spec": {"replicas": 1}})).await?;
    shop.wait("three pods to go", SOON, |now| now.pods.len() == 1).await?;
    shop.lost_nothing().await
}

async fn the_audit_log_counts_writes_by_user(world: &World) -> Result<()> {
    let shop = world.shop("audited").replicas(1).load(0.0).without_operator().open().await?;
    let before = Timestamp::now();
    let as_operator = world.control_plane.client(Identity::Operator).await?;
    let service = json!({"metadata": {"name": "mine"}, "spec": {"ports": [{"port": 80}]}});
    Api::<Service>::namespaced(as_operator, &shop.namespace)
        .create(&PostParams::default(), &serde_json::from_value(service)?)
        .await?;
    let writes = world.audit.writes(Identity::Operator, &shop.namespace, before)?;
    let counts: Vec<_> = audit::count(&writes).into_iter().collect();
    ensure!(counts == [("create services".to_owned(), 1)], "{counts:?}");
    Ok(())
}
