//! How many rollouts can be simulated in a second on one core: three stages, ten pods, an HTTPRoute, two checks.
//!
//! `cargo bench --bench rollouts` prints figures and asserts none: they depend on the machine.

use std::time::Instant;

use jiff::SignedDuration;
use serde_json::json;
use tidegate::{
    api::{Phase, Rollout},
    controller::clock::Clock,
    sim::{
        cluster::{Cluster, Settings},
        metering::Application,
        operator::ENDPOINT,
        scenario::{Manifests, SETTLING, Scenario},
        traffic::{Exposed, Load},
    },
};
use tokio::runtime::Builder;

const ROUNDS: u64 = 40;

fn manifest(bake: &str) -> String {
    format!(
        "
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  workload: {{kind: Deployment, name: checkout}}
  service: checkout
  replicas: 10
  traffic: {{gatewayAPI: {{routes: [{{name: checkout}}]}}}}
  stages:
  - {{name: canary, weight: 5%, bake: {bake}}}
  - {{name: quarter, weight: 25%, bake: {bake}}}
  - {{name: full, weight: 100%, bake: {bake}}}
  analysis:
    checks:
    - {{name: errors, errorRate: {{preset: pod-http, max: 1%}}}}
    - {{name: p95, latency: {{preset: pod-http, quantile: 0.95, max: 500ms}}}}
"
    )
}

fn main() -> anyhow::Result<()> {
    for bake in ["1m", "10m", "2h"] {
        let start = Instant::now();
        let rounds = if bake == "2h" { ROUNDS / 10 } else { ROUNDS };
        for seed in 0..rounds {
            promote(bake, seed)?;
        }
        let per_second = rounds as f64 / start.elapsed().as_secs_f64();
        println!("rollouts: bake={bake} rollouts_per_second={per_second:.1}");
    }
    Ok(())
}

fn promote(bake: &str, seed: u64) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let scenario = Scenario::parse("{traffic: {requestsPerSecond: 100}}", "scenario.yaml")?;
        let clock = Clock::starting_at(scenario.start - SignedDuration::try_from(SETTLING)?);
        let cluster = Cluster::start(clock, Settings { seed, ..Settings::default() });
        let mut manifests = Manifests::default();
        manifests.add(&manifest(bake), "rollout.yaml")?;
        let rollout = manifests.rollouts()?.remove(0);
        let load = Load::new(&scenario, "shop", Exposed::new(&rollout.spec, &scenario.traffic), seed);
        let mut application = Application::new("shop", Some("checkout"), "checkout", load);
        application.versions.insert("checkout:v1".to_owned(), "stable".to_owned());
        cluster.applications.with(|all| all.push(application));
        for manifest in manifests.complete()?.objects {
            cluster.apply(manifest.object)?;
        }
        let _operator = cluster.operator(ENDPOINT);
        until(&cluster, |rollout| rollout.status.as_ref().is_some_and(|status| status.phase == Phase::Stable)).await;
        let container = json!([{"name": "checkout", "image": "checkout:v2"}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": container}}}});
        cluster.api.merge("deployments", "shop", "checkout", "", patch, "ci")?;
        until(&cluster, |rollout| {
            rollout.status.as_ref().is_some_and(|status| {
                status.phase == Phase::Stable && status.history.first().is_some_and(|last| last.reason == "Promoted")
            })
        })
        .await;
        Ok(())
    })
}

async fn until(cluster: &Cluster, holds: impl Fn(&Rollout) -> bool) {
    let mut changes = cluster.api.changes();
    while !cluster
        .api
        .get("rollouts", "shop", "checkout")
        .and_then(|rollout| rollout.parse::<Rollout>())
        .is_some_and(|it| holds(&it))
    {
        changes.ready().await;
        changes.drain();
    }
}
