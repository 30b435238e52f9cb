//! The gateway is only as good as what it is told: without the operator.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tidegate_testkit::{
    Result, cluster,
    customers::{Customers, Kind},
    wait::until,
    world::World,
};

use crate::{behaviour::behaviours, scenes::SOON};

behaviours![
    customers_of_every_kind_are_answered,
    weights_are_shares_and_what_nobody_answers_is_seen,
    the_most_specific_match_of_a_route_wins,
    a_grpc_route_leads_methods_to_other_pods,
    a_deployment_that_is_rolled_loses_no_request,
    prometheus_scrapes_it,
];

async fn customers_of_every_kind_are_answered(world: &World) -> Result<()> {
    let shop = world.shop("kinds").replicas(2).load(0.0).without_operator().open().await?;
    let revision = shop.now().revision("v1").context("no revision")?;
    let customers = Customers::enter(&shop, 200.0)?;
    let kinds = [Kind::Short, Kind::Long, Kind::Http2, Kind::Unary, Kind::Stream];
    until("an answer of every kind", SOON, || async {
        let has = |kind: &Kind| customers.so_far(|so_far| so_far.answered(&revision, *kind) > 0);
        kinds.iter().all(has).then_some(())
    })
    .await?;
    let receipt = customers.leave().await?;
    ensure!(receipt.failures.is_empty(), "{receipt}");
    Ok(())
}

async fn weights_are_shares_and_what_nobody_answers_is_seen(world: &World) -> Result<()> {
    let shop =
        world.shop("weighted").replicas(2).load(0.0).other_backend("nobody", 1).without_operator().open().await?;
    let customers = Customers::enter(&shop, 200.0)?;
    let receipt = until("a thousand requests", SOON, || async {
        customers.once(|receipt| receipt.answers.len() + receipt.failures.len() >= 1000)
    })
    .await?;
    let (answered, failed) = (receipt.answers.len(), receipt.failures.len());
    // Six standard deviations around one half.
    ensure!((405..=595).contains(&(failed * 1000 / (answered + failed))), "{receipt}");
    ensure!(receipt.failures.iter().all(|failure| failure.why.contains("no healthy upstream")), "{receipt}");
    Ok(())
}

/// Long requests and streams are told apart by the header that asks for their length.
async fn the_most_specific_match_of_a_route_wins(world: &World) -> Result<()> {
    let shop = world.shop("matched").replicas(2).load(0.0).other_backend("nobody", 0).without_operator().open().await?;
    let of_slow_ones = json!({
        "matches": [{"headers": [{"type": "RegularExpression", "name": "x-take", "value": "[26]s"}]}],
        "backendRefs": [{"name": "checkout", "port": 80}],
    });
    let of_all = json!({"backendRefs": [{"name": "nobody", "port": 80}]});
    shop.patch_route("test", json!({"spec": {"rules": [of_all, of_slow_ones]}})).await?;
    shop.wait("the rules to be in force", SOON, |now| now.in_force.get("nobody") == Some(&1)).await?;
    let customers = Customers::enter(&shop, 200.0)?;
    let receipt = until("streams and failures", SOON, || async {
        customers.once(|receipt| receipt.failures.len() > 100 && !receipt.answers.is_empty())
    })
    .await?;
    let slow = |kind: Kind| [Kind::Long, Kind::Stream].contains(&kind);
    ensure!(receipt.answers.iter().all(|answer| slow(answer.kind)), "{receipt}");
    ensure!(!receipt.failures.iter().any(|failure| slow(failure.kind)), "{receipt}");
    Ok(())
}

async fn a_grpc_route_leads_methods_to_other_pods(world: &World) -> Result<()> {
    let shop = world.shop("grpc").replicas(2).load(0.0).other_backend("nobody", 0).without_operator().open().await?;
    cluster::create(
        &shop.client,
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GRPCRoute",
            "metadata": {"name": "methods", "namespace": shop.namespace},
            "spec": {"parentRefs": [{"name": "public"}], "rules": [{
                "matches": [{"method": {"service": "shop.Checkout", "method": "Order"}}],
                "backendRefs": [{"name": "nobody", "port": 80}],
            }]},
        }),
    )
    .await?;
    let customers = Customers::enter(&shop, 100.0)?;
    let receipt =
        until("the method to have no pods", SOON, || async { customers.once(|receipt| receipt.failures.len() > 10) })
            .await?;
    ensure!(receipt.failures.iter().all(|failure| failure.kind == Kind::Unary), "{receipt}");
    ensure!(receipt.answers.iter().any(|answer| answer.kind == Kind::Http2), "{receipt}");
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
