//! How fast simulations are, on one core: rollouts of three stages with ten pods, an HTTPRoute and two checks, and the
//! release plan over days in `examples/phased`.
//!
//! `cargo bench --bench rollouts` prints figures and asserts none: they depend on the machine. With `-- plan` it leaves
//! out the short ones.

use std::{path::Path, time::Instant};

use anyhow::{Result, ensure};
use tidegate_sim::{
    scenario::{Manifests, Outcome, Scenario},
    simulation::simulate,
};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: u64 = 50;

fn main() -> Result<()> {
    let bakes: &[&str] = if std::env::args().any(|argument| argument == "plan") { &[] } else { &["10s", "1m", "10m"] };
    for bake in bakes {
        let start = Instant::now();
        for seed in 0..ROUNDS {
            promote(bake, seed)?;
        }
        println!("rollouts: bake={bake} per_second={:.1}", ROUNDS as f64 / start.elapsed().as_secs_f64());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/phased");
    let scenario = folder.join("scenario.yaml");
    let manifests = Manifests::load(&[folder], &scenario)?.complete()?;
    let start = Instant::now();
    let report = simulate(&manifests, &Scenario::load(&scenario)?, 1)?;
    ensure!(report.failures.is_empty(), "{:?}", report.failures);
    println!("plan: days_in_seconds={:.1}", start.elapsed().as_secs_f64());
    Ok(())
}

fn promote(bake: &str, seed: u64) -> Result<()> {
    let mut manifests = Manifests::default();
    let rollout = include_str!("rollout.yaml").replace("BAKE", bake);
    manifests.add(&rollout, "rollout.yaml")?;
    let scenario = "events: [{at: 0s, release: {image: 'checkout:v2'}}]";
    let scenario = Scenario::parse(scenario, "scenario.yaml")?;
    let report = simulate(&manifests.complete()?, &scenario, seed)?;
    let outcome = report.releases.first().map(|release| release.outcome);
    ensure!(outcome == Some(Outcome::Promoted), "seed {seed}: {outcome:?}");
    Ok(())
}
