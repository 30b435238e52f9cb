//! From the first failing scrape of a bad version to the write that takes its traffic away.

use std::fmt;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::Phase;
use tidegate_testkit::{Result, control_plane::Identity, shop::Shop, wait::until, world::World};

use crate::scene::{PATIENCE, REQUESTS_PER_SECOND, SHORT, adopted};

/// How many times it is measured.
const RUNS: usize = 7;

/// How many failed requests it takes at least: fewer may be chance.
const ENOUGH: f64 = 3.0;

/// How long reverts took, in milliseconds, shortest first; from each moment that [`Revert`] knows.
pub struct Reverts {
    scraped: Vec<i64>,
    queryable: Vec<i64>,
    enough: Vec<i64>,
}

/// One revert.
struct Revert {
    /// When Prometheus scraped the first request that failed.
    scraped: Timestamp,
    /// When a query first returned that sample.
    queryable: Timestamp,
    /// When it scraped as many as a failure takes.
    enough: Timestamp,
    /// When the API server received the write that takes the weight away.
    written: Timestamp,
}

/// Reverts several bad versions, one after the other.
pub async fn several(world: &World) -> Result<Reverts> {
    let mut reverts = Reverts { scraped: Vec::new(), queryable: Vec::new(), enough: Vec::new() };
    for run in 1..=RUNS {
        let revert = one(world, &format!("revert-{run}")).await?;
        for (times, from) in [
            (&mut reverts.scraped, revert.scraped),
            (&mut reverts.queryable, revert.queryable),
            (&mut reverts.enough, revert.enough),
        ] {
            times.push(revert.written.as_millisecond() - from.as_millisecond());
            times.sort_unstable();
        }
    }
    Ok(reverts)
}

async fn one(world: &World, name: &str) -> Result<Revert> {
    let shop = adopted(world, name, SHORT).await?;
    let failures = format!("http_requests_total{{namespace=\"{}\",code=~\"5..\"}}", shop.namespace);
    let seen = async {
        until("a request to fail", PATIENCE, || async {
            // Taken before the question: what it returns was there by then at the latest.
            let asked = Timestamp::now();
            let failed = world.prometheus.query(&failures).await.ok()?;
            (!failed.is_empty()).then_some(asked)
        })
        .await
    };
    shop.release("v2", &[("rig/error-rate", "0.2")]).await?;
    let queryable = seen.await?;
    shop.wait("the version to be reverted", PATIENCE, |now| now.is(Phase::Reverted)).await?;
    let samples = world.prometheus.query(&format!("{failures}[5m]")).await?;
    let scraped = scraped(&samples, 1.0).context("Prometheus does not have the failures any more")?;
    let enough = self::scraped(&samples, ENOUGH).context("the version went with fewer failures than that takes")?;
    let written = taken_away(world, &shop, scraped)?.context("the route was never written with weight 0")?;
    Ok(Revert { scraped, queryable, enough, written })
}

/// When the first sample that counts `failures` was scraped, by Prometheus' own timestamps. Only one pod fails.
fn scraped(series: &[Value], failures: f64) -> Option<Timestamp> {
    let samples = series.iter().filter_map(|series| series["values"].as_array()).flatten();
    let counts = |sample: &&Value| sample[1].as_str().and_then(|count| count.parse().ok()) >= Some(failures);
    let scraped = samples.filter(counts).filter_map(|sample| sample[0].as_f64()).min_by(f64::total_cmp)?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are far below 2^53")]
    Timestamp::from_millisecond((scraped * 1000.0).round() as i64).ok()
}

/// When the API server received the first write after `scraped` that leaves the canary without weight.
fn taken_away(world: &World, shop: &Shop, scraped: Timestamp) -> Result<Option<Timestamp>> {
    let writes = world.audit.writes(Identity::Operator, &shop.namespace, scraped)?;
    let without_weight = |body: &Value| {
        let backends = body["spec"]["rules"][0]["backendRefs"].as_array().into_iter().flatten();
        backends.into_iter().any(|backend| backend["name"] == "checkout-canary" && backend["weight"] == 0)
    };
    let accepted = writes.iter().filter(|write| write.code == 200);
    Ok(accepted.filter(|write| without_weight(&write.body)).map(|write| write.at).min())
}

impl Reverts {
    /// The median from the first failing scrape on.
    pub fn median(&self) -> i64 {
        middle(&self.scraped)
    }
}

fn middle(sorted: &[i64]) -> i64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Reverts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "until weight 0 is written for a version that answers 20 % errors to its 5 % of the traffic")?;
        writeln!(f, "({REQUESTS_PER_SECOND} requests a second in all, scraped every second, {RUNS} runs):")?;
        writeln!(f, "  {:<34} {:>6} {:>6} {:>6}", "milliseconds since the", "min", "median", "max")?;
        for (what, times) in [
            ("first failed request scraped", &self.scraped),
            ("the same, as a query sees it", &self.queryable),
            ("third failed request scraped", &self.enough),
        ] {
            let (min, max) = (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
            writeln!(f, "  {what:<34} {min:>6} {:>6} {max:>6}", middle(times))?;
        }
        Ok(())
    }
}
