//! What is to be expected of each stage at the traffic there is.

use std::time::Duration;

use serde::Serialize;
use tidegate_analysis::{Found, Surveyed};
use tidegate_api::{Analysis, Mode, OnInconclusive, Rollout, Span, Stage};
use tidegate_judge::{Counts, ENOUGH, ErrorRates, Supposed, Tolerance, about, about_time, percent};

use crate::cli::lint::stages::{Asked, questions, reached};

/// How many times its limit a bad version is supposed to reach.
pub const TIMES: [f64; 3] = [2.0, 5.0, 10.0];

/// What a healthy version is taken to be where stable itself is not within the limit: a fifth of it.
const HEALTHY: f64 = 0.2;

/// How many blocks a stage needs at least.
const FEWEST_BLOCKS: u32 = 3;

/// So many bad requests fail a version before it had a hundred requests, where the plain share decides.
const CATASTROPHE: f64 = 3.0;

/// What is to be expected of a release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    pub rollout: String,
    /// How much of the past stands for today.
    pub over: Span,
    /// What the checks find today.
    pub today: Vec<Today>,
    pub stages: Vec<StageForecast>,
    /// How long a healthy release takes; nothing if that is not known, or it never ends.
    pub healthy_release: Option<Span>,
    pub hints: Vec<String>,
}

/// What a check finds of the version that serves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Today {
    pub check: String,
    pub requests_per_hour: Option<f64>,
    /// What part of them is bad.
    pub bad: Option<String>,
    /// What part of them may be, where a limit lies between two buckets of a histogram.
    pub bad_at_most: Option<String>,
    /// How many requests go bad together.
    pub overdispersion: Option<f64>,
    /// Why nothing is known.
    pub message: Option<String>,
}

/// What is to be expected of a stage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageForecast {
    pub stage: String,
    pub weight: String,
    pub bake: Span,
    pub checks: Vec<CheckForecast>,
    /// The check that takes longest.
    pub slowest: Option<String>,
    /// How long the stage lasts for a healthy version; nothing if a check has no numbers, or never enough of them.
    pub lasts: Option<Span>,
}

/// What is to be expected of a check in a stage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckForecast {
    pub check: String,
    pub requests_per_hour: f64,
    /// How many requests of a healthy version it takes, and how long that is.
    pub requests_to_pass: Option<f64>,
    pub time_to_pass: Option<Span>,
    /// How long it takes to find a version that is so many times as bad as allowed.
    pub time_to_fail: Vec<(f64, Option<Span>)>,
    /// The version that serves would not pass itself.
    pub stable_is_beyond: bool,
}

impl Forecast {
    /// What `surveyed` says about a release of `rollout`.
    pub fn new(name: &str, rollout: &Rollout, over: Span, surveyed: &[Surveyed]) -> Self {
        let stages = rollout.spec.stages();
        let mut forecast = Self {
            rollout: name.to_owned(),
            over,
            today: surveyed.iter().filter_map(Today::new).collect(),
            stages: Vec::new(),
            healthy_release: None,
            hints: Vec::new(),
        };
        let Some(analysis) = &rollout.spec.analysis else { return forecast };
        for (place, stage) in stages.iter().enumerate() {
            let expected = StageForecast::new(rollout, analysis, stage, place + 1 == stages.len(), surveyed);
            forecast.hints.extend(expected.hints(rollout, stage));
            forecast.stages.push(expected);
        }
        let lengths: Option<Vec<_>> = forecast.stages.iter().map(|stage| stage.lasts).collect();
        let whole = lengths.map(|lengths| lengths.iter().map(|length| length.duration()).sum::<Duration>());
        forecast.healthy_release = whole.map(about_time);
        forecast
    }

    /// Whether every check found its numbers.
    pub fn is_complete(&self) -> bool {
        self.today.iter().all(|today| today.message.is_none())
    }
}

impl Today {
    fn new(surveyed: &Surveyed) -> Option<Self> {
        let none = Self {
            check: surveyed.check.clone(),
            requests_per_hour: None,
            bad: None,
            bad_at_most: None,
            overdispersion: None,
            message: None,
        };
        match &surveyed.found {
            Err(fault) => Some(Self { message: Some(fault.to_string()), ..none }),
            // The strictest limit comes first.
            Ok(found) => found.first().map(|found| {
                let Counts { bad, bad_at_most, total, .. } = found.counts;
                Self {
                    requests_per_hour: Some(found.per_hour()),
                    bad: (total > 0.0).then(|| percent(bad / total)),
                    bad_at_most: (bad_at_most > bad).then(|| percent(bad_at_most / total)),
                    overdispersion: Some(found.overdispersion),
                    ..none
                }
            }),
        }
    }
}

impl StageForecast {
    fn new(rollout: &Rollout, analysis: &Analysis, stage: &Stage, is_last: bool, surveyed: &[Surveyed]) -> Self {
        let share = reached(rollout, stage).fraction();
        let asked = questions(&rollout.spec, std::slice::from_ref(stage));
        let tests = asked.iter().flat_map(|asked| asked.question.deciding()).count();
        let circumstances = Circumstances {
            analysis,
            bounds: ErrorRates::of(analysis, is_last).in_stage(&rollout.spec, stage),
            tests,
            share,
        };
        let checks: Vec<_> = asked.iter().filter_map(|asked| circumstances.check(asked, surveyed)).collect();
        let is_known = surveyed.iter().all(|surveyed| surveyed.found.is_ok());
        let slowest = checks.iter().max_by_key(|check| check.time_to_pass.map_or(Duration::MAX, Span::duration));
        let bake = stage.bake();
        Self {
            stage: stage.name.clone(),
            weight: format!("{}", reached(rollout, stage)),
            bake,
            lasts: slowest
                .map_or(Some(bake), |slowest| slowest.time_to_pass.map(|time| time.max(bake)))
                .filter(|_| is_known),
            slowest: slowest.map(|slowest| slowest.check.clone()),
            checks,
        }
    }

