//! The evidence of one group of checks: what was read, what is settled, and what to read next.

mod baselines;
mod by_pod;
mod newest;
mod next;
mod stages;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidegate_judge::{
    Arm, Baseline, Before, Block, ByPod, CounterState, Evidence, Measure, Refusal, Series, Suspicion, TimeRange, WarmUp,
};
use tokio::time::Instant;

use self::newest::Newest;
use super::{
    absent,
    buckets::Chosen,
    doubled::Doubles,
    error::QueryError,
    exclusion::LeftOut,
    forms::{Forms, changed, resumed},
    grid::{Grid, earlier, span},
    outage::OutageWatch,
    prometheus::Prometheus,
    reading::{Asked, Read, Stretch, Volume},
    sampling_plan::{Limit, SamplingPlan, StagePlan},
    scrape,
    served::ServedWatch,
};

/// How far back raw samples are read as long as nobody knows how often there is one.
const FIRST_WINDOW: Duration = Duration::from_mins(1);

/// How far back raw samples are read at most before two of a series have been seen.
pub(super) const LONGEST_WINDOW: Duration = Duration::from_mins(10);

/// For so long the reason why there is nothing stands.
const ABSENCE: Duration = Duration::from_secs(15);

/// Of more histograms than that it is not remembered in which form they counted: pods come and go.
const MOST_FORMS: usize = 16_384;

/// How many blocks of what came before the rollout are read.
pub(super) const HISTORY: u32 = 120;

/// The evidence of one group of checks since a rollout began.
///
/// All of it is derived from Prometheus: another process that reads the same samples comes to the same.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) plan: SamplingPlan,
    counters: CounterState,
    /// What stable was like before, by measure.
    baselines: Vec<(Measure, Baseline)>,
    /// The stage that settled blocks have come to.
    place: usize,
    /// One for each limit of that stage.
    evidence: Vec<Evidence>,
    /// The requests of each pod, one for each limit of that stage.
    suspicions: Vec<Suspicion>,
    /// What came after the settled blocks.
    newest_blocks: Newest,
    /// The same by pod.
    newest_by_pod: Vec<(Measure, ByPod)>,
    /// Up to here no later scrape can change what was counted.
    settled: Timestamp,
    scrape: Option<Duration>,
    window: Duration,
    newest: Option<Timestamp>,
    /// What there is that does not count.
    left_out: LeftOut,
    /// Why none of the numbers are believed.
    refusal: Option<Refusal>,
    outage: OutageWatch,
    pub(super) served: ServedWatch,
    /// The checks that ask for more than the histograms can tell, and why.
    beyond: Vec<(String, Refusal)>,
    /// Until when pods of the new version warm up, as they were seen last.
    cold_until: Option<Timestamp>,
    /// Why there was nothing of the new version, and when that was asked.
    absence: Option<(Timestamp, QueryError)>,
    volume: Volume,
    /// Of which buckets it is known what they stood at; nothing if of all.
    counted: Option<Chosen>,
    /// In which form each histogram counted.
    forms: Forms,
    /// The series that others are once more.
    doubles: Doubles,
}

impl Tracker {
    pub(super) fn new(plan: SamplingPlan) -> Self {
        Self {
            settled: plan.origin(),
            plan,
            counters: CounterState::default(),
            baselines: Vec::new(),
            place: 0,
            evidence: Vec::new(),
            suspicions: Vec::new(),
            newest_blocks: Newest::default(),
            newest_by_pod: Vec::new(),
            scrape: None,
            window: FIRST_WINDOW,
            newest: None,
            left_out: LeftOut::default(),
            refusal: None,
            outage: OutageWatch::default(),
            served: ServedWatch::default(),
            beyond: Vec::new(),
            cold_until: None,
            absence: None,
            volume: Volume::default(),
            counted: None,
            forms: Forms::default(),
            doubles: Doubles::default(),
        }
    }

    /// When the newest sample of the canary was scraped.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// What people are told of series that the store has twice, if it has any.
    pub(super) fn doubled(&self) -> Option<&str> {
        self.doubles.sentence()
    }

    /// Until when pods of the new version warm up, if any does.
    pub(super) fn warms_up_until(&self) -> Option<Timestamp> {
        self.cold_until
    }

    /// Why there are no requests of the new version, where all that there are do not count.
    pub(super) fn all_excluded(&self) -> Option<QueryError> {
        self.left_out.of(Arm::Canary)
    }

    fn cold_until(&self, now: Timestamp, series: &[Series]) -> Option<Timestamp> {
        let of_processes =
            self.plan.source.warm_up_of_processes().lasts((&self.counters, self.settling()), now, series);
        of_processes.max(self.plan.warm_from(self.place).filter(|warm| *warm > now))
    }

