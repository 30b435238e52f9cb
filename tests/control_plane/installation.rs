//! One operator for a whole cluster, and a cluster that is not complete yet.

use kube::{
    CustomResourceExt, ResourceExt,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::json;
use tidegate_api::{
    Phase, Rollout,
    condition::{kind, reason},
};
use tidegate_testkit::{
    Result, cluster,
    control_plane::{Identity, Kind},
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, promoted, unjudged, with_checks},
};

behaviours![one_operator_serves_all_namespaces_and_picks_up_the_gateway_api_when_it_is_installed];

async fn one_operator_serves_all_namespaces_and_picks_up_the_gateway_api_when_it_is_installed(
    world: &World,
) -> Result<()> {
    let bare = world.another_without_gateway_api().await?;
    let mut routed = bare.shop("routed").without_route().load(0.0).cluster_wide().open().await?;
    let plain = bare.shop("plain").without_route().load(40.0).without_operator().open().await?;
    let mut with_route = unjudged();
    with_route["traffic"] = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}});
    routed.apply_rollout(with_route).await?;
    cluster::create(&plain.client, house_errors()).await?;
    let template = json!({"name": "house-errors", "kind": "ClusterCheckTemplate"});
    let errors = json!({"name": "errors", "errorRate": {"template": template, "max": "5%"}});
    plain.apply_rollout(with_checks(&[errors])).await?;

    routed
        .wait("it to say that the Gateway API is not installed", SOON, |now| {
            now.holds(kind::STALLED).is_some_and(|why| why == reason::ROUTE_KIND_MISSING)
        })
        .await?;
    plain.wait("the other Rollout to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    plain.release("v2", &[]).await?;
    promoted(&plain, "v2").await?;
    // By a template of the cluster, which an operator of the cluster reads for every namespace.
    plain.release("v3", &[("rig/error-rate", "0.5")]).await?;
    plain.wait("v3 to be found bad", LATER, |now| now.is(Phase::Reverted) && now.stable() == "v2").await?;

    bare.install_gateway_api().await?;
    routed.create_route().await?;
    routed.wait("it to heal by itself", LATER, |now| now.is(Phase::Stable)).await?;
    routed.release("v2", &[]).await?;
    promoted(&routed, "v2").await?;
    a_route_of_another_namespace_needs_a_grant_for_all_three_services(&bare).await?;
    if bare.control_plane.kind != Kind::Oldest {
        a_rollout_that_an_earlier_definition_let_pass_says_so_and_stops_no_other(&bare).await?;
    }
    // The API server writes down a watch when it ends.
    routed.operator()?.terminate().await?;
    until("its watches to be written down", SOON, || async {
        let requests = bare.audit.requests(Identity::Operator).ok()?;
        let watched = |kind: &str| requests.iter().any(|it| it.access.verb == "watch" && it.access.resource == kind);
        (watched("clusterchecktemplates") && watched("referencegrants")).then_some(())
    })
    .await?;
    world.audit.add(&bare.audit)
}

/// Shown here, since it takes an operator of all namespaces.
async fn a_route_of_another_namespace_needs_a_grant_for_all_three_services(world: &World) -> Result<()> {
    let shop = world.shop("granted").without_route().load(0.0).without_operator().open().await?;
    let infra = "infra-of-the-shop";
    cluster::create(&shop.client, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": infra}}))
        .await?;
    let backend = json!({"name": "checkout", "namespace": shop.namespace, "port": 80});
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "public", "namespace": infra},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [backend]}]},
    });
    cluster::create(&shop.client, route).await?;
    cluster::create(&shop.client, grant(&shop.namespace, "one", infra, json!({"name": "checkout"}))).await?;
    let mut plan = unjudged();
    plan["traffic"] = json!({"gatewayAPI": {"routes": [{"name": "public", "namespace": infra}]}});
    shop.apply_rollout(plan).await?;
    let wanted = "no ReferenceGrant lets HTTPRoute infra-of-the-shop/public point at Service checkout-stable;";
    shop.wait("it to say what is not granted", SOON, |now| {
        now.condition(kind::STALLED).is_some_and(|stalled| stalled.message.starts_with(wanted))
    })
    .await?;

    cluster::create(&shop.client, grant(&shop.namespace, "all", infra, json!({}))).await?;
    shop.wait("the grant to be seen", SOON, |now| now.is(Phase::Stable)).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await
}

/// Shown here, since it takes a cluster whose CRDs nobody else goes by. An API server that drops their rules lets such
/// Rollouts pass by itself.
async fn a_rollout_that_an_earlier_definition_let_pass_says_so_and_stops_no_other(world: &World) -> Result<()> {
    let shop = world.shop("upgraded").replicas(2).without_route().load(0.0).without_operator().open().await?;
    cluster::without_rules(&shop.client, &Rollout::crd().name_any(), || async {
        until("the undecodable Rollout to be taken", SOON, || async {
            shop.rollouts().create(&PostParams::default(), &undecodable()).await.ok()
        })
        .await
    })
    .await?;
    let rollouts = shop.rollouts();
    until("it to say that it cannot be understood", SOON, || async {
        let message = rollouts.get("broken").await.ok()?.data["status"]["message"].as_str()?.to_owned();
        message.starts_with("the Rollout cannot be understood: ").then_some(())
    })
    .await?;
    shop.apply_rollout(unjudged()).await?;
    shop.wait("the other to be adopted", SOON, |now| now.is(Phase::Stable)).await.map(drop)
}

/// A Rollout that an API server without rules lets pass, with a quantile of 7; the operator's types do not.
pub fn undecodable() -> DynamicObject {
    let spec = json!({
        "workload": {"kind": "Deployment", "name": "other"}, "service": "other",
        "analysis": {"checks": [{"name": "p", "latency": {"preset": "pod-http", "quantile": 7, "max": "1s"}}]},
    });
    DynamicObject::new("broken", &ApiResource::erase::<Rollout>(&())).data(json!({"spec": spec}))
}

/// Lets HTTPRoutes of `from` point at Services.
fn grant(namespace: &str, name: &str, from: &str, mut to: serde_json::Value) -> serde_json::Value {
    (to["group"], to["kind"]) = (json!(""), json!("Service"));
    let from = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from});
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"name": name, "namespace": namespace}, "spec": {"from": [from], "to": [to]},
    })
}

/// What the platform team counts as an error.
fn house_errors() -> serde_json::Value {
    let selector = "http_requests_total{namespace=\"{{namespace}}\",pod=~\"{{pods}}\"}";
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "ClusterCheckTemplate", "metadata": {"name": "house-errors"},
        "spec": {"requests": {"selector": selector, "status": {"labels": ["code"], "failures": "5.."}}},
    })
}
