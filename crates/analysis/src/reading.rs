//! How the series of a source are asked for: all of them, or of very many buckets those that matter; and native histograms
//! where there are any.

use std::time::Duration;

use futures::future::{join, try_join_all};
use jiff::Timestamp;
use tidegate_judge::{Arm, Key, Meaning, Measure, Series};
use tokio::time::Instant;

use super::{
    answer::Row,
    buckets::{Bounds, Chosen},
    doubled::Double,
    error::QueryError,
    exclusion::LeftOut,
    forms::Forms,
    grid::later,
    prometheus::Prometheus,
    scrape,
    source::{Gathered, Selector, Source},
};

/// Up to so many buckets are read with less effort than it takes to find out which of them matter.
const MANY: usize = 1_000;

/// For so long it stands which bounds there are: others may have come that are nearer to a limit.
const STAND: Duration = Duration::from_mins(1);

/// The same where nothing is found of the new version: it may have others.
const STAND_IN_VAIN: Duration = Duration::from_secs(15);

/// Where classic buckets tell of both versions, it is asked so often whether there are native histograms by now.
const LOOK_FOR_NATIVE: Duration = Duration::from_secs(30);

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

/// What of a source is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// The buckets, where there are too many to ask for all.
    pub(super) chosen: Option<Chosen>,
    pub(super) native: Native,
    /// What bounds have to be told for.
    pub(super) measures: Vec<Measure>,
}

/// Whether native histograms are asked for besides buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Native {
    /// Buckets tell all.
    No,
    /// There may be some: no fault where buckets are there, and this question is not answered.
    #[default]
    Maybe,
    /// Something is told by nothing else.
    Yes,
}

/// Series, and what of theirs was asked for.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) series: Vec<Series>,
    /// The buckets; nothing if it were all.
    pub(super) chosen: Option<Chosen>,
    /// In which form each histogram counts.
    pub(super) forms: Forms,
    /// What there is that does not count.
    pub(super) left_out: LeftOut,
    /// Those of the series that may be others once more.
    pub(super) doubles: Vec<Double>,
    /// Whether native histograms were asked for, and whether any of them counts.
    native: (Native, bool),
    weight: usize,
}

/// What is known of the buckets of a source.
#[derive(Debug, Default)]
pub(super) struct Volume {
    is_large: bool,
    /// Whether it is known how many there are: before anything is read, that is asked.
    is_known: bool,
    /// How many numbers the last reading had for each instant.
    weight: usize,
    /// Which bounds there are, and when that was asked; no bounds where there is no telling them apart.
    found: Option<(Timestamp, Option<Bounds>)>,
    /// The buckets that those measures need of them; nothing where all are asked for.
    chosen: Option<(Vec<Measure>, Option<Chosen>)>,
    is_in_vain: bool,
    native: Native,
    /// When native histograms were asked for.
    looked_for_native: Option<Timestamp>,
}

impl Volume {
    /// Asks which bounds there are, where there may be many buckets and that was not asked a while ago. Where nobody answers, all
    /// buckets are asked for.
    pub(super) async fn find(
        &mut self,
        prometheus: &Prometheus,
        (source, measures): (&Source, Vec<Measure>),
        now: Timestamp,
        deadline: Instant,
    ) {
        let stands = if self.is_in_vain { STAND_IN_VAIN } else { STAND };
        let is_fresh = self.found.as_ref().is_some_and(|(at, _)| now < later(*at, stands));
        let may_be_large = self.is_large || (!self.is_known && source.has_buckets());
        if may_be_large && !is_fresh {
            let answers = by_bound(prometheus, source, now, deadline).await.unwrap_or_default();
            let count = Bounds::count(answers.iter().flatten());
            self.is_known |= count > 0.0;
            self.is_large |= count > MANY as f64;
            self.found = Some((now, self.is_large.then(|| bounds(source, &answers)).flatten()));
            self.chosen = None;
        }
        if self.chosen.as_ref().is_none_or(|(known, _)| *known != measures) {
            let chosen = self.chosen_of(source, &measures);
            self.chosen = Some((measures, chosen));
        }
        let is_due = self.looked_for_native.is_none_or(|at| now >= later(at, LOOK_FOR_NATIVE));
        if self.native == Native::No && is_due {
            self.native = Native::Maybe;
        }
    }

    /// What is asked for where `measures` are counted of `source`.
    pub(super) fn asked(&self, source: &Source, measures: Vec<Measure>) -> Asked {
        let known = self.chosen.as_ref().filter(|(known, _)| *known == measures);
        let chosen = known.map_or_else(|| self.chosen_of(source, &measures), |(_, chosen)| chosen.clone());
        Asked { chosen, native: self.native, measures }
    }

    /// The buckets that `measures` need of `source`; nothing where all are asked for.
    fn chosen_of(&self, source: &Source, measures: &[Measure]) -> Option<Chosen> {
        let (_, bounds) = self.found.as_ref()?;
        bounds.as_ref()?.chosen(measures).for_all(source.judged().map(|selector| selector.promql.as_str()))
    }

