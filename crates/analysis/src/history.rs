//! What stable was like before a rollout began.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tidegate_judge::{
    Arm, Baseline, Block, CounterState, Counts, ENOUGH_HISTORY, Measure, Refusal, Series, TimeRange, WarmUp,
};
use tokio::time::Instant;

use super::{
    buckets::Chosen,
    error::QueryError,
    grid::Grid,
    prometheus::Prometheus,
    reading::{Read, Stretch},
    sampling_plan::SamplingPlan,
};

/// Reads so many blocks of the time before `plan` begins, of buckets those that are `chosen`, and says for each of `measures` what stable was like. Fewer
/// are read where the answer would be too large; a stable version without any history is no fault.
pub(super) async fn read(
    prometheus: &Prometheus,
    (plan, chosen): (&SamplingPlan, Option<&Chosen>),
    measures: &[Measure],
    (block, most): (Duration, u32),
    deadline: Instant,
) -> Result<Vec<Baseline>, QueryError> {
    let step = Grid::new(plan.origin(), block).step();
    let end = plan.origin().as_second();
    let fewest = i64::try_from(ENOUGH_HISTORY).unwrap_or(i64::MAX);
    for blocks in [i64::from(most), fewest] {
        let start = end.saturating_sub(step.saturating_mul(blocks));
        let stretch = Stretch::Grid { start, end, step };
        match plan.source.read(prometheus, chosen.cloned(), stretch, deadline).await {
            Ok(Read { mut series, .. }) => {
                series.retain(|series| series.arm == Arm::Stable);
                return Ok(learn(&series, (start, end, step), measures, plan.source.warm_up_of_processes())?);
            }
            Err(QueryError::TooLarge { .. }) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(vec![Baseline::of(&[]); measures.len()])
}

/// Counts what `series` gained from instant to instant, each increment once.
pub(super) fn learn(
    series: &[Series],
    (start, end, step): (i64, i64, i64),
    measures: &[Measure],
    warm_up: WarmUp,
) -> Result<Vec<Baseline>, Refusal> {
    let halves = in_halves(series);
    let mut blocks: Vec<Vec<[Counts; 2]>> = vec![Vec::new(); measures.len()];
    let mut counters = CounterState::default();
    let settling = SignedDuration::from_secs(step.saturating_mul(2));
    let mut from = instant(start);
    counters.settle(from, series);
    let mut at = start;
    while at < end {
        at += step;
        let stretch = TimeRange { start: from, end: instant(at) };
        let gains = counters.gains(stretch, settling, series)?;
        for (measure, counts) in measures.iter().zip(&mut blocks) {
            let counted = warm_up.counted(*measure, (&counters, settling), stretch, series, &gains);
            match Block::of(stretch, *measure, &halves, &counted) {
                Ok(block) => counts.push([block.canary, block.stable]),
                // A block in which numbers contradict each other: not learned from.
                Err(Refusal::NotACounter) => return Err(Refusal::NotACounter),
                Err(_) => {}
            }
        }
        from = stretch.end;
        counters.settle(from, series);
    }
    Ok(blocks.iter().map(|counts| Baseline::of_halves(counts)).collect())
}

/// As if every second pod were one of another version: what tells two versions apart that are alike. Series of no pod stay
/// together.
fn in_halves(series: &[Series]) -> Vec<Series> {
    let pods: BTreeSet<_> = series.iter().filter_map(|series| series.pod.as_ref()).collect();
    let halves: BTreeMap<_, _> = pods.into_iter().zip([Arm::Stable, Arm::Canary].into_iter().cycle()).collect();
    let half = |series: &Series| series.pod.as_ref().and_then(|pod| halves.get(pod).copied()).unwrap_or(Arm::Stable);
    series
        .iter()
        .map(|series| {
            let Series { key, instance, meaning, .. } = *series;
            Series { key, instance, pod: None, arm: half(series), meaning, samples: Vec::new() }
        })
        .collect()
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}
