//! The gateway is only as good as what it is told: without the operator.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::{
    behaviour::behaviours,
    rig::{
        Result,
        customers::{Customers, Kind},
        wait::until,
        world::World,
    },
    scenes::SOON,
};

behaviours![customers_of_every_kind_are_answered, a_deployment_that_is_rolled_loses_no_request, prometheus_scrapes_it];

async fn customers_of_every_kind_are_answered(world: &World) -> Result<()> {
    let shop = world.shop("kinds").replicas(2).load(0.0).without_operator().open().await?;
    let revision = shop.now().revision("v1").context("no revision")?;
    let customers = Customers::enter(&shop, 200.0)?;
    let kinds = [Kind::Short, Kind::Long, Kind::Http2, Kind::Unary, Kind::Stream];
    until("an answer of every kind", SOON, || async {
        let receipt = customers.receipt();
        kinds.iter().all(|kind| receipt.answered(&revision, *kind) > 0).then_some(())
    })
    .await?;
    let receipt = customers.leave().await?;
    ensure!(receipt.failures.is_empty(), "{receipt}");
    Ok(())
}

/// A pod that goes takes five seconds over it.
async fn a_deployment_that_is_rolled_loses_no_request(world: &World) -> Result<()> {
    let shop = world.shop("rolled").replicas(3).load(0.0).without_operator().open().await?;
    let customers = Customers::enter(&shop, 100.0)?;
    // Streams outlive the pods, as they do without an operator: a pod has five seconds, and they have six.
    shop.release("v2", &[]).await?;
    shop.wait("v2 to replace v1", SOON, |now| now.ready_count("v2") == 3 && now.pods.len() == 3).await?;
    let mut receipt = customers.leave().await?;
    receipt.failures.retain(|failure| failure.kind != Kind::Stream);
    ensure!(receipt.failures.is_empty(), "{receipt}");
    Ok(())
}

async fn prometheus_scrapes_it(world: &World) -> Result<()> {
    let shop = world.shop("counted").replicas(1).load(0.0).without_operator().open().await?;
    let customers = Customers::enter(&shop, 50.0)?;
    let query = format!("envoy_cluster_upstream_rq_total{{envoy_cluster_name=\"{}/checkout\"}} > 0", shop.namespace);
    until("Envoy's counters", Duration::from_secs(10), || async {
        world.prometheus.query(&query).await.ok().filter(|series| !series.is_empty())
    })
    .await?;
    customers.leave().await.map(drop)
}
