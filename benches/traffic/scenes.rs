//! The rollouts that are played, each in a shop of its own, one after the other.

use std::{fmt, time::Duration};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tidegate_api::{Phase, Rollout};
use tidegate_testkit::{
    Result,
    audit::Request,
    control_plane::Identity,
    customers::{Customers, Receipt},
    gateway::InForce,
    pod_server::{Crowd, Faults},
    shop::Shop,
    snapshot::Snapshot,
    world::World,
};
use tokio::time::sleep;

use crate::revert::Revert;

const REPLICAS: i32 = 6;

const REQUESTS_PER_SECOND: f64 = 500.0;

/// How long a step may take; far more than any should.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long the operator is watched at rest.
pub const AT_REST: Duration = Duration::from_secs(20);

/// How long the stages of the promotion bake: for some thousand requests each.
const LONG: &str = "16s";

/// How long those stages bake that are only on the way.
const SHORT: &str = "4s";

/// What makes each pod of a good version count as many requests a second besides as a verdict takes.
const CROWD: (&str, &str) = ("rig/crowd", "300 0 1");

/// One rollout that is over.
pub struct Played {
    /// In a few words.
    pub name: String,
    /// What its customers got.
    pub receipt: Receipt,
    /// What was ever in force on its route.
    pub history: Vec<InForce>,
    /// What the operator wrote from the release on.
    pub writes: Vec<Request>,
    /// The writes among them after it was over, where that was looked at.
    pub at_rest: Option<usize>,
    /// How it was reverted, if it was.
    pub revert: Option<Revert>,
}

/// Plays all of them.
pub async fn all(world: &World) -> Result<Vec<Played>> {
    let mut played = vec![promotion(world).await?];
    for (stage, name) in ["5 %", "25 %", "100 %"].into_iter().enumerate() {
        played.push(revert(world, stage, &format!("revert at {name}")).await?);
    }
    played.push(superseded(world).await?);
    played.push(deleted(world).await?);
    Ok(played)
}

/// An open shop with customers, before anything is released.
struct Scene<'w> {
    world: &'w World,
    shop: Shop,
    customers: Customers,
    since: Timestamp,
}

async fn promotion(world: &World) -> Result<Played> {
    let scene = Scene::open(world, "promotion", plan(LONG, None)).await?;
    scene.shop.release("v2", &[CROWD]).await?;
    let promoted = |now: &Snapshot| now.is(Phase::Stable) && now.stable() == "v2" && now.share().is_none();
    scene.shop.wait("v2 to be promoted", PATIENCE, promoted).await?;
    scene.shop.wait("the pods of v1 to be gone", PATIENCE, |now| now.revision("v1").is_none()).await?;
    // The last of what people read is refreshed within ten seconds.
    sleep(AT_REST / 2).await;
    let over = Timestamp::now();
    sleep(AT_REST).await;
    let mut played = scene.close("promotion").await?;
    played.at_rest = Some(played.writes.iter().filter(|write| write.at > over).count());
    Ok(played)
}

async fn revert(world: &World, stage: usize, name: &str) -> Result<Played> {
    let scene = Scene::open(world, &format!("revert-{stage}"), plan(SHORT, Some(stage))).await?;
    scene.release("v2", stage).await?;
    let revision = scene.shop.now().revision("v2").context("v2 has no revision")?;
    sleep(Duration::from_secs(4)).await;
    let crowd = Some(Crowd { per_second: 300.0, error_rate: 0.5, seed: 1 });
    scene.shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    let committed = committed(&scene.shop, Phase::Reverting).await?;
    scene.shop.wait("v2 to be gone", PATIENCE, |now| now.is(Phase::Reverted) && now.revision("v2").is_none()).await?;
    let mut played = scene.close(name).await?;
    played.revert = Some(Revert::of(&played, &revision, committed).context("the weight never went back")?);
    Ok(played)
}

