//! Looks on while a simulation runs, and writes down what happens.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tidegate_api::{
    CheckStatus, Percent, Phase, Rollout, RolloutStatus, Transition, Verdict,
    condition::{kind, reason},
};

use super::{By, CheckSummary, Curves, Entry, Point, Release, Report, Requests, Writes, curve::Since};
use crate::{
    scenario::Outcome,
    traffic::{Causes, Load},
};

/// Looks on while a simulation runs, and writes down what happens.
#[derive(Debug)]
pub struct Recorder {
    start: Timestamp,
    timeline: Vec<Entry>,
    releases: Vec<Release>,
    rollouts: BTreeMap<String, LastSeen>,
    /// What was served before the scenario started, and what failed.
    before: (u64, Causes),
    /// Whether the whole cluster has a schedule.
    is_scheduled: bool,
}

/// What was seen last of a Rollout.
#[derive(Debug)]
struct LastSeen {
    newest: Option<Transition>,
    phase: Phase,
    message: String,
    stage: Option<String>,
    weight: Percent,
    verdicts: BTreeMap<String, Verdict>,
    /// Checks that were told to have lost their numbers.
    lost: BTreeSet<String>,
    /// A version has not started yet, since the schedule does not let it.
    waits_for_its_hour: bool,
    /// The version that was promoted is judged on.
    is_watched: bool,
    /// The sentence of the condition `Warning`.
    warning: Option<String>,
    checks: Vec<CheckSummary>,
    stable: Option<String>,
    stable_image: Option<String>,
    canary: Option<String>,
    curves: Curves,
    since: [Since; 2],
}

