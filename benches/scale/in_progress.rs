//! What the operator costs while many versions are on their way, and how soon it sees that one of them is bad.

use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use anyhow::{Context, Result};
use jiff::Timestamp;
use tidegate_api::Phase;
use tidegate_apiserver::{ApiServer, Changes};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    each::{PATIENCE, each},
    operator::{Operator, resident},
    prometheus::{SCRAPE, Scraping},
    readers::Readers,
    shop::{Place, plan, weight},
};

/// How many versions go bad, all within one scrape interval.
const BAD: usize = 40;

/// How long all of them are on their way before anything is measured: long enough for their checks to pass.
const SETTLE: Duration = Duration::from_secs(90);

/// What was measured.
pub struct InProgress {
    /// The operator's resident memory, in MiB.
    pub memory: u64,
    /// From the failing scrape's being there to ask for, to weight 0's being written: shortest first, in milliseconds.
    pub reactions: Vec<i64>,
}

/// Measures `count` Rollouts in progress, while `readers` people have the dashboard open; the operator gets more `arguments`.
pub async fn measure(count: usize, readers: usize, arguments: &[&str]) -> Result<InProgress> {
    let cluster = Cluster::start(true).await?;
    let server = &cluster.server;
    let prometheus = Scraping::start(server.clone()).await?;
    let dashboard = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
    let shown = ["--dashboard", &dashboard];
    let shown = if readers > 0 { &shown[..] } else { &[] };
    let operator = Operator::with(&cluster, &prometheus.url, &[shown, arguments].concat())?;
    let places = (0..count).map(|number| Place::number(server, number)).collect::<Result<Vec<_>>>()?;
    places.iter().try_for_each(|place| place.open(server, plan("1h", true)))?;
    each("all Deployments to be adopted", &places, |place| place.serves(server, "v1")).await?;
    places.iter().try_for_each(|place| place.release(server, "v2"))?;
    each("all new versions to have their weight", &places, |place| is_under_way(server, place)).await?;
    let readers = Readers::open(&dashboard, readers).await?;
    sleep(SETTLE).await;
    let busy = operator.processor_time()?;
    sleep(SCRAPE).await;
    let memory = operator.resident()?;
    println!(
        "{count} in progress, scraped every {SCRAPE:?}: operator {memory} MiB, {:.1?} of processor time in {SCRAPE:?}; \
         this process with API server and Prometheus {} MiB",
        operator.processor_time()?.saturating_sub(busy),
        resident("self")?
    );
    let reactions = react(server, &prometheus, &places).await?;
    readers.close()?;
    Ok(InProgress { memory, reactions })
}

fn is_under_way(server: &ApiServer, place: &Place) -> bool {
    let status = place.rollout(server).and_then(|rollout| rollout.status).unwrap_or_default();
    status.phase == Phase::Progressing && status.stage.is_some_and(|stage| stage.since.is_some())
}

/// Makes some versions bad, and sees when each loses its traffic.
async fn react(server: &ApiServer, prometheus: &Scraping, places: &[Place]) -> Result<Vec<i64>> {
    let mut changes = server.changes();
    let bad: Vec<_> = places.iter().step_by((places.len() / BAD).max(1)).map(|place| place.name.clone()).collect();
    for name in &bad {
        prometheus.fail(name);
    }
    let mut written = BTreeMap::<String, Timestamp>::new();
    let all = async {
        while written.len() < bad.len() {
            changes.ready().await;
            note(&mut changes, &bad, &mut written);
        }
    };
    tokio::time::timeout(PATIENCE, all).await.context("not all bad versions lost their traffic")?;
    let failed = prometheus.failed();
    let reactions = written.iter().filter_map(|(name, at)| {
        let since = failed.get(name)?;
        Some(at.as_millisecond() - since.as_millisecond())
    });
    let mut reactions: Vec<_> = reactions.collect();
    reactions.sort_unstable();
    Ok(reactions)
}

/// Takes note of the routes that have just been written with weight 0.
fn note(changes: &mut Changes, bad: &[String], written: &mut BTreeMap<String, Timestamp>) {
    let now = Timestamp::now();
    for change in changes.drain().into_iter().filter(|change| change.resource.plural == "httproutes") {
        let name = change.object.name();
        let canary = weight(&change.object, &format!("{name}-canary"));
        if canary.is_none_or(|weight| weight == 0) && bad.iter().any(|bad| bad == name) {
            written.entry(name.to_owned()).or_insert(now);
        }
    }
}
