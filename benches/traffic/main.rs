//! What customers notice of rollouts: 500 requests a second through Envoy, and then through Traefik, over a promotion, a
//! revert at each stage, a superseded rollout and a rollout that is deleted in mid-flight, on a real control plane with
//! a real Prometheus.
//!
//! `cargo bench --bench traffic` prints figures and asserts none: they depend on the machine. `-- envoy` or `-- traefik`
//! measures one of the two.

mod revert;
mod scenes;
mod shares;
mod writes;

use std::{env, time::Duration};

use anyhow::Context;
use jiff::SignedDuration;
use tokio::runtime::Builder;

use tidegate_testkit::{Result, assets::Assets, control_plane::Kind, world::World};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Finds what a world with a gateway is made of, or says in one line what is missing.
type Find = fn(Kind) -> Result<Assets>;

const GATEWAYS: [(&str, Find); 2] = [("envoy", Assets::find_with_envoy), ("traefik", Assets::find_with_traefik)];

fn main() -> Result<()> {
    let chosen: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, find) in GATEWAYS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            measure_in_a_world(name, find)?;
        }
    }
    Ok(())
}

fn measure_in_a_world(name: &'static str, find: Find) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    // On the runtime's own threads: children are bound to the thread that starts them.
    let outcome = runtime.block_on(runtime.spawn(async move {
        let assets = find(Kind::Real)?;
        measure(name, &World::start(assets, Kind::Real).await?).await
    }));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome.context("the benchmark stopped in the middle")?
}

async fn measure(name: &str, world: &World) -> Result<()> {
    let played = scenes::all(world).await?;
    let shares = shares::of(&played, SignedDuration::try_from(world.data_plane.gateway.leader.lag())?);
    print!("{}", scenes::Requests(&played));
    print!("{shares}");
    print!("{}", revert::Reverts(&played));
    print!("{}", writes::Writes(&played));
    let (requests, failed) = scenes::totals(&played);
    println!(
        "traffic through {name}: requests={requests} failed={failed} share_5={:.2}% share_25={:.2}% revert_ms={}",
        shares.at(5),
        shares.at(25),
        revert::longest(&played)
    );
    Ok(())
}
