//! What stable was like before a rollout began.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tidegate_judge::{
    Arm, Baseline, Block, CounterState, Counts, ENOUGH_HISTORY, Measure, Refusal, Series, TimeRange, WarmUp,
};
use tokio::time::Instant;

use super::{
    doubled::Doubles,
    error::QueryError,
    grid::Grid,
    prometheus::Prometheus,
    reading::{Asked, Read, Stretch},
    sampling_plan::SamplingPlan,
};

/// So many samples of the past are asked for at once, at most: a long time is read in pages.
const PAGE: usize = 50_000;

/// Reads so many blocks of the time before `plan` begins, and says for each of the measures that are `asked` for what stable was
/// like. `weight` is about how many numbers there are for each instant. Fewer blocks are read where the answer would be too large; a
/// stable version without any history is no fault.
pub(super) async fn read(
    prometheus: &Prometheus,
    (plan, asked, weight): (&SamplingPlan, &Asked, usize),
    (block, most): (Duration, u32),
    deadline: Instant,
) -> Result<Vec<Baseline>, QueryError> {
    let step = Grid::new(plan.origin(), block).step();
    let end = plan.origin().as_second();
    let fewest = i64::try_from(ENOUGH_HISTORY).unwrap_or(i64::MAX);
    let page = i64::try_from((PAGE / weight.max(1)).max(2)).unwrap_or(i64::MAX) - 1;
    'attempts: for blocks in [i64::from(most), fewest] {
        let mut at = end.saturating_sub(step.saturating_mul(blocks));
        let mut doubles = Doubles::default();
        let mut lesson = Lesson::new(&asked.measures, step, plan.source.warm_up_of_processes());
        while at < end {
            let last = end.min(at.saturating_add(step.saturating_mul(page.min(blocks))));
            let stretch = Stretch::Grid { start: at, end: last, step };
            match plan.source.read(prometheus, asked, stretch, deadline).await {
                Ok(Read { mut series, doubles: found, .. }) => {
                    doubles.learn(&found);
                    series.retain(|series| series.arm == Arm::Stable && !doubles.has(series.key));
                    lesson.take(&series, (at, last))?;
                }
                Err(QueryError::TooLarge { .. }) => continue 'attempts,
                Err(fault) => return Err(fault),
            }
            at = last;
        }
        return Ok(lesson.learned());
    }
    Ok(vec![Baseline::of(&[]); asked.measures.len()])
}

/// Counts what `series` gained from instant to instant, each increment once.
pub(super) fn learn(
    series: &[Series],
    (start, end, step): (i64, i64, i64),
    measures: &[Measure],
    warm_up: WarmUp,
) -> Result<Vec<Baseline>, Refusal> {
    let mut lesson = Lesson::new(measures, step, warm_up);
    lesson.take(series, (start, end))?;
    Ok(lesson.learned())
}

/// What was counted of the past so far, page by page.
struct Lesson<'m> {
    measures: &'m [Measure],
    step: i64,
    warm_up: WarmUp,
    /// By measure, what each half of the pods had.
    blocks: Vec<Vec<[Counts; 2]>>,
    counters: CounterState,
    halves: BTreeMap<Arc<str>, Arm>,
}

impl<'m> Lesson<'m> {
    fn new(measures: &'m [Measure], step: i64, warm_up: WarmUp) -> Self {
        let blocks = vec![Vec::new(); measures.len()];
        Self { measures, step, warm_up, blocks, counters: CounterState::default(), halves: BTreeMap::new() }
    }

    /// Takes the next page: what `series` had from `start` to `end`.
    fn take(&mut self, series: &[Series], (start, end): (i64, i64)) -> Result<(), Refusal> {
        let halves = self.in_halves(series);
        let settling = SignedDuration::from_secs(self.step.saturating_mul(2));
        let mut from = instant(start);
        self.counters.settle(from, series);
        let mut at = start;
        while at < end {
            at += self.step;
            let stretch = TimeRange { start: from, end: instant(at) };
            let gains = self.counters.gains(stretch, settling, series)?;
            for (measure, counts) in self.measures.iter().zip(&mut self.blocks) {
                let counted = self.warm_up.counted(*measure, (&self.counters, settling), stretch, series, &gains);
                match Block::of(stretch, *measure, &halves, &counted) {
                    Ok(block) => counts.push([block.canary.seen(), block.stable.seen()]),
                    // A block in which numbers contradict each other: not learned from.
                    Err(Refusal::NotACounter) => return Err(Refusal::NotACounter),
                    Err(_) => {}
                }
            }
            from = stretch.end;
            self.counters.settle(from, series);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<Baseline> {
        self.blocks.iter().map(|counts| Baseline::of_halves(counts)).collect()
    }

    /// As if every second pod were one of another version: what tells two versions apart that are alike. Series of no pod
    /// stay together, and a pod stays in its half from page to page.
    fn in_halves(&mut self, series: &[Series]) -> Vec<Series> {
        let pods: BTreeSet<_> = series.iter().filter_map(|series| series.pod.as_ref()).collect();
        for pod in pods {
            let next = if self.halves.len().is_multiple_of(2) { Arm::Stable } else { Arm::Canary };
            if !self.halves.contains_key(pod) {
                self.halves.insert(Arc::clone(pod), next);
            }
        }
        let half = |series: &Series| series.pod.as_ref().and_then(|pod| self.halves.get(pod).copied());
        series
            .iter()
            .map(|series| {
                let Series { key, instance, meaning, .. } = *series;
                let arm = half(series).unwrap_or(Arm::Stable);
                Series { key, instance, pod: None, arm, meaning, samples: Vec::new() }
            })
            .collect()
    }
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use tidegate_judge::{Key, Meaning, Sample};

    use super::*;

    /// Requests of three pods, the last of which comes later, at each tenth second from `start` to `end`; some of them fail.
    fn series(start: i64, end: i64) -> Vec<Series> {
        let of = |pod: i64, meaning: Meaning, each: i64| {
            let name: Arc<str> = format!("pod-{pod}").into();
            let instants = (start..=end).step_by(10).filter(|at| pod < 2 || *at >= 400);
            let value = |at: i64| (at * at % (700 + pod) + 1000 * at) as f64 / each as f64;
            Series {
                key: Key::of(&name, if meaning == Meaning::Requests { "200" } else { "500" }),
                instance: Key::of("pod", &name),
                pod: Some(name),
                arm: Arm::Stable,
                meaning,
                samples: instants.map(|at| Sample { at: instant(at), value: value(at) }).collect(),
            }
        };
        (0..3).flat_map(|pod| [of(pod, Meaning::Requests, 1), of(pod, Meaning::FailedRequests, 20)]).collect()
    }

    #[test]
    fn what_is_learned_in_pages_is_what_is_learned_at_once() {
        let learned = |pages: &[(i64, i64)]| {
            let mut lesson = Lesson::new(&[Measure::Failed], 10, WarmUp::default());
            for (start, end) in pages {
                lesson.take(&series(*start, *end), (*start, *end)).unwrap();
            }
            lesson.blocks
        };
        let at_once = learned(&[(0, 1200)]);
        assert_eq!(at_once[0].len(), 120);
        assert!(at_once[0].iter().all(|[canary, stable]| canary.total > 0.0 && stable.total > 0.0));
        assert_eq!(learned(&[(0, 390), (390, 400), (400, 820), (820, 1200)]), at_once);
    }
}
