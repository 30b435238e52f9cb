//! How many versions the operator promotes in a second where nothing keeps them waiting but the API server.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    cluster::Cluster,
    each::each,
    operator::Operator,
    shop::{Place, plan},
};

/// Promotes `count` versions, all released at once; returns how many that is in a second.
pub async fn measure(count: usize) -> Result<f64> {
    let cluster = Cluster::start(true).await?;
    let server = &cluster.server;
    let operator = Operator::start(&cluster, "http://127.0.0.1:9")?;
    let places = (0..count).map(|number| Place::number(server, number)).collect::<Result<Vec<_>>>()?;
    places.iter().try_for_each(|place| place.open(server, plan("0s", false)))?;
    let all_serve = async |version: &str| {
        let what = format!("all shops to serve {version}");
        each(&what, &places, |place| place.serves(server, version)).await
    };
    all_serve("v1").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.take_writes();
    let (began, busy) = (Instant::now(), operator.processor_time()?);
    places.iter().try_for_each(|place| place.release(server, "v2"))?;
    all_serve("v2").await?;
    let took = began.elapsed();
    let writes: usize = cluster.take_writes().values().sum();
    println!(
        "{count} promotions over 3 stages took {took:.1?}: {:.1} writes each, {:.1?} of the operator's processor time",
        writes as f64 / count as f64,
        operator.processor_time()?.saturating_sub(busy)
    );
    Ok(count as f64 / took.as_secs_f64())
}
