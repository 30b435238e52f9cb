//! Numbers over a long time, read once and in pages.

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join_all;
use jiff::Timestamp;
use tidegate_api::Reduce;
use tidegate_judge::{Arm, Key, Measure, Series};

use super::Past;
use crate::{
    answer::Row,
    error::QueryError,
    exclusion::LeftOut,
    grid::Grid,
    prometheus::one_of,
    source::{Gathered, Source},
};

/// More samples than this are not kept: they take half a gibibyte.
const MOST_SAMPLES: usize = 20_000_000;

/// So many samples are asked for at once, at most: while a page is read it is in memory with its labels.
const PAGE: usize = 500_000;

/// So many instants are read first, when nobody knows how many series there are.
const FIRST_PAGE: i64 = 10;

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
    /// The series of `source` at `instants`, of histograms with the bounds that `measures` need, and what does not count.
    pub(super) async fn series(
        &self,
        source: &Source,
        measures: &[Measure],
        instants: Instants,
    ) -> Result<(Vec<Series>, LeftOut), QueryError> {
        let mut all = Kept::default();
        let native = source.selectors.iter().filter_map(|selector| selector.native.promql());
        let promql: Vec<_> = source.selectors.iter().map(|selector| &*selector.promql).chain(native).collect();
        self.pages(&promql, instants, |page| {
            all.take(source.gathered(source.with_native(page))?);
            let is_too_much = all.samples > MOST_SAMPLES;
            if is_too_much { Err(QueryError::TooMuchOfThePast { limit: MOST_SAMPLES }) } else { Ok(()) }
        })
        .await?;
        let left_out = all.gathered.left_out.clone();
        Ok((all.gathered.counted(measures)?.0, left_out))
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
        let mut page_length = FIRST_PAGE;
        while start <= end {
            let Some(most) = attempts.peek().map(|most| page_length.min(*most)) else { return Ok(()) };
            let last = end.min(start.saturating_add((most - 1).saturating_mul(step)));
            let deadline = self.deadline();
            let ask = |promql: &&str| {
                let promql = (*promql).to_owned();
                async move { self.prometheus.grid(&promql, start, last, step, deadline).await }
            };
            match try_join_all(promql.iter().map(ask)).await {
                Ok(page) => {
                    let series: usize = page.iter().map(Vec::len).sum();
                    page_length = i64::try_from(PAGE / series.max(1)).unwrap_or(i64::MAX).max(FIRST_PAGE);
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

/// What has been read so far.
#[derive(Default)]
struct Kept {
    gathered: Gathered,
    series: HashMap<(Key, Arm), usize>,
    histograms: HashMap<(Key, Arm, bool), usize>,
    /// How many there are, of histograms with their buckets.
    samples: usize,
}

impl Kept {
    /// Takes the next page.
    fn take(&mut self, page: Gathered) {
        let all = &mut self.gathered;
        all.left_out.extend(&page.left_out);
        for series in page.series {
            self.samples += series.samples.len();
            let place = *self.series.entry((series.key, series.arm)).or_insert(all.series.len());
            match all.series.get_mut(place) {
                Some(known) => known.samples.extend(series.samples),
                None => all.series.push(series),
            }
        }
        for one in page.histograms {
            self.samples += one.samples.iter().map(|sample| 1 + sample.buckets.len()).sum::<usize>();
            let place = (one.key, one.arm, one.is_native);
            let place = *self.histograms.entry(place).or_insert(all.histograms.len());
            match all.histograms.get_mut(place) {
                Some(known) => known.samples.extend(one.samples),
                None => all.histograms.push(one),
            }
        }
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