    /// Why the evidence for `check`, though it was read, must not pass it.
    pub(super) fn doubt(&self, check: &str, now: Timestamp) -> Option<QueryError> {
        let patience = self.scrape.map_or(LONGEST_WINDOW, |scrape| 3 * scrape + Duration::from_secs(10));
        let age = self.newest.map(|newest| span(newest, now)).filter(|age| *age > patience);
        let beyond = self.beyond.iter().find(|(name, _)| name == check).map(|(_, refusal)| *refusal);
        self.refusal.or(beyond).map(QueryError::Refused).or(age.map(|age| QueryError::Stale { age }))
    }

    /// Reads what is new up to `now`, where the routes were `written` at these times. Nothing is remembered of a reading
    /// that fails.
    pub(super) async fn observe(
        &mut self,
        prometheus: &Prometheus,
        written: &[Timestamp],
        now: Timestamp,
        deadline: Instant,
    ) -> Result<(), QueryError> {
        let window = self.window(now);
        let (window, recent) = match self.watch(prometheus, written, (window, now), deadline).await {
            Ok(recent) => recent,
            Err(fault) => {
                if matches!(fault, QueryError::TooLarge { .. }) && self.scrape.is_none() {
                    self.window = (self.window / 4).max(Duration::from_secs(4));
                }
                return Err(fault);
            }
        };
        if earlier(now, window) <= self.settled {
            self.go_on_with(&recent);
        }
        let series = &recent.series;
        if !series.iter().any(|series| series.arm == Arm::Canary && series.meaning.counts_all()) {
            self.served.see_none(&self.plan, now, series);
            return Err(self.absence(prometheus, now, deadline).await);
        }
        self.scrape = scrape::interval(series).or(self.scrape);
        self.absence = None;
        self.newest = scrape::newest(series, Arm::Canary);
        self.left_out.clone_from(&recent.left_out);
        self.beyond = self.beyond(series);
        self.cold_until = self.cold_until(now, series);
        self.counters.meet(self.settled, self.settling(), series);
        let Some(scrape) = self.scrape else {
            self.window = (self.window * 2).min(LONGEST_WINDOW);
            return self.look_at_newest(now, series);
        };
        let block = self.plan.block(scrape);
        self.learn(prometheus, block, deadline).await?;
        let limit = earlier(self.newest.max(scrape::newest(series, Arm::Stable)).unwrap_or(now), 2 * scrape);
        // With what each counter stood at when the first of the blocks began. The interval, by which the window was chosen, is
        // another by some milliseconds with each look.
        if earlier(now, window) <= earlier(self.settled, scrape * 3 / 2) {
            let ends = self.ends(block, limit, usize::MAX);
            self.settle(&ends, series, &mut all)?;
        } else {
            self.catch_up(prometheus, block, limit, deadline).await?;
            self.go_on_with(&recent);
        }
        self.look_at_newest(now, series)
    }

    /// Reads the samples of the time before `now`, and what happened to the requests since the routes were `written`;
    /// returns them, and how far back they go: at least to then.
    pub(super) async fn watch(
        &mut self,
        prometheus: &Prometheus,
        written: &[Timestamp],
        (window, now): (Duration, Timestamp),
        deadline: Instant,
    ) -> Result<(Duration, Read), QueryError> {
        let write = self.outage.recent(written, now);
        let window = write.map_or(window, |write| window.max(span(write.last, now)));
        let recent = self.recent(prometheus, (window, now), deadline).await;
        if let Some(write) = write.filter(|write| self.outage.lacks(*write))
            && let Some(before) = self.before(prometheus, write.first, deadline).await
        {
            self.outage.learn(write, before);
        }
        let recent = recent?;
        self.outage.look(write, now, &recent.series);
        Ok((window, recent))
    }

    /// The samples of the time before `now`.
    async fn recent(
        &mut self,
        prometheus: &Prometheus,
        (window, now): (Duration, Timestamp),
        deadline: Instant,
    ) -> Result<Read, QueryError> {
        self.find(prometheus, now, deadline).await;
        let mut read = self.read(prometheus, Stretch::Window(window, now), deadline).await;
        if matches!(read, Err(QueryError::TooLarge { .. })) && self.volume.overflow(&self.plan.source) {
            self.find(prometheus, now, deadline).await;
            read = self.read(prometheus, Stretch::Window(window, now), deadline).await;
        }
        let read = read?;
        self.volume.learn(&read, now);
        self.doubles.learn(&read.doubles);
        // What is read besides in this look, such as the history, is much longer.
        self.find(prometheus, now, deadline).await;
        Ok(read)
    }

