//! What the operator costs while nothing happens.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    crowd::Specimen,
    each::PATIENCE,
    operator::{Operator, resident},
};

/// How long the operator is left alone before anything is measured.
const SETTLE: Duration = Duration::from_secs(20);

/// How long its writes are counted.
const WATCHED: Duration = Duration::from_secs(30);

/// What was measured.
pub struct AtRest {
    /// The operator's resident memory, in MiB.
    pub memory: u64,
    /// From its start to its last first reconcile.
    pub start: Duration,
    /// How much it wrote, from its start on.
    pub writes: usize,
    /// How long `tidegate get` took to list them all, the best of three.
    pub list: Duration,
}

/// Measures `count` Rollouts at rest.
pub async fn measure(count: usize) -> Result<AtRest> {
    let specimen = Specimen::adopted().await?;
    let cluster = Cluster::start(false).await?;
    let (before, began) = (resident("self")?, Instant::now());
    specimen.copy(&cluster.server, count)?;
    let filled = resident("self")?.saturating_sub(before);
    println!(
        "{count} shops of {} KiB of JSON each: the API server grew by {filled} MiB in {:.1?}",
        specimen.size() / 1024,
        began.elapsed()
    );
    let operator = Operator::start(&cluster, "http://127.0.0.1:9")?;
    let start = operator.reconciled(u64::try_from(count)?, PATIENCE).await?;
    println!("first reconciles: done after {start:.1?}, {:.1?} of processor time", operator.processor_time()?);
    sleep(SETTLE).await;
    let (memory, busy) = (operator.resident()?, operator.processor_time()?);
    sleep(WATCHED).await;
    let writes = cluster.take_writes();
    println!(
        "at rest: operator {memory} MiB, {:?} of processor time in {WATCHED:?}; this process with the API server \
         {} MiB; writes since its start: {writes:?}",
        operator.processor_time()?.saturating_sub(busy),
        resident("self")?
    );
    let list = (0..3).map(|_| listed(&cluster, count)).collect::<Result<Vec<_>>>()?.into_iter().min();
    let list = list.context("nothing was listed")?;
    println!("tidegate get lists them all in {list:.0?}");
    Ok(AtRest { memory, start, writes: writes.values().sum(), list })
}

/// How long a person waits for the list of all Rollouts.
fn listed(cluster: &Cluster, count: usize) -> Result<Duration> {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let printed = command.args(["get", "-A"]).env("KUBECONFIG", cluster.kubeconfig()).output()?;
    let took = began.elapsed();
    let lines = String::from_utf8_lossy(&printed.stdout).lines().count();
    ensure!(lines == count + 1, "{lines} lines: {}", String::from_utf8_lossy(&printed.stderr));
    Ok(took)
}