impl Recorder {
    /// Nothing has happened yet, and the scenario starts at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self {
            start,
            timeline: Vec::new(),
            releases: Vec::new(),
            rollouts: BTreeMap::new(),
            before: (0, Causes::new()),
            is_scheduled: false,
        }
    }

    /// Whether the whole cluster has a schedule.
    #[must_use]
    pub fn under_a_schedule(self, is_scheduled: bool) -> Self {
        Self { is_scheduled, ..self }
    }

    /// The scenario starts now: what was answered so far does not count, and what a Rollout waits for still is told.
    pub fn begin<'a>(&mut self, loads: impl IntoIterator<Item = &'a Load>) {
        self.before = sum(loads);
        let waiting = self.rollouts.iter().filter(|(_, seen)| seen.phase == Phase::Pending && !seen.message.is_empty());
        let told = waiting.map(|(name, seen)| seen.entry(name, self.start, phase_word(seen.phase), &seen.message));
        self.timeline.extend(told);
    }

    /// The scenario does something.
    pub fn event(&mut self, at: Timestamp, rollout: &str, what: &str, message: String) {
        self.timeline.push(Entry {
            at,
            rollout: rollout.to_owned(),
            by: By::Scenario,
            what: what.to_owned(),
            message,
            stage: None,
            weight: None,
            checks: Vec::new(),
        });
    }

    /// A Rollout changed.
    pub fn rollout(&mut self, now: Timestamp, rollout: &Rollout, load: Option<&Load>) {
        let name = rollout.metadata.name.clone().unwrap_or_default();
        let Some(status) = &rollout.status else { return };
        let mut seen = self.rollouts.remove(&name).unwrap_or_else(|| LastSeen::new(rollout));
        seen.learn(now, status);
        let is_scheduled = self.is_scheduled || rollout.spec.schedule.is_some();
        let waits = is_scheduled && waits_to_start(rollout, status);
        let waits_anew = waits && !seen.waits_for_its_hour;
        seen.waits_for_its_hour = waits;
        seen.is_watched = status.watch.is_some();
        let answered = |revision: &str| load.and_then(|load| load.totals(revision)).map_or(0, |totals| totals.requests);
        let warned = seen.tell_warning(&name, now, status);
        self.timeline.extend(warned);
        let newer = status.history.iter().take_while(|transition| Some(*transition) != seen.newest.as_ref());
        let transitions: Vec<_> = newer.collect();
        for transition in transitions.iter().rev() {
            self.follow(&name, &seen, status, transition, answered(&transition.revision));
            self.timeline.push(seen.entry(&name, transition.at, &transition.reason, &transition.message));
        }
        // A Rollout that takes over its pods before the scenario starts waits for them, which is nothing to tell.
        let waits = status.phase == Phase::Pending && now >= self.start && seen.is_told_anew(&status.message);
        let is_new = status.phase != seen.phase || waits;
        if transitions.is_empty() && is_new && is_told(status.phase) {
            self.timeline.push(seen.entry(&name, now, phase_word(status.phase), &status.message));
        }
        if waits_anew {
            self.timeline.push(seen.entry(&name, now, reason::VERSION_WAITS, &status.message));
        }
        if let Some(told) = seen.tell_verdicts(&name, now, &status.checks) {
            self.timeline.push(told);
        }
        if let Some(release) = self.open_release(&name) {
            if release.exposed_since.is_none() && seen.weight > Percent::ZERO {
                release.exposed_since = Some(now);
            }
            if release.ended.is_none() {
                release.message.clone_from(&status.message);
                release.stage = seen.stage.clone().or(release.stage.take());
            }
        }
        seen.newest = status.history.first().cloned();
        (seen.phase, seen.message) = (status.phase, status.message.clone());
        self.rollouts.insert(name, seen);
    }

    /// Reads how requests went since the last time; about once for each few pixels of a picture is enough.
    pub fn sample(&mut self, now: Timestamp, rollout: &str, load: &Load) {
        let Some(seen) = self.rollouts.get_mut(rollout) else { return };
        let quantile = seen.curves.quantile;
        let [stable, canary] = &mut seen.since;
        let stable = stable.read(seen.stable.as_deref(), load, quantile);
        let canary = canary.read(seen.canary.as_deref(), load, quantile);
        seen.curves.points.push(Point { at: now, stable, canary });
    }

    /// Whether no release is under way, none waits for its hour, and none is watched; one that is held until somebody acts counts as one that
    /// is not under way.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let resting = [Phase::Stable, Phase::Reverted, Phase::Pending, Phase::Held];
        self.rollouts.values().all(|seen| resting.contains(&seen.phase) && !seen.waits_for_its_hour && !seen.is_watched)
    }

    /// Everything that was written down; what Tidegate wrote, and what was expected, somebody else adds.
    #[must_use]
    pub fn finish(mut self, end: Timestamp, seed: u64, loads: &BTreeMap<String, &Load>) -> Report {
        for release in &mut self.releases {
            let totals = loads.get(&release.rollout).and_then(|load| load.totals(&release.revision));
            // A version that never started may have been tried before: what it was asked then is that release's.
            if release.outcome != Outcome::Promoted && release.stage.is_some() {
                release.exposed = totals.map_or(0, |totals| totals.requests);
            }
            let held = self.rollouts.get(&release.rollout).is_some_and(|seen| seen.phase == Phase::Held);
            if release.is_under_way() && held {
                release.outcome = Outcome::Held;
                let own = |entry: &&Entry| entry.by == By::Tidegate && entry.rollout == release.rollout;
                if let Some(entry) = self.timeline.iter().rev().find(own) {
                    (release.reason, release.ended) = (entry.what.clone(), Some(entry.at));
                }
            }
        }
        let (served, mut causes) = sum(loads.values().copied());
        for (cause, count) in &mut causes {
            *count -= self.before.1.get(cause).copied().unwrap_or_default().min(*count);
        }
        causes.retain(|_, count| *count > 0);
        let serving = self.rollouts.iter().filter_map(|(name, seen)| Some((name.clone(), seen.stable_image.clone()?)));
        let standing = self.rollouts.iter().map(|(name, seen)| (name.clone(), (seen.phase, seen.message.clone())));
        // What a status tells late stands where it happened.
        self.timeline.sort_by_key(|entry| entry.at);
        Report {
            seed,
            start: self.start,
            end,
            notes: Vec::new(),
            timeline: self.timeline,
            requests: Requests {
                served: served.saturating_sub(self.before.0),
                failed: causes.values().sum(),
                causes,
                exposed: self.releases.iter().map(|release| release.exposed).sum(),
            },
            serving: serving.collect(),
            standing: standing.collect(),
            curves: self.rollouts.into_iter().map(|(name, seen)| (name, seen.curves)).collect(),
            releases: self.releases,
            writes: Writes::default(),
            failures: Vec::new(),
        }
    }

    fn open_release(&mut self, rollout: &str) -> Option<&mut Release> {
        self.releases.iter_mut().rev().find(|release| release.rollout == rollout)
    }

    /// What a transition means for the release.
    fn follow(&mut self, name: &str, seen: &LastSeen, status: &RolloutStatus, transition: &Transition, answered: u64) {
        let Transition { at, reason: word, message, revision, .. } = transition;
        if word == reason::STARTED {
            let images = status.canary.as_ref().map(|canary| &canary.images);
            return self.releases.push(began(name, transition, (revision, images)));
        }
        if let Some(revision) = never_started(status, transition) {
            let images = status.workload.as_ref().map(|workload| &workload.images);
            let release = began(name, transition, (revision, images));
            return self.releases.push(Release { outcome: Outcome::Reverted, ended: Some(*at), ..release });
        }
        if word == reason::WATCH_FAILED && status.rolls_back {
            let promoted = |release: &&mut Release| release.rollout == name && release.outcome == Outcome::Promoted;
            if let Some(release) = self.releases.iter_mut().rev().find(promoted) {
                (release.outcome, release.ended) = (Outcome::Reverted, Some(*at));
                (release.reason, release.message) = (word.clone(), message.clone());
            }
            return;
        }
        let Some(outcome) = outcome(word) else { return };
        let Some(release) = self.open_release(name).filter(|release| release.is_under_way()) else { return };
        if outcome == release.outcome {
            return;
        }
        release.outcome = outcome;
        (release.reason, release.message) = (word.clone(), message.clone());
        if release.is_under_way() {
            return;
        }
        release.ended = Some(*at);
        release.stage = seen.stage.clone().or(release.stage.take());
        if outcome == Outcome::Promoted {
            release.exposed = answered;
        }
    }
}

