//! Every way to carry weights, through everything that a rollout does with them: a table of both.
//!
//! The manifests are those of `docs/traffic.md` and `docs/routers.md`.

use std::fs;

use anyhow::{Context, ensure};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{
    Result, gateway::resource_of, pod_server::Faults, shop::Shop, snapshot::Snapshot, wait::until, world::World,
};

use crate::{
    adoption::handed_back_at,
    behaviour::Behaviour,
    scenes::{LATER, SOON, lingering, promoted, reverted, underway, unjudged},
};

/// A row of the table: a section of the document.
#[derive(Clone, Copy)]
struct Router {
    heading: &'static str,
    name: &'static str,
}

macro_rules! table {
    ($($row:ident: $heading:literal),* $(,)?) => {
        /// The table, row by row.
        pub fn behaviours() -> Vec<Behaviour> {
            [$({
                const ROUTER: Router = Router { heading: $heading, name: stringify!($row) };
                [
                    Behaviour {
                        name: concat!(stringify!($row), ": start, step, full, end"),
                        show: |world| Box::pin(async move { start_step_full_end(&world, ROUTER).await }),
                    },
                    Behaviour {
                        name: concat!(stringify!($row), ": start, foreign edit, revert"),
                        show: |world| Box::pin(async move { foreign_edit_and_revert(&world, ROUTER).await }),
                    },
                    Behaviour {
                        name: concat!(stringify!($row), ": start, superseded, deletion hand-back"),
                        show: |world| Box::pin(async move { superseded_and_deleted(&world, ROUTER).await }),
                    },
                ]
            }),*].into_iter().flatten().collect()
        }
    };
}

table! {
    http_route: "HTTPRoute",
    some_users: "Some users first",
    grpc_route: "GRPCRoute",
    tls_route: "TLSRoute",
    tcp_route: "TCPRoute",
    istio: "Istio",
    contour: "Contour",
    ingress_route: "Traefik",
    ingress_route_tcp: "IngressRouteTCP",
    traefik_service: "TraefikService",
    linkerd: "Linkerd",
    kuma: "Kuma",
    apisix: "APISIX",
    gloo: "Gloo",
    custom: "Any other object",
    replica_count: "No route",
}

impl Router {
    /// The manifests under its heading: what the Rollout says, and everything else.
    fn manifests(self) -> Result<(Value, Vec<Value>)> {
        let page = |name: &str| fs::read_to_string(format!("{}/docs/{name}.md", env!("CARGO_MANIFEST_DIR")));
        let text = format!("{}\n{}", page("traffic")?, page("routers")?);
        let section = text.split("\n## ").find_map(|section| section.strip_prefix(self.heading));
        let block = section.and_then(|section| section.split("```yaml\n").nth(1)?.split("```").next());
        let block = block.with_context(|| format!("no page has a manifest under {}", self.heading))?;
        let documents: Vec<Value> = block.split("---\n").map(serde_saphyr::from_str).collect::<Result<_, _>>()?;
        let (rollouts, rest): (Vec<_>, Vec<_>) = documents.into_iter().partition(|object| object["kind"] == "Rollout");
        ensure!(rollouts.len() == 1, "not one Rollout under {}", self.heading);
        Ok((rollouts[0]["spec"].clone(), rest))
    }

    /// Opens a shop with these manifests, under this plan, and has it adopted.
    async fn adopted(self, world: &World, part: &str, mut plan: Value) -> Result<Shop> {
        let (mut spec, mut objects) = self.manifests()?;
        let traffic = spec["traffic"].take();
        let shop = world.shop(&format!("{}-{part}", self.name.replace('_', "-")));
        for spec in objects.iter_mut().filter_map(|object| object.get_mut("spec")) {
            move_into(&shop.namespace, spec);
        }
        let shop = if traffic.is_null() { shop.without_route() } else { shop.routed_by(objects) };
        let shop = shop.open().await?;
        if !traffic.is_null() {
            plan["traffic"] = traffic;
        }
        // Of its stages, what they give beside the weights.
        let given = spec["stages"].as_array().cloned().unwrap_or_default();
        for (stage, given) in plan["stages"].as_array_mut().into_iter().flatten().zip(given) {
            for field in ["match", "mirror"] {
                if !given[field].is_null() {
                    stage[field] = given[field].clone();
                }
            }
        }
        shop.apply_rollout(plan).await?;
        shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
        Ok(shop)
    }

