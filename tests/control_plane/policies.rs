//! Policies that name the Service, and that the requests of a rollout do without.

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, cluster, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{SOON, promoted, unjudged},
};

behaviours![a_policy_for_the_service_alone_is_told_before_the_first_release_and_holds_nothing];

async fn a_policy_for_the_service_alone_is_told_before_the_first_release_and_holds_nothing(
    world: &World,
) -> Result<()> {
    let mut shop = world.shop("policies").replicas(2).open().await?;
    let policy = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy",
        "metadata": {"name": "tls", "namespace": shop.namespace}, "spec": targets(&["basket", "checkout"]),
    });
    cluster::create(&shop.client, policy).await?;
    let elsewhere = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "other", "namespace": shop.namespace}, "spec": {"host": "basket"},
    });
    cluster::create(&shop.client, elsewhere).await?;
    shop.apply_rollout(unjudged()).await?;
    let now = shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    let warning = now.condition(kind::WARNING).map(|warning| (warning.reason, warning.message)).unwrap_or_default();
    let sentence = "BackendTLSPolicy tls is for Service checkout, and during a rollout requests go to Services checkout-stable and checkout-canary without it: attach one to these, too";
    let is_told = warning == (reason::POLICY_NOT_ATTACHED.to_owned(), sentence.to_owned());
    shop.check(&format!("the sentence says what to do: {warning:?}"), is_told).await?;
    shop.check("it is ready all the same", now.holds(kind::READY).is_some()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let events = shop.events().await?;
    let told = events.iter().filter(|event| event.reason == reason::POLICY_NOT_ATTACHED).count();
    shop.check(&format!("an event tells of it, once: {told}"), told == 1).await?;
    // Another process knows nothing of it, and finds a release.
    shop.operator()?.kill();
    let policies = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "BackendTLSPolicy"),
        "backendtlspolicies",
    );
    let policies: Api<DynamicObject> = Api::namespaced_with(shop.client.clone(), &shop.namespace, &policies);
    let attached = json!({"spec": targets(&["checkout", "checkout-stable", "checkout-canary"])});
    policies.patch("tls", &PatchParams::default(), &Patch::Merge(attached)).await?;
    shop.release("v3", &[]).await?;
    shop.operator()?.restart()?;
    shop.wait("it to be taken back as the rollout starts", SOON, |now| {
        now.canary() == "v3" && now.condition(kind::WARNING).is_none()
    })
    .await?;
    shop.lost_nothing().await
}

fn targets(services: &[&str]) -> Value {
    let target = |service: &&str| json!({"group": "", "kind": "Service", "name": service});
    json!({"targetRefs": services.iter().map(target).collect::<Vec<_>>()})
}