    async fn find(&mut self, prometheus: &Prometheus, now: Timestamp, deadline: Instant) {
        let asked = (&self.plan.source, self.plan.measures());
        self.volume.find(prometheus, asked, now, deadline).await;
    }

    /// Goes on with what was `read`: of buckets that were not asked for lately, and of bounds that a histogram did not have, what
    /// they gained meanwhile is counted already, or was never asked.
    fn go_on_with(&mut self, read: &Read) {
        if self.counted == read.chosen {
            let others = changed(&self.forms, &read.forms, &read.series);
            self.counters.go_on(self.settled, &others);
        } else {
            self.counters.go_on(self.settled, &read.series);
            self.counted.clone_from(&read.chosen);
        }
        if self.forms.len() > MOST_FORMS {
            self.forms.clear();
        }
        self.forms.extend(&read.forms);
    }

    /// What requests were like before `written`, as the store has it, and how far apart scrapes were: the operator may be
    /// a new one. Nothing where it does not tell, which is no fault of the checks.
    async fn before(
        &self,
        prometheus: &Prometheus,
        written: Timestamp,
        deadline: Instant,
    ) -> Option<(Before, Duration)> {
        for window in [LONGEST_WINDOW, LONGEST_WINDOW / 4] {
            match self.read(prometheus, Stretch::Window(window, written), deadline).await {
                Ok(Read { series, .. }) => {
                    let scrape = scrape::interval(&series)?;
                    return Some((Before::of(&series, written, scrape), scrape));
                }
                Err(QueryError::TooLarge { .. }) => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn read(&self, prometheus: &Prometheus, stretch: Stretch, deadline: Instant) -> Result<Read, QueryError> {
        self.plan.source.read(prometheus, &self.asked(), stretch, deadline).await
    }

    fn asked(&self) -> Asked {
        self.volume.asked(&self.plan.source, self.plan.measures())
    }

    /// What happened to the requests since the routes were last written.
    pub(super) fn outage(&mut self) -> &mut OutageWatch {
        &mut self.outage
    }

    /// Why there is nothing of the new version, asked now and then.
    async fn absence(&mut self, prometheus: &Prometheus, now: Timestamp, deadline: Instant) -> QueryError {
        match &self.absence {
            Some((at, known)) if span(*at, now) < ABSENCE => known.clone(),
            _ => {
                let fault = absent::explained(prometheus, &self.plan.source, now, deadline).await;
                self.absence = Some((now, fault.clone()));
                fault
            }
        }
    }

    /// Settles what `series` hold up to `limit`, as if Prometheus had been asked for them; of each block, what `drawn`
    /// makes of it.
    pub(super) fn replay(
        &mut self,
        scrape: Duration,
        limit: Timestamp,
        series: &[Series],
        drawn: &mut dyn FnMut(Block) -> Block,
    ) -> Result<(), QueryError> {
        self.scrape = Some(scrape);
        let ends = self.ends(self.plan.block(scrape), limit, usize::MAX);
        self.newest = scrape::newest(series, Arm::Canary).or(self.newest);
        self.beyond = self.beyond(series);
        self.settle(&ends, series, drawn)
    }

    /// The checks whose limits in the present stage `series` cannot answer.
    fn beyond(&self, series: &[Series]) -> Vec<(String, Refusal)> {
        let limits = self.plan.stages.last().map_or(&[][..], |stage| &stage.limits);
        limits.iter().filter_map(|limit| Some((limit.check.clone(), limit.refusal(series)?))).collect()
    }

    /// Up to where everything is counted.
    pub(super) fn settled(&self) -> Timestamp {
        self.settled
    }

    /// Reads what was missed, at the grid's instants: after a restart, and where raw samples would be too many.
    async fn catch_up(
        &mut self,
        prometheus: &Prometheus,
        block: Duration,
        limit: Timestamp,
        deadline: Instant,
    ) -> Result<(), QueryError> {
        let mut attempts = Grid::attempts().peekable();
        while let Some(most) = attempts.peek() {
            let start = self.settled;
            let ends = self.ends(block, limit, usize::try_from(*most).unwrap_or(usize::MAX));
            let Some((first, last)) = ends.first().zip(ends.last()) else { return Ok(()) };
            let (start, stride, end) = (start.as_second(), first.as_second() - start.as_second(), last.as_second());
            match self.read(prometheus, Stretch::Grid { start, end, step: stride }, deadline).await {
                Ok(mut read) => {
                    resumed(&self.forms, &mut read.forms, &mut read.series);
                    self.go_on_with(&read);
                    self.doubles.learn(&read.doubles);
                    self.settle(&ends, &read.series, &mut all)?;
                    if self.settled.as_second() == start {
                        // The numbers contradict each other all along; the refusal says so.
                        return Ok(());
                    }
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

    /// Where the next blocks end, up to `limit`: as many as are equally long, and at most `most`; with all blocks,
    /// however long, where `most` is no limit.
    fn ends(&self, block: Duration, limit: Timestamp, most: usize) -> Vec<Timestamp> {
        let (mut place, mut start, mut ends) = (self.place, self.settled, Vec::new());
        let mut length = None;
        while ends.len() < most {
            place = self.plan.stage_at(place, start);
            let end = self.plan.end_of_block(place, start, block);
            let this = end.duration_since(start);
            if end > limit || (most != usize::MAX && *length.get_or_insert(this) != this) {
                break;
            }
            ends.push(end);
            start = end;
        }
        ends
    }

    /// Counts from one instant to the next. A stretch whose numbers contradict each other is joined with the one
    /// after it: a slow request may fail in one that it did not begin in.
    fn settle(
        &mut self,
        ends: &[Timestamp],
        series: &[Series],
        drawn: &mut dyn FnMut(Block) -> Block,
    ) -> Result<(), QueryError> {
        for end in ends {
            self.enter_stages();
            let measures: Vec<_> = self.limits(self.place).iter().map(Limit::measure).collect();
            let stretch = TimeRange { start: self.settled, end: *end };
            let gains = self.counters.gains(stretch, self.settling(), series)?;
            let blocks = measures.iter().map(|measure| self.block(stretch, *measure, series, &gains));
            match blocks.collect::<Result<Vec<_>, _>>() {
                Ok(blocks) => {
                    let all = self.all_requests(stretch, &measures, &blocks, (series, &gains));
                    self.served.take(&self.plan, (self.place, self.scrape), all.as_ref(), series);
                    let is_disturbed = self.plan.stages.get(self.place).is_some_and(StagePlan::is_disturbed);
                    let limits = self.limits(self.place).iter();
                    let excused: Vec<_> = limits.map(|limit| self.is_excused(limit, stretch.start)).collect();
                    for ((evidence, block), is_excused) in self.evidence.iter_mut().zip(blocks).zip(excused) {
                        let block = drawn(block);
                        if is_excused {
                            continue;
                        }
                        if is_disturbed { evidence.settle_against(&block) } else { evidence.settle(&block) }
                    }
                    self.follow_pods(TimeRange { start: self.settled, end: *end }, &measures, series);
                    self.settled = *end;
                    self.counters.settle(*end, series);
                    self.refusal = None;
                    self.enter_stages();
                }
                Err(refusal @ Refusal::MoreBadThanTotal) => self.refusal = Some(refusal),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(())
    }

    /// What counts of what each of `series` gained.
    fn block(&self, stretch: TimeRange, measure: Measure, series: &[Series], gains: &[f64]) -> Result<Block, Refusal> {
        let block = Block::of(stretch, measure, series, &self.counted(stretch, measure, series, gains))?;
        // What a gateway counts is not known by pod: the whole stage is cold.
        let is_cold =
            self.plan.is_cold(self.place, stretch.start) && !(measure == Measure::Failed && block.is_broken());
        Ok(if is_cold { block.without_canary() } else { block })
    }

    /// The requests of a stretch, those of pods that warm up or were replaced too: they were served. Of `blocks`, one for
    /// each of `measures`, all count the same.
    fn all_requests(
        &self,
        stretch: TimeRange,
        measures: &[Measure],
        blocks: &[Block],
        (series, gains): (&[Series], &[f64]),
    ) -> Option<Block> {
        if self.plan.source.warm_up == WarmUp::default() && self.plan.without.is_none() {
            return blocks.first().copied();
        }
        Block::of(stretch, *measures.first()?, series, &self.once(series, gains)).ok()
    }

    /// How long all processes may take to be scraped for the first time.
    fn settling(&self) -> SignedDuration {
        SignedDuration::try_from(2 * self.scrape.unwrap_or(FIRST_WINDOW)).unwrap_or(SignedDuration::MAX)
    }

    /// How far back raw samples are read: to the last settled instant and two scrapes more, unless that is so far
    /// that the last few samples have to do.
    fn window(&self, now: Timestamp) -> Duration {
        let Some(scrape) = self.scrape else { return self.window };
        let all = span(self.settled, now) + 2 * scrape;
        if all <= FIRST_WINDOW.max(10 * scrape) { all } else { 5 * scrape }
    }
}

/// The operator counts every request.
fn all(block: Block) -> Block {
    block
}

#[cfg(test)]
mod tests;
