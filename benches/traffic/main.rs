//! What customers notice of rollouts: 500 requests a second through Envoy, over a promotion, a revert at each stage, a
//! superseded rollout and a rollout that is deleted in mid-flight, on a real control plane with a real Prometheus.
//!
//! `cargo bench --bench traffic` prints figures and asserts none: they depend on the machine.

#[path = "../../tests/rig/mod.rs"]
#[expect(dead_code, reason = "the behaviours use more of the rig than a benchmark does")]
mod rig;

mod revert;
mod scenes;
mod shares;
mod writes;

use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;

use rig::{Result, assets::Assets, control_plane::Kind, world::World};

fn main() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    // On the runtime's own threads: children are bound to the thread that starts them.
    let outcome = runtime.block_on(runtime.spawn(async {
        let assets = Assets::find_with_envoy(Kind::Real).map_err(|missing| anyhow!(missing))?;
        measure(&World::start(assets, Kind::Real).await?).await
    }));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome.context("the benchmark stopped in the middle")?
}

async fn measure(world: &World) -> Result<()> {
    let played = scenes::all(world).await?;
    let shares = shares::of(&played);
    print!("{}", scenes::Requests(&played));
    print!("{shares}");
    print!("{}", revert::Reverts(&played));
    print!("{}", writes::Writes(&played));
    let (requests, failed) = scenes::totals(&played);
    println!(
        "traffic: requests={requests} failed={failed} share_5={:.2}% share_25={:.2}% revert_ms={}",
        shares.at(5),
        shares.at(25),
        revert::longest(&played)
    );
    Ok(())
}