impl LastSeen {
    fn new(rollout: &Rollout) -> Self {
        Self {
            newest: None,
            phase: Phase::Pending,
            message: String::new(),
            stage: None,
            weight: Percent::ZERO,
            verdicts: BTreeMap::new(),
            lost: BTreeSet::new(),
            waits_for_its_hour: false,
            is_watched: false,
            warning: None,
            checks: Vec::new(),
            stable: None,
            stable_image: None,
            canary: None,
            curves: Curves::new(&rollout.spec),
            since: [Since::default(), Since::default()],
        }
    }

    fn learn(&mut self, now: Timestamp, status: &RolloutStatus) {
        let promoted = status.phase == Phase::Promoting;
        self.weight = match &status.stage {
            Some(stage) => stage.weight_in_force,
            None if promoted => Percent::FULL,
            None => Percent::ZERO,
        };
        let ended = matches!(status.phase, Phase::Stable | Phase::Reverted);
        let shown = if self.phase == Phase::Promoting && ended { Percent::FULL } else { self.weight };
        let rests = ended && self.phase == status.phase;
        if !rests {
            self.curves.weigh(now, shown.percent());
        }
        if let Some(stage) = &status.stage {
            self.stage = Some(stage.name.clone());
        }
        if !status.checks.is_empty() {
            self.checks = status.checks.iter().map(CheckSummary::from).collect();
        }
        let stable = status.stable.as_ref();
        if let Some(canary) = &status.canary {
            self.canary = Some(canary.revision.clone());
            self.stable = stable.map(|stable| stable.revision.clone());
        } else if self.canary.is_none() {
            self.stable = stable.map(|stable| stable.revision.clone());
        }
        self.stable_image = stable.and_then(|stable| stable.images.first().cloned());
    }

    /// Whether a sentence says more than how far the same thing has come.
    fn is_told_anew(&self, message: &str) -> bool {
        let words = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        !message.is_empty() && words(message) != words(&self.message)
    }

    fn entry(&self, rollout: &str, at: Timestamp, what: &str, message: &str) -> Entry {
        let decided = matches!(what, reason::STAGE_PASSED | reason::REVERTED) || outcome(what).is_some();
        Entry {
            at,
            rollout: rollout.to_owned(),
            by: By::Tidegate,
            what: what.to_owned(),
            message: message.to_owned(),
            stage: self.stage.clone(),
            weight: Some(self.weight),
            checks: if decided { self.checks.clone() } else { Vec::new() },
        }
    }

