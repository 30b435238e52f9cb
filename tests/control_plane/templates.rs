//! Checks that somebody published, and Rollouts that use them by name.

use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, cluster, shop::Shop, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, promoted, reverted, with_checks},
};

behaviours![
    a_bad_version_is_found_by_a_template,
    a_parameter_decides_what_counts_as_a_failure,
    a_missing_parameter_is_told_with_what_it_is_for_and_heals,
    a_template_that_appears_later_is_picked_up,
    a_template_that_vanishes_passes_nothing,
    an_operator_of_one_namespace_reads_no_templates_of_the_cluster,
];

/// Counts errors as preset `pod-http` does, with a parameter that has to be given.
fn template(shop: &Shop) -> Value {
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "CheckTemplate",
        "metadata": {"name": "house-errors", "namespace": shop.namespace},
        "spec": {
            "parameters": [
                {"name": "failures", "type": "Pattern", "description": "The statuses that count as failures."},
            ],
            "requests": {
                "selector": "http_requests_total{namespace=\"{{namespace}}\",pod=~\"{{pods}}\"}",
                "status": {"labels": ["code"], "failures": "{{failures}}"},
            },
        },
    })
}

/// At most 5 % of the requests may fail, by that template.
fn errors(parameters: &Value) -> Value {
    let template = json!({"name": "house-errors"});
    json!({"name": "errors", "errorRate": {"template": template, "parameters": parameters, "max": "5%"}})
}

async fn published(world: &World, name: &str, failures: &str) -> Result<Shop> {
    let shop = world.shop(name).open().await?;
    cluster::create(&shop.client, template(&shop)).await?;
    shop.apply_rollout(with_checks(&[errors(&json!({"failures": failures}))])).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(shop)
}

/// Waits until the Rollout says why its check cannot be asked.
async fn told(shop: &Shop, sentence: &str) -> Result<()> {
    shop.wait(&format!("the Rollout to say {sentence:?}"), SOON, |now| {
        now.holds(kind::STALLED).is_some_and(|why| why == reason::CHECK_UNUSABLE)
            && now.status().message.contains(sentence)
    })
    .await?;
    Ok(())
}

async fn a_bad_version_is_found_by_a_template(world: &World) -> Result<()> {
    let shop = published(world, "template-bad", "5..").await?;
    shop.release("v2", &[("rig/error-rate", "0.5")]).await?;
    reverted(&shop).await
}

async fn a_parameter_decides_what_counts_as_a_failure(world: &World) -> Result<()> {
    let shop = published(world, "template-lenient", "418").await?;
    shop.release("v2", &[("rig/error-rate", "0.5")]).await?;
    promoted(&shop, "v2").await
}

async fn a_missing_parameter_is_told_with_what_it_is_for_and_heals(world: &World) -> Result<()> {
    let shop = world.shop("template-parameter").replicas(2).load(0.0).open().await?;
    cluster::create(&shop.client, template(&shop)).await?;
    shop.apply_rollout(with_checks(&[errors(&json!({}))])).await?;
    let sentence = "check errors: CheckTemplate house-errors needs the parameter failures: The statuses that count";
    told(&shop, sentence).await?;
    shop.apply_rollout(with_checks(&[errors(&json!({"failures": "5.."}))])).await?;
    shop.wait("it to heal by itself", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(())
}

async fn a_template_that_appears_later_is_picked_up(world: &World) -> Result<()> {
    let shop = world.shop("template-later").open().await?;
    shop.apply_rollout(with_checks(&[errors(&json!({"failures": "5.."}))])).await?;
    told(&shop, "check errors: CheckTemplate house-errors does not exist").await?;
    cluster::create(&shop.client, template(&shop)).await?;
    shop.wait("it to heal by itself", SOON, |now| now.is(Phase::Stable)).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await
}

async fn a_template_that_vanishes_passes_nothing(world: &World) -> Result<()> {
    let mut plan = with_checks(&[json!({
        "name": "errors",
        "errorRate": {"template": {"name": "house-errors"}, "parameters": {"failures": "5.."}, "max": "5%"},
    })]);
    plan["stages"][0]["bake"] = json!("10s");
    let shop = world.shop("template-gone").open().await?;
    cluster::create(&shop.client, template(&shop)).await?;
    shop.apply_rollout(plan).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the first stage", SOON, |now| now.stage() == "canary" && now.share() == Some(25)).await?;
    shop.delete("CheckTemplate", "house-errors").await?;
    told(&shop, "does not exist").await?;
    shop.stays("it stays in its first stage", std::time::Duration::from_secs(12), |now| now.stage() == "canary")
        .await?;
    cluster::create(&shop.client, template(&shop)).await?;
    shop.wait("v2 to be promoted after all", LATER, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    Ok(())
}

async fn an_operator_of_one_namespace_reads_no_templates_of_the_cluster(world: &World) -> Result<()> {
    let template = json!({"name": "house-errors", "kind": "ClusterCheckTemplate"});
    let check = json!({"name": "errors", "errorRate": {"template": template, "max": "5%"}});
    let shop = world.shop("template-of-the-cluster").replicas(2).load(0.0).open().await?;
    shop.apply_rollout(with_checks(&[check])).await?;
    told(&shop, "ClusterCheckTemplate house-errors cannot be read by an operator that serves one namespace").await
}
