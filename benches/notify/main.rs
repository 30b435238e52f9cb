//! What it costs to tell people: how fast bad versions lose their traffic while everything that happens is sent, to receivers
//! that take it, and to receivers that hang or are not there.
//!
//! `cargo bench --bench notify -- 1000` does so with another number of versions in progress than 300.
//!
//! The same measurement as that of `scale` with versions in progress: the real binary as a process of its own, against the
//! embedded cluster over HTTP in this one.

#[path = "../scale/cluster.rs"]
#[allow(dead_code, reason = "one cluster for all")]
mod cluster;
#[path = "../scale/each.rs"]
mod each;
#[path = "../scale/in_progress.rs"]
mod in_progress;
#[path = "../scale/operator.rs"]
#[allow(dead_code, reason = "one operator for all")]
mod operator;
#[path = "../scale/prometheus.rs"]
#[allow(dead_code, reason = "one Prometheus for all")]
mod prometheus;
#[path = "../scale/readers.rs"]
#[allow(dead_code, reason = "nobody looks on here")]
mod readers;
#[path = "../scale/shop.rs"]
#[allow(dead_code, reason = "one shop for all")]
mod shop;

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Result, ensure};
use axum::{Router, http::StatusCode};
use tokio::{net::TcpListener, runtime::Builder};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many Rollouts are in progress.
const IN_PROGRESS: usize = 300;

/// How many are told: with what happens to these Rollouts, more than 10,000 notifications.
const RECEIVERS: usize = 12;

fn main() -> Result<()> {
    // reqwest is built without a choice of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let count = env::args().find_map(|given| given.parse().ok()).unwrap_or(IN_PROGRESS);
    let both = async { anyhow::Ok((measured(count, true).await?, measured(count, false).await?)) };
    let (alive, dead) = runtime.block_on(both)?;
    println!("notify: react_ms={} react_ms_dead={} mib={}", alive.0, dead.0, dead.1.saturating_sub(alive.1));
    Ok(())
}

/// The middle of the reactions in milliseconds, and the memory of the operator in MiB.
async fn measured(versions: usize, takes: bool) -> Result<(i64, u64)> {
    let count = Arc::new(AtomicU64::new(0));
    let url = listen(count.clone(), takes).await?;
    let folder = tempfile::tempdir()?;
    let file: PathBuf = folder.path().join("notifications.yaml");
    let names: Vec<_> = (0..RECEIVERS).map(|number| format!("receiver-{number}")).collect();
    // Every second one of those that are dead is not there at all.
    let url_of = |place: usize| if takes || place.is_multiple_of(2) { url.as_str() } else { "http://127.0.0.1:1" };
    let receiver = |(place, name): (usize, &String)| {
        let url = url_of(place);
        format!("- {{name: {name}, ratePerMinute: 6000, webhook: {{url: '{url}', timeout: 30s}}}}")
    };
    let receivers: Vec<_> = names.iter().enumerate().map(receiver).collect();
    let (receivers, names) = (receivers.join("\n"), names.join(", "));
    fs::write(&file, format!("receivers:\n{receivers}\nroutes: [{{receivers: [{names}]}}]\n"))?;
    let in_progress::InProgress { memory, reactions } =
        in_progress::measure(versions, 0, &["--notifications", &file.to_string_lossy()]).await?;
    let median = reactions.get(reactions.len() / 2).copied().unwrap_or(-1);
    let told = count.load(Ordering::Relaxed);
    println!("{} bad versions lost their traffic: median {median} ms; {told} requests to receivers", reactions.len());
    ensure!(told > 0, "nobody was told anything");
    Ok((median, memory))
}

/// A receiver that takes everything, or answers nothing.
async fn listen(count: Arc<AtomicU64>, takes: bool) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let answer = move || {
        count.fetch_add(1, Ordering::Relaxed);
        async move { if takes { StatusCode::OK } else { std::future::pending().await } }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    Ok(url)
}
