//! Numbers over a long time, read once and in pages.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use futures::future::try_join_all;
use jiff::Timestamp;
use tidegate_api::Reduce;
use tidegate_judge::{Arm, Key, Series};

use super::Past;
use crate::{answer::Row, error::QueryError, grid::Grid, prometheus::one_of, source::Source};

/// More samples than this are not kept: they take half a gibibyte.
const MOST_SAMPLES: usize = 20_000_000;

/// The instants from the first to the last one, so many seconds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instants {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// What a query yielded, by second.
pub(super) type Values = BTreeMap<i64, Result<f64, QueryError>>;

impl Past {
    /// The series of `source` at `instants`.
    pub(super) async fn series(&self, source: &Source, instants: Instants) -> Result<Vec<Series>, QueryError> {
        let mut places: HashMap<(Key, Arm), usize> = HashMap::new();
        let mut all: Vec<Series> = Vec::new();
        let mut samples = 0;
        let promql: Vec<_> = source.selectors.iter().map(|selector| selector.promql.as_str()).collect();
        self.pages(&promql, instants, |page| {
            for series in source.series(page)? {
                samples += series.samples.len();
                match places.entry((series.key, series.arm)) {
                    Entry::Vacant(place) => {
                        place.insert(all.len());
                        all.push(series);
                    }
                    Entry::Occupied(place) => {
                        if let Some(known) = all.get_mut(*place.get()) {
                            known.samples.extend(series.samples);
                        }
                    }
                }
            }
            if samples > MOST_SAMPLES { Err(QueryError::TooMuchOfThePast { limit: MOST_SAMPLES }) } else { Ok(()) }
        })
        .await?;
        Ok(all)
    }

    /// What `promql` yielded at `instants`.
    pub(super) async fn values(
        &self,
        promql: &str,
        reduce: Option<Reduce>,
        instants: Instants,
    ) -> Result<Values, QueryError> {
        let mut seen: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        self.pages(&[promql], instants, |page| {
            for sample in page.into_iter().flatten().flat_map(|row| row.samples) {
                seen.entry(sample.at.as_second()).or_default().push(sample.value);
            }
            Ok(())
        })
        .await?;
        Ok(seen.into_iter().map(|(at, values)| (at, one_of(&values, reduce))).collect())
    }

    /// Reads each of `promql` at `instants`; `take` gets all their answers for as many instants as fit into one.
    async fn pages(
        &self,
        promql: &[&str],
        instants: Instants,
        mut take: impl FnMut(Vec<Vec<Row>>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let Instants { mut start, end, step } = instants;
        let mut attempts = Grid::attempts().peekable();
        while start <= end {
            let Some(most) = attempts.peek() else { return Ok(()) };
            let last = end.min(start.saturating_add((most - 1).saturating_mul(step)));
            let deadline = self.deadline();
            let ask = |promql: &&str| {
                let promql = (*promql).to_owned();
                async move { self.prometheus.grid(&promql, start, last, step, deadline).await }
            };
            match try_join_all(promql.iter().map(ask)).await {
                Ok(page) => {
                    take(page)?;
                    start = last + step;
                }
                Err(fault @ QueryError::TooLarge { .. }) => {
                    attempts.next();
                    if attempts.peek().is_none() {
                        return Err(fault);
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

/// What `series` had from `start` to `end`.
pub(super) fn between(series: &[Series], start: Timestamp, end: Timestamp) -> Vec<Series> {
    let cut = |series: &Series| {
        let first = series.samples.partition_point(|sample| sample.at < start);
        let last = series.samples.partition_point(|sample| sample.at <= end);
        let samples = series.samples.get(first..last).unwrap_or_default();
        // One that ended long before is not a part of that time.
        let Series { key, instance, arm, meaning, .. } = *series;
        let pod = series.pod.clone();
        (!samples.is_empty()).then(|| Series { key, instance, pod, arm, meaning, samples: samples.to_vec() })
    };
    series.iter().filter_map(cut).collect()
}