    /// Learns from what was read at `now` whether there are many, and in which form.
    pub(super) fn learn(&mut self, read: &Read, now: Timestamp) {
        let is_bucket = |series: &&Series| matches!(series.meaning, Meaning::Bucket { .. });
        self.is_large |= read.series.iter().filter(is_bucket).count() > MANY;
        self.is_known |= !read.series.is_empty();
        self.weight = read.weight;
        self.is_in_vain = !read.series.iter().any(|series| series.arm == Arm::Canary);
        let patience = scrape::interval(&read.series).unwrap_or_default() * 3;
        let is_silent = |arm| scrape::newest(&read.series, arm).is_none_or(|newest| later(newest, patience) < now);
        let (asked, is_native) = read.native;
        if asked != Native::No {
            self.looked_for_native = Some(now);
        }
        self.native = match is_native {
            true => Native::Yes,
            // Of a version that has gone over to them the buckets have ended.
            false if is_silent(Arm::Canary) || is_silent(Arm::Stable) => Native::Maybe,
            false => Native::No,
        };
    }

    /// About how many numbers a reading has for each instant.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Learns that there were too many series to read them; whether that is news, and can be helped.
    pub(super) fn overflow(&mut self, source: &Source) -> bool {
        let is_news = !self.is_large && source.has_buckets();
        self.is_large |= is_news;
        is_news
    }
}

/// How many buckets each of the selectors of `source` has of each bound.
async fn by_bound(
    prometheus: &Prometheus,
    source: &Source,
    now: Timestamp,
    deadline: Instant,
) -> Result<Vec<Vec<Row>>, QueryError> {
    let end = now.as_second();
    let questions = source.judged().map(|selector| Bounds::question(&selector.promql));
    let ask = async |question: String| prometheus.grid(&question, end - RECENT, end, RECENT, deadline).await;
    try_join_all(questions.map(ask)).await
}

/// The bounds that `source` has by these answers, one for each of its selectors.
fn bounds(source: &Source, answers: &[Vec<Row>]) -> Option<Bounds> {
    // Of several names, one is there as a rule. Where histograms of two units are, a bound is none of the other's.
    let found = source.judged().zip(answers).filter(|(_, rows)| !rows.is_empty());
    let mut units = found.map(|(selector, _)| selector.unit());
    let unit = units.next()??;
    if units.any(|other| other != Some(unit)) {
        return None;
    }
    Bounds::of(&answers.concat(), |le| super::source::nanoseconds(le, unit))
}

impl Source {
    /// The series of `stretch`, as they are `asked` for; all buckets where a histogram turns out to have others by now.
    pub(super) async fn read(
        &self,
        prometheus: &Prometheus,
        asked: &Asked,
        stretch: Stretch,
        deadline: Instant,
    ) -> Result<Read, QueryError> {
        if let Some(chosen) = &asked.chosen {
            let gathered = self.ask(prometheus, asked, stretch, deadline).await?;
            if chosen.are_in(&gathered.series) {
                return Read::of(gathered, asked);
            }
        }
        let all = Asked { chosen: None, ..asked.clone() };
        Read::of(self.ask(prometheus, &all, stretch, deadline).await?, &all)
    }

    async fn ask(
        &self,
        prometheus: &Prometheus,
        asked: &Asked,
        stretch: Stretch,
        deadline: Instant,
    ) -> Result<Gathered, QueryError> {
        let ask = async |promql: &str| match stretch {
            Stretch::Window(window, end) => prometheus.samples(promql, window, end, deadline).await,
            Stretch::Grid { start, end, step } => prometheus.grid(promql, start, end, step, deadline).await,
        };
        let both = async |selector: &Selector| {
            let chosen = asked.chosen.as_ref().filter(|_| !selector.is_expected());
            let narrowed = chosen.and_then(|chosen| chosen.of(&selector.promql));
            let plain = narrowed.unwrap_or(&selector.promql);
            let native = (asked.native != Native::No).then(|| selector.native.promql()).flatten();
            match native {
                Some(native) => {
                    let (plain, native) = join(ask(plain), ask(native)).await;
                    let mut rows = plain?;
                    match native {
                        Ok(native) => rows.extend(native.into_iter().filter_map(Row::only_histograms)),
                        Err(_) if asked.native == Native::Maybe && !rows.is_empty() => {}
                        Err(fault) => return Err(fault),
                    }
                    Ok(rows)
                }
                None => ask(plain).await,
            }
        };
        self.gathered(try_join_all(self.selectors.iter().map(both)).await?)
    }

    /// The answers to all selectors, with those of native histograms, which stand behind them.
    pub(super) fn with_native(&self, mut answers: Vec<Vec<Row>>) -> Vec<Vec<Row>> {
        let native = answers.split_off(self.selectors.len().min(answers.len()));
        let of = self.selectors.iter().zip(&mut answers).filter(|(selector, _)| selector.native.promql().is_some());
        for ((_, rows), native) in of.zip(native) {
            rows.extend(native.into_iter().filter_map(Row::only_histograms));
        }
        answers
    }
}

impl Row {
    /// Without what is a number, and counts no requests under such a name; nothing if all is.
    fn only_histograms(self) -> Option<Self> {
        (!self.histograms.is_empty()).then(|| Self { samples: Vec::new(), ..self })
    }
}

impl Read {
    fn of(gathered: Gathered, asked: &Asked) -> Result<Self, QueryError> {
        let (weight, has_counters) = (gathered.weight(), gathered.has_counters);
        let left_out = gathered.left_out.clone();
        let native: Vec<Key> = gathered.histograms.iter().filter(|one| one.is_native).map(|one| one.key).collect();
        let (series, forms, doubles) = gathered.counted_with_doubles(&asked.measures)?;
        let counts = |key: &Key| forms.get(key).is_some_and(|form| *form != Key::default());
        let native = (asked.native, has_counters || native.iter().any(counts));
        Ok(Self { series, chosen: asked.chosen.clone(), forms, left_out, doubles, native, weight })
    }
}