async fn superseded(world: &World) -> Result<Played> {
    let scene = Scene::open(world, "superseded", plan(SHORT, Some(1))).await?;
    scene.release("v2", 1).await?;
    scene.release("v3", 1).await?;
    scene.shop.wait("v2 to be gone", PATIENCE, |now| now.revision("v2").is_none()).await?;
    scene.close("superseded at 25 %").await
}

async fn deleted(world: &World) -> Result<Played> {
    let scene = Scene::open(world, "deleted", plan(SHORT, Some(1))).await?;
    scene.release("v2", 1).await?;
    scene.shop.delete_rollout().await?;
    let gone = |now: &Snapshot| now.rollouts.is_empty() && now.share().is_none() && now.revision("v2").is_none();
    scene.shop.wait("the Deployment to have its pods back", PATIENCE, gone).await?;
    scene.close("deleted at 25 %").await
}

impl<'w> Scene<'w> {
    async fn open(world: &'w World, name: &str, plan: Value) -> Result<Self> {
        let shop = world.shop(name).replicas(REPLICAS).load(0.0).open().await?;
        // How long a gateway thinks is its own affair.
        shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/accept-after": "0s"}}})).await?;
        shop.apply_rollout(plan).await?;
        shop.wait("the Deployment to be adopted", PATIENCE, |now| now.is(Phase::Stable)).await?;
        let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
        Ok(Self { world, shop, customers, since: Timestamp::now() })
    }

    /// Releases a version, and waits until a stage has its weight.
    async fn release(&self, version: &str, stage: usize) -> Result<()> {
        self.shop.release(version, &[CROWD]).await?;
        self.shop
            .wait("the stage to have its weight", PATIENCE, |now| {
                let stage_of = now.status().stage.filter(|of| usize::try_from(of.index) == Ok(stage + 1));
                now.canary() == version && stage_of.is_some_and(|stage| stage.since.is_some())
            })
            .await?;
        Ok(())
    }

    async fn close(self, name: &str) -> Result<Played> {
        let receipt = self.customers.leave().await?;
        let writes = self.world.audit.writes(Identity::Operator, &self.shop.namespace, self.since)?;
        println!("{name}: {receipt}");
        let history = self.shop.history();
        Ok(Played { name: name.to_owned(), receipt, history, writes, at_rest: None, revert: None })
    }
}

/// Three stages; one of them may last until the scene is over.
fn plan(bake: &str, lasting: Option<usize>) -> Value {
    let mut plan = json!({
        "stages": [
            {"name": "canary", "weight": "5%", "bake": bake},
            {"name": "quarter", "weight": "25%", "bake": bake},
            {"name": "full", "weight": "100%", "bake": bake},
        ],
        "drain": "6s",
        "analysis": {
            "interval": "1s",
            "checks": [{"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}}],
        },
    });
    if let Some(stage) = lasting {
        plan["stages"][stage]["bake"] = json!("10m");
    }
    plan
}

/// When a watch first shows the Rollout in a phase.
async fn committed(shop: &Shop, phase: Phase) -> Result<Timestamp> {
    let mut seen = watcher(shop.rollouts(), watcher::Config::default()).applied_objects().boxed();
    while let Some(rollout) = seen.try_next().await? {
        let at = Timestamp::now();
        let rollout: Rollout = rollout.try_parse()?;
        if rollout.status.is_some_and(|status| status.phase == phase) {
            return Ok(at);
        }
    }
    anyhow::bail!("the watch ended")
}

/// How many requests there were, and how many of them failed.
pub fn totals(played: &[Played]) -> (usize, usize) {
    let failed = played.iter().map(|played| played.receipt.failures.len()).sum();
    (failed + played.iter().map(|played| played.receipt.answers.len()).sum::<usize>(), failed)
}

/// How many requests each scene had.
pub struct Requests<'a>(pub &'a [Played]);

impl fmt::Display for Requests<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "requests ({REQUESTS_PER_SECOND} a second, {REPLICAS} pods):")?;
        for played in self.0 {
            let (all, failed) = totals(std::slice::from_ref(played));
            writeln!(f, "  {:<20} {all:>8} of which failed {failed:>6}", played.name)?;
        }
        Ok(())
    }
}