    fn is_routed(self) -> bool {
        self.name != "replica_count"
    }
}

/// Has what names the namespace of the manifests name the shop's.
fn move_into(namespace: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if name == "namespace" && *field == "shop" {
                    *field = json!(namespace);
                }
                move_into(namespace, field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_into(namespace, item)),
        _ => {}
    }
}

/// What the route says, if there is one.
fn written(now: &Snapshot) -> Option<Value> {
    now.routes.iter().find(|route| route.name_any() == "checkout").map(|route| route.data["spec"].clone())
}

async fn start_step_full_end(world: &World, router: Router) -> Result<()> {
    let shop = router.adopted(world, "ends", unjudged()).await?;
    let before = written(&shop.now());
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    if router.is_routed() {
        let weights = shop.canary_weights();
        let risen: Vec<_> = weights.iter().copied().filter(|weight| *weight != Some(0)).collect();
        let stages = [None, Some(25), Some(50), Some(100), None];
        shop.check(&format!("the weights rose stage by stage: {weights:?}"), risen == stages).await?;
    }
    shop.check("the route says what its user wrote", written(&shop.now()) == before).await?;
    shop.lost_nothing().await
}

async fn foreign_edit_and_revert(world: &World, router: Router) -> Result<()> {
    let shop = router.adopted(world, "reverts", lingering()).await?;
    let before = written(&shop.now());
    underway(&shop).await?;
    meddle(&shop, router).await?;
    if router.is_routed() {
        shop.wait("the writer to be named and the weights to be back", SOON, |now| {
            let named = |step: &tidegate_api::Transition| step.message.starts_with("meddler changed the weights of");
            now.share() == Some(25)
                && now.status().history.iter().any(|step| step.reason == reason::CONTENTION && named(step))
        })
        .await?;
    } else {
        shop.wait("the pods to be as many as they were", SOON, |now| now.pods_of("v2") == 1).await?;
    }
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    shop.check("the route says what its user wrote", written(&shop.now()) == before).await?;
    shop.lost_nothing().await
}

async fn superseded_and_deleted(world: &World, router: Router) -> Result<()> {
    let shop = router.adopted(world, "deleted", lingering()).await?;
    let before = written(&shop.now());
    underway(&shop).await?;
    shop.release("v3", &[]).await?;
    shop.wait("v3 to have the first stage's weight, and v2 to be gone", LATER, |now| {
        now.canary() == "v3" && now.pods_of("v2") == 0 && now.status().stage.is_some_and(|stage| stage.since.is_some())
    })
    .await?;
    shop.delete_rollout().await?;
    handed_back_at(&shop, "v1").await?;
    shop.check("the route says what its user wrote", written(&shop.now()) == before).await?;
    shop.lost_nothing().await
}

/// Somebody gives both versions the same weight; without a route, as many pods.
async fn meddle(shop: &Shop, router: Router) -> Result<()> {
    let now = shop.now();
    if !router.is_routed() {
        let canary = now.status().canary.context("there is no canary")?.replica_set;
        let sets = Api::<k8s_openapi::api::apps::v1::ReplicaSet>::namespaced(shop.client.clone(), &shop.namespace);
        let more = Patch::Merge(json!({"spec": {"replicas": 4}}));
        sets.patch(&canary, &PatchParams::default(), &more).await?;
        // They may be taken back before anybody has seen one of them.
        until("somebody's pods to be taken back", SOON, || async {
            let set = sets.get(&canary).await.ok()?;
            (set.spec?.replicas == Some(1)).then_some(())
        })
        .await?;
        return Ok(());
    }
    let route = now.routes.iter().find(|route| route.name_any() == "checkout").context("there is no route")?;
    let api: Api<DynamicObject> = Api::namespaced_with(shop.client.clone(), &shop.namespace, &resource_of(route)?);
    let meddler = PostParams { field_manager: Some("meddler".to_owned()), ..PostParams::default() };
    until("the meddler to get through", SOON, || async {
        let mut route = api.get("checkout").await.ok()?;
        level(&mut route.data);
        api.replace("checkout", &meddler, &route).await.ok()
    })
    .await?;
    Ok(())
}

/// Makes all weights equal.
fn level(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if name == "weight" { *field = json!(1) } else { level(field) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(level),
        _ => {}
    }
}
