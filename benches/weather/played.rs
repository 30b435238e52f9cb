//! Plays every release of every scenario with every seed, on all cores.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use tidegate_api::Span;
use tidegate_sim::{
    report::{Release, Report},
    scenario::{CANARY, Outcome, Scenario},
    simulation::{simulate, simulate_over},
};

use crate::{
    incumbent::Incumbent,
    library::{Kind, Library, Weather},
    measure::Measure,
    rules::{ArgoRollouts, Flagger, Rule},
};

/// Which seeds are played.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    pub first: u64,
    pub count: u64,
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seeds {} to {}", self.first, self.first + self.count.saturating_sub(1))
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    Tidegate,
    Flagger,
    ArgoRollouts,
}

impl Decider {
    pub const ALL: [Self; 3] = [Self::Tidegate, Self::Flagger, Self::ArgoRollouts];
}

/// One release under one seed.
#[derive(Debug, Clone)]
pub struct Run {
    pub scenario: usize,
    pub kind: Kind,
    pub decider: Decider,
    pub seed: u64,
    pub outcome: Outcome,
    /// Seconds from the release to the decision.
    pub took: Option<f64>,
    /// Requests that it answered before it was promoted or gone, from when it became what it is in the end.
    pub exposed: f64,
    /// Those that it answers after its promotion, up to the latest end of the scenario.
    pub promoted: f64,
}

pub fn play(library: &Library, seeds: Seeds) -> Result<Vec<Run>> {
    let (scenarios, mut work) = (library.scenarios.len(), Vec::new());
    for seed in seeds.first..seeds.first + seeds.count {
        for scenario in 0..scenarios {
            for kind in [Kind::Good, Kind::Bad] {
                work.extend(Decider::ALL.map(|decider| (scenario, kind, decider, seed)));
            }
        }
    }
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || -> Result<()> {
        while let Some((scenario, kind, decider, seed)) = work.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let Some(weather) = library.scenarios.get(scenario) else { continue };
            let report = report(weather, kind, decider, seed)?;
            let run = run((scenario, kind, decider, seed), weather.release(kind), &report);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        }
        Ok(())
    };
    let threads = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        handles.into_iter().try_for_each(|handle| handle.join().map_err(|_| anyhow!("a run panicked"))?)
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn report(weather: &Weather, kind: Kind, decider: Decider, seed: u64) -> Result<Report> {
    let scenario = weather.release(kind);
    let scrape = scenario.scrape_every.duration();
    let rule: Box<dyn Rule> = match decider {
        Decider::Tidegate => return Ok(simulate(&weather.manifests, scenario, seed)?),
        Decider::Flagger => Box::new(Flagger::default()),
        Decider::ArgoRollouts => {
            let analysis = weather.spec.analysis.as_ref();
            let warm_up = analysis.and_then(|analysis| analysis.warm_up).map_or(Duration::ZERO, Span::duration);
            let delay = SignedDuration::try_from(warm_up.max(scrape * 4))?;
            Box::new(ArgoRollouts::new(analysis.map_or(0, |analysis| analysis.checks.len()), delay))
        }
    };
    let checks = weather.spec.analysis.iter().flat_map(|analysis| &analysis.checks);
    let measures = checks.map(|check| Measure::new(check, scrape)).collect::<Result<Vec<_>>>()?;
    let between = |prometheus: &_| Arc::new(Incumbent::new(prometheus, measures, rule)) as Arc<_>;
    Ok(simulate_over(&weather.asked, scenario, seed, between)?)
}

fn run((place, kind, decider, seed): (usize, Kind, Decider, u64), scenario: &Scenario, report: &Report) -> Run {
    let release = report.releases.last();
    let took = release.and_then(|it| Some(it.ended?.duration_since(it.started).as_secs_f64()));
    let outcome = release.map_or(Outcome::Unfinished, |release| release.outcome);
    let exposed = release.map_or(0.0, |release| release.exposed as f64 * part_at_its_worst(report, release, scenario));
    let promoted = release.map_or(0.0, |release| after_promotion(report, release, scenario));
    Run { scenario: place, kind, decider, seed, outcome, took, exposed, promoted }
}

/// How many requests come between a promotion and the scenario's latest end, if they come as before.
fn after_promotion(report: &Report, release: &Release, scenario: &Scenario) -> f64 {
    let Some(ended) = release.ended.filter(|_| release.outcome == Outcome::Promoted) else { return 0.0 };
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64().max(0.0);
    let requests = (report.requests.served + report.requests.failed) as f64;
    requests / seconds(report.start, report.end).max(1.0) * seconds(ended, scenario.latest_end())
}

/// Which part of the requests that a release answered came after its behaviour had last changed: those before that had
/// another version, as it were. Its weights over time say so, since the requests of such scenarios come evenly.
fn part_at_its_worst(report: &Report, release: &Release, scenario: &Scenario) -> f64 {
    let canary = scenario.versions.get(CANARY);
    let changes = canary.into_iter().flat_map(|canary| canary.errors.changes().chain(canary.latency.changes()));
    let Some(turn) = changes.max().map(|change| scenario.instant(change)) else { return 1.0 };
    let end = release.ended.unwrap_or(report.end);
    let mut weights: Vec<_> =
        report.timeline.iter().filter_map(|entry| Some((entry.at, entry.weight?.fraction()))).collect();
    weights.retain(|(at, _)| (release.started..end).contains(at));
    let until = weights.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let (mut all, mut late) = (0.0, 0.0);
    for ((from, weight), to) in weights.iter().zip(until) {
        let seconds = |from: Timestamp| to.duration_since(from).as_secs_f64().max(0.0) * weight;
        all += seconds(*from);
        late += seconds(turn.max(*from));
    }
    if all > 0.0 { late / all } else { 1.0 }
}
