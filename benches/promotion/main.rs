//! What a promotion costs the API server, and how soon a bad version has no traffic any more: on a real control plane
//! with a real Prometheus.
//!
//! `cargo bench --bench promotion` prints figures and asserts none: they depend on the machine. With `-- --show` it
//! prints instead what `kubectl` shows of a running, a promoted and a reverted rollout.

mod revert;
mod scene;
mod show;
mod writes;

use std::{env, time::Duration};

use anyhow::Context;
use tokio::runtime::Builder;

use tidegate_testkit::{Result, assets::Assets, control_plane::Kind, world::World};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    // On the runtime's own threads: children are bound to the thread that starts them.
    let outcome = runtime.block_on(runtime.spawn(async {
        let world = World::start(Assets::find(Kind::Real)?, Kind::Real).await?;
        if env::args().any(|argument| argument == "--show") { show::all(&world).await } else { measure(&world).await }
    }));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome.context("the benchmark stopped in the middle")?
}

async fn measure(world: &World) -> Result<()> {
    let promotion = writes::of_a_promotion(world).await?;
    println!("{promotion}");
    let reverts = revert::several(world).await?;
    println!("{reverts}");
    println!("promotion: writes={} events={} revert_ms={}", promotion.total(), promotion.events, reverts.median());
    Ok(())
}