    /// What of it somebody should change.
    fn hints(&self, rollout: &Rollout, stage: &Stage) -> Vec<String> {
        let mut hints = Vec::new();
        let name = &self.stage;
        for check in &self.checks {
            let of = &check.check;
            if check.stable_is_beyond {
                hints.push(format!(
                    "stage {name}: the version that serves is beyond the limit of check {of} itself; a release passes only if it is better"
                ));
            }
            let Some((time, requests)) = check.time_to_pass.zip(check.requests_to_pass) else {
                hints.push(format!("stage {name}: check {of} never passes at this traffic"));
                continue;
            };
            let needs = format!("check {of} needs about {} requests, {time} at this traffic", about(requests));
            let on_time = match rollout.spec.on_inconclusive.unwrap_or_default() {
                OnInconclusive::Hold => "every release is held there",
                OnInconclusive::Revert => "every release is reverted there",
                OnInconclusive::Advance => "it decides nothing there",
            };
            match stage.deadline.filter(|deadline| *deadline < time) {
                Some(deadline) => {
                    hints.push(format!("stage {name}: {needs}, and the deadline is {deadline}: {on_time}"));
                }
                None if time > self.bake => {
                    hints.push(format!("stage {name}: {needs}: the stage lasts longer than its bake of {}", self.bake));
                }
                None => {}
            }
        }
        hints
    }
}

/// What all checks of a stage share.
struct Circumstances<'a> {
    analysis: &'a Analysis,
    bounds: ErrorRates,
    tests: usize,
    /// What part of the traffic the new version gets.
    share: f64,
}

/// What it takes to decide about one limit.
struct Needs {
    to_pass: Option<f64>,
    to_fail: [Option<f64>; 3],
    stable_is_beyond: bool,
}

impl Circumstances<'_> {
    fn check(&self, asked: &Asked<'_>, surveyed: &[Surveyed]) -> Option<CheckForecast> {
        let surveyed = surveyed.iter().find(|surveyed| surveyed.is_of(asked.check, asked.stage))?;
        let known: Vec<_> =
            asked.question.deciding().filter_map(|tolerance| Some((tolerance, surveyed.of(tolerance)?))).collect();
        let (_, found) = known.first()?;
        let per_hour = found.per_hour() * self.share;
        let needs: Vec<_> = known.iter().map(|(tolerance, found)| self.needs(tolerance, found)).collect();
        // All limits have to pass, and any of them fails.
        let to_pass = needs.iter().map(|needs| needs.to_pass).collect::<Option<Vec<_>>>();
        let to_pass = to_pass.map(|all| all.into_iter().fold(0.0, f64::max));
        let soonest = |place: usize| {
            let all = needs.iter().filter_map(|needs| needs.to_fail.get(place).copied().flatten());
            all.min_by(f64::total_cmp)
        };
        let interval = self.analysis.interval.map_or(Duration::from_secs(10), Span::duration);
        let time = |requests: f64, least: Duration| {
            let time = Duration::try_from_secs_f64(requests / per_hour * 3600.0).ok()?.max(least);
            Some(about_time(asked.stage.seen_at(time)))
        };
        let fail =
            |(place, times): (usize, &f64)| (*times, soonest(place).and_then(|requests| time(requests, interval)));
        Some(CheckForecast {
            check: asked.check.name.clone(),
            requests_per_hour: per_hour,
            requests_to_pass: to_pass,
            time_to_pass: to_pass.and_then(|requests| time(requests, interval * FEWEST_BLOCKS)),
            time_to_fail: TIMES.iter().enumerate().map(fail).collect(),
            stable_is_beyond: needs.iter().any(|needs| needs.stable_is_beyond),
        })
    }

    fn needs(&self, tolerance: &Tolerance, found: &Found) -> Needs {
        // Half a bad request more: a day without any is no proof that there is none.
        let part = |bad: f64| (bad + 0.5) / (found.counts.total + 1.0);
        let stable = part(found.counts.bad);
        let limit = tolerance.boundary.limit(stable);
        let today = part(found.counts.bad_at_most);
        let stable_is_beyond = today >= limit;
        let supposed = |canary: f64| Supposed {
            canary,
            stable,
            stable_for_each: (1.0 - self.share) / self.share.max(1e-9),
            overdispersion: found.overdispersion,
        };
        let healthy = supposed(if stable_is_beyond { limit * HEALTHY } else { today });
        let bad = TIMES.map(|times| (times * limit < 1.0).then(|| supposed(times * limit)));
        if self.analysis.mode == Some(Mode::Threshold) {
            let plainly = |bad: Supposed| (ENOUGH * limit).max(CATASTROPHE) / bad.canary;
            let to_fail = bad.map(|bad| bad.map(|bad| plainly(bad).min(ENOUGH)));
            return Needs { to_pass: Some(ENOUGH), to_fail, stable_is_beyond };
        }
        let line = self.beside(tolerance, stable);
        Needs {
            to_pass: healthy.requests_to_pass(&line, &self.bounds),
            to_fail: bad.map(|bad| bad.and_then(|bad| bad.requests_to_fail(&line, &self.bounds, self.tests))),
            stable_is_beyond,
        }
    }

    /// With all traffic on the new version there is no stable one beside it: the limit is then a fixed one.
    fn beside(&self, tolerance: &Tolerance, stable: f64) -> tidegate_judge::Boundary {
        if self.share < 1.0 {
            tolerance.boundary
        } else {
            tidegate_judge::Boundary::fixed(tolerance.boundary.limit(stable))
        }
    }
}