    /// The line that tells of what somebody should look at, although nothing waits for it.
    fn tell_warning(&mut self, rollout: &str, now: Timestamp, status: &RolloutStatus) -> Option<Entry> {
        let warning = status.conditions.iter().find(|condition| condition.type_ == kind::WARNING);
        let before = std::mem::replace(&mut self.warning, warning.map(|warning| warning.message.clone()));
        let new = warning.filter(|warning| before.as_ref() != Some(&warning.message))?;
        Some(self.entry(rollout, now, &new.reason, &new.message))
    }

    /// The line that tells of checks that lost their numbers, or have some again. That a check begins without any says
    /// nothing.
    fn tell_verdicts(&mut self, rollout: &str, now: Timestamp, checks: &[CheckStatus]) -> Option<Entry> {
        let mut told = None;
        for check in checks {
            let before = self.verdicts.insert(check.name.clone(), check.verdict);
            let lost = check.verdict == Verdict::NoData && before.is_some_and(|before| before != Verdict::NoData);
            let found = check.verdict != Verdict::NoData && self.lost.remove(&check.name);
            if lost {
                self.lost.insert(check.name.clone());
            }
            if lost || found {
                let what = if lost { "NumbersLost" } else { "NumbersBack" };
                let message = format!("{}: {}", check.name, check.message);
                told.get_or_insert_with(|| self.entry(rollout, now, what, &message));
            }
        }
        told
    }
}

/// A release that begins with that transition.
fn began(rollout: &str, began: &Transition, (revision, images): (&str, Option<&Vec<String>>)) -> Release {
    Release {
        rollout: rollout.to_owned(),
        image: images.and_then(|images| images.first()).cloned().unwrap_or_default(),
        revision: revision.to_owned(),
        outcome: Outcome::Unfinished,
        reason: began.reason.clone(),
        message: began.message.clone(),
        stage: None,
        started: began.at,
        ended: None,
        exposed_since: None,
        exposed: 0,
    }
}

/// The version that a gate in front of the start did not let in, if that is what the transition tells.
fn never_started<'a>(status: &'a RolloutStatus, transition: &Transition) -> Option<&'a str> {
    let by_a_gate = matches!(transition.reason.as_str(), reason::GATE_STOPPED | reason::GATE_TIMED_OUT);
    let failed = status.failed.iter().find(|failed| failed.at == transition.at);
    failed.filter(|_| by_a_gate && status.canary.is_none()).map(|failed| failed.revision.as_str())
}

/// What a transition with that reason means for a release; nothing if it goes on as before.
fn outcome(word: &str) -> Option<Outcome> {
    match word {
        reason::PROMOTED | reason::CAME_BACK | reason::STABLE_LOST => Some(Outcome::Promoted),
        reason::REVERTED | reason::ABORTED | reason::SUPERSEDED | reason::BACK_TO_STABLE => Some(Outcome::Reverted),
        reason::STEPPED_BACK => Some(Outcome::SteppedBack),
        reason::STAGE_PASSED | reason::STAGE_SKIPPED => Some(Outcome::Unfinished),
        _ => None,
    }
}

/// Whether a version waits to start: where there is a schedule, for that, and not for somebody who scales the Rollout.
fn waits_to_start(rollout: &Rollout, status: &RolloutStatus) -> bool {
    let ready = status.conditions.iter().find(|condition| condition.type_ == kind::READY);
    let waits = ready.is_some_and(|ready| ready.reason == reason::VERSION_WAITS);
    waits && rollout.spec.replicas != Some(0)
}

/// Phases whose beginning is worth a line even where no transition tells of it.
fn is_told(phase: Phase) -> bool {
    matches!(phase, Phase::Pending | Phase::Stable | Phase::Reverted | Phase::HandingBack)
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Stable => "AtRest",
        Phase::Reverted => "AtRestReverted",
        _ => "HandingBack",
    }
}

/// How many requests of all applications were served, and how many failed, by why.
fn sum<'a>(loads: impl IntoIterator<Item = &'a Load>) -> (u64, Causes) {
    loads.into_iter().fold((0, Causes::new()), |(served, mut causes), load| {
        for (cause, count) in load.failures() {
            *causes.entry(cause.clone()).or_default() += count;
        }
        (served + load.served(), causes)
    })
}
