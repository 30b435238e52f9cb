//! What the operator costs among thousands of Rollouts, and how fast it is: the real binary as a process of its own,
//! against the embedded cluster over HTTP in this one.
//!
//! `cargo bench --bench scale` prints figures and asserts none but the writes at rest: the others depend on the machine.
//! With `-- --rest`, `-- --progress` or `-- --promotions` it measures one thing alone.

mod at_rest;
mod cluster;
mod crowd;
mod in_progress;
mod operator;
mod prometheus;
mod promotions;
mod shop;
mod wait;

use std::env;

use anyhow::{Result, ensure};
use tokio::runtime::Builder;

/// How many Rollouts are at rest.
const AT_REST: usize = 10_000;

/// How many are in progress.
const IN_PROGRESS: usize = 1_000;

/// How many are promoted at once.
const PROMOTED: usize = 500;

fn main() -> Result<()> {
    // reqwest is built without a choice of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let wanted = |part: &str| {
        let parts = ["--rest", "--progress", "--promotions"];
        env::args().any(|given| given == part) || !env::args().any(|given| parts.contains(&given.as_str()))
    };
    let mut line = "scale:".to_owned();
    if wanted("--promotions") {
        let promotions = runtime.block_on(promotions::measure(PROMOTED))?;
        line += &format!(" promotions_per_s={promotions:.0}");
    }
    if wanted("--progress") {
        let measured = runtime.block_on(in_progress::measure(IN_PROGRESS))?;
        let (middle, last) = (measured.reactions.len() / 2, measured.reactions.len().saturating_sub(1));
        let [median, longest] = [middle, last].map(|place| measured.reactions.get(place).copied().unwrap_or_default());
        println!("{} bad versions lost their traffic: median {median} ms, at most {longest} ms", last + 1);
        line = format!("scale: active_mib={} react_ms={median}{}", measured.memory, &line["scale:".len()..]);
    }
    if wanted("--rest") {
        let measured = runtime.block_on(at_rest::measure(AT_REST))?;
        let start = measured.start.as_millis();
        line = format!(
            "scale: rest_mib={} start_ms={start}{} writes_at_rest={}",
            measured.memory,
            &line["scale:".len()..],
            measured.writes
        );
        ensure!(measured.writes == 0, "{line}\nthe operator wrote something about Rollouts at rest");
    }
    println!("{line}");
    Ok(())
}
