//! What the operator costs among thousands of Rollouts, and how fast it is: the real binary as a process of its own,
//! against the embedded cluster over HTTP in this one.
//!
//! `cargo bench --bench scale` prints figures and asserts none but the writes at rest: the others depend on the machine.
//! With `-- --rest`, `-- --progress` or `-- --promotions` it measures one thing alone.

mod at_rest;
mod cluster;
mod crowd;
mod each;
mod in_progress;
mod operator;
mod prometheus;
mod promotions;
mod readers;
mod shop;

use std::{collections::BTreeMap, env};

use anyhow::{Result, ensure};
use tokio::runtime::Builder;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many Rollouts are at rest.
const AT_REST: usize = 10_000;

/// How many are in progress.
const IN_PROGRESS: usize = 1_000;

/// How many people have the dashboard open, where `-- --progress --dashboards` says so.
const READERS: usize = 50;

/// How many are promoted at once.
const PROMOTED: usize = 500;

/// In the order in which they are told.
const FIGURES: [&str; 7] =
    ["rest_mib", "active_mib", "start_ms", "react_ms", "promotions_per_s", "list_ms", "writes_at_rest"];

fn main() -> Result<()> {
    // reqwest is built without a choice of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let wanted = |part: &str| {
        let parts = ["--rest", "--progress", "--promotions"];
        env::args().any(|given| given == part) || !env::args().any(|given| parts.contains(&given.as_str()))
    };
    let readers = if env::args().any(|given| given == "--dashboards") { READERS } else { 0 };
    let mut figures = BTreeMap::new();
    if wanted("--promotions") {
        let promotions = runtime.block_on(promotions::measure(PROMOTED))?;
        figures.insert("promotions_per_s", format!("{promotions:.0}"));
    }
    if wanted("--progress") {
        let in_progress::InProgress { memory, reactions } =
            runtime.block_on(in_progress::measure(IN_PROGRESS, readers, &[]))?;
        let [median, longest] =
            [reactions.get(reactions.len() / 2), reactions.last()].map(|it| it.copied().unwrap_or(-1));
        println!("{} bad versions lost their traffic: median {median} ms, at most {longest} ms", reactions.len());
        figures.extend([("active_mib", memory.to_string()), ("react_ms", median.to_string())]);
    }
    if wanted("--rest") {
        let at_rest::AtRest { memory, start, writes, list } = runtime.block_on(at_rest::measure(AT_REST))?;
        figures.extend([("rest_mib", memory.to_string()), ("start_ms", start.as_millis().to_string())]);
        figures.extend([("list_ms", list.as_millis().to_string()), ("writes_at_rest", writes.to_string())]);
    }
    let line = FIGURES.iter().filter_map(|figure| Some(format!(" {figure}={}", figures.get(figure)?)));
    println!("scale:{}", line.collect::<String>());
    ensure!(figures.get("writes_at_rest").is_none_or(|writes| writes == "0"), "the operator wrote to Rollouts at rest");
    Ok(())
}
