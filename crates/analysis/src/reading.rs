//! How the series of a source are asked for: all of them, or of very many buckets those that matter.

use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use tidegate_judge::{Arm, Meaning, Measure, Series};
use tokio::time::Instant;

use super::{
    buckets::{Bounds, Chosen},
    error::QueryError,
    grid::later,
    prometheus::Prometheus,
    source::Source,
};

/// Up to so many buckets are read with less effort than it takes to find out which of them matter.
const MANY: usize = 1_000;

/// For so long it stands which bounds there are: others may have come that are nearer to a limit.
const STAND: Duration = Duration::from_mins(1);

/// The same where nothing is found of the new version: it may have others.
const STAND_IN_VAIN: Duration = Duration::from_secs(15);

/// What there was so many seconds ago is there. `VictoriaMetrics` leaves the last 30 s out of what it answers for a range.
const RECENT: i64 = 60;

/// For which time series are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stretch {
    /// Raw samples of so long, up to then.
    Window(Duration, Timestamp),
    /// What they stood at at these seconds.
    Grid { start: i64, end: i64, step: i64 },
}

/// Series, and which buckets of theirs were asked for; nothing if it were all.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) series: Vec<Series>,
    pub(super) chosen: Option<Chosen>,
}

/// What is known of the buckets of a source.
#[derive(Debug, Default)]
pub(super) struct Volume {
    is_large: bool,
    /// How many series the last reading had.
    series: usize,
    /// Which bounds there are, and when that was asked; no bounds where there is no telling them apart.
    found: Option<(Timestamp, Option<Bounds>)>,
    is_in_vain: bool,
}

impl Volume {
    /// Asks anew which bounds there are, where there are many buckets and that was asked a while ago. Where nobody answers,
    /// all buckets are asked for.
    pub(super) async fn find(&mut self, prometheus: &Prometheus, source: &Source, now: Timestamp, deadline: Instant) {
        let stands = if self.is_in_vain { STAND_IN_VAIN } else { STAND };
        let is_known = self.found.as_ref().is_some_and(|(at, _)| now < later(*at, stands));
        if self.is_large && !is_known {
            let bounds = bounds(prometheus, source, now, deadline).await;
            self.found = Some((now, bounds));
        }
    }

    /// The buckets that `measures` need of `source`; nothing where all are asked for.
    pub(super) fn chosen(&self, source: &Source, measures: &[Measure]) -> Option<Chosen> {
        let (_, bounds) = self.found.as_ref()?;
        let chosen = bounds.as_ref()?.chosen(measures);
        source.selectors.iter().all(|selector| chosen.of(&selector.promql).is_some()).then_some(chosen)
    }

    /// Learns from what was read whether there are many.
    pub(super) fn learn(&mut self, read: &Read) {
        let is_bucket = |series: &&Series| matches!(series.meaning, Meaning::Bucket { .. });
        self.is_large |= read.series.iter().filter(is_bucket).count() > MANY;
        self.series = read.series.len();
        self.is_in_vain = !read.series.iter().any(|series| series.arm == Arm::Canary);
    }

    /// About how many series a reading has.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    /// Learns that there were too many series to read them; whether that is news, and can be helped.
    pub(super) fn overflow(&mut self, source: &Source) -> bool {
        let is_news = !self.is_large && source.selectors.iter().all(|selector| selector.unit().is_some());
        self.is_large |= is_news;
        is_news
    }
}

async fn bounds(prometheus: &Prometheus, source: &Source, now: Timestamp, deadline: Instant) -> Option<Bounds> {
    let end = now.as_second();
    let questions = source.selectors.iter().map(|selector| Bounds::question(&selector.promql));
    let ask = async |question: String| prometheus.grid(&question, end - RECENT, end, RECENT, deadline).await;
    let answers = try_join_all(questions.map(ask)).await.ok()?;
    // Of several names, one is there as a rule. Where histograms of two units are, a bound is none of the other's.
    let found = source.selectors.iter().zip(&answers).filter(|(_, rows)| !rows.is_empty());
    let mut units = found.map(|(selector, _)| selector.unit());
    let unit = units.next()??;
    if units.any(|other| other != Some(unit)) {
        return None;
    }
    Bounds::of(&answers.concat(), |le| super::source::nanoseconds(le, unit))
}

impl Source {
    /// The series of `stretch`; of buckets those that are `chosen`, unless a histogram turns out to have others by now: then
    /// all of them.
    pub(super) async fn read(
        &self,
        prometheus: &Prometheus,
        chosen: Option<Chosen>,
        stretch: Stretch,
        deadline: Instant,
    ) -> Result<Read, QueryError> {
        if let Some(chosen) = chosen {
            let series = self.ask(prometheus, Some(&chosen), stretch, deadline).await?;
            if chosen.are_in(&series) {
                return Ok(Read { series, chosen: Some(chosen) });
            }
        }
        Ok(Read { series: self.ask(prometheus, None, stretch, deadline).await?, chosen: None })
    }

    async fn ask(
        &self,
        prometheus: &Prometheus,
        chosen: Option<&Chosen>,
        stretch: Stretch,
        deadline: Instant,
    ) -> Result<Vec<Series>, QueryError> {
        let ask = async |promql: &str| {
            let narrowed = chosen.and_then(|chosen| chosen.of(promql));
            let promql = narrowed.as_deref().unwrap_or(promql);
            match stretch {
                Stretch::Window(window, end) => prometheus.samples(promql, window, end, deadline).await,
                Stretch::Grid { start, end, step } => prometheus.grid(promql, start, end, step, deadline).await,
            }
        };
        self.series(try_join_all(self.selectors.iter().map(|selector| ask(&selector.promql))).await?)
    }
}
