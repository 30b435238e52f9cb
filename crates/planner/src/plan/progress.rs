//! A new version on its way: judged at every look, a stage further when everything speaks for it.

use tidegate_api::{
    CheckStatus, FailedRevision, OnFailure, OnInconclusive, Percent, Phase, RevisionStatus, RouteMode, Span, Stage,
    StageStatus, Verdict,
    condition::{self, reason},
};

use crate::plan::{
    Guard, Planner, Refusal, after, capacity, configuration, contention, current_stage, guard, in_seconds,
    outcome::Outcome, split, stable_loss::STABLE_LOST,
};

/// A stage waits for long when it has waited for so many times its bake, and for so long at least.
const LONG_WAIT: u32 = 4;
const LONG_WAIT_AT_LEAST: Span = Span::seconds(600);

impl Planner<'_> {
    /// Sends a new revision on its way, at the first stage.
    pub(super) fn start(&mut self, canary: RevisionStatus) {
        let stages = self.rollout.spec.stages();
        let Some(first) = stages.first() else { return };
        let started = format!("version {canary} starts: bringing up its pods for stage {}", first.name);
        self.begin(canary);
        self.enter(first, 0, None);
        self.record(reason::STARTED, started);
    }

    /// Goes to a stage, from the one before or back from the one after it; from none where the rollout begins.
    pub(super) fn enter(&mut self, stage: &Stage, place: usize, from: Option<&StageStatus>) {
        let is_anew = from.is_none_or(|from| stage.weight < from.weight);
        let in_force = from.map_or(Percent::ZERO, |from| from.weight_in_force);
        let entered = StageStatus {
            name: stage.name.clone(),
            index: counted(place + 1),
            of: counted(self.rollout.spec.stages().len()),
            weight: stage.weight,
            matches: stage.matches.clone().unwrap_or_default(),
            mirror: stage.mirror,
            stable_replicas: StageStatus::stable_replicas_after(from, stage),
            session_generation: self.next_generation(is_anew, in_force),
            weight_in_force: in_force,
            weight_measured: None,
            weight_range: None,
            weight_off_since: None,
            disturbance: None,
            stable_unwell_since: None,
            entered_at: self.now,
            since: None,
            until: None,
        };
        self.status.enter_stage(entered);
    }

    /// One look at the rollout under way.
    pub(super) fn progress(&mut self) {
        let (Some(stage), Some(canary)) = (current_stage(self.rollout), self.status.canary.clone()) else {
            return self.turn_back(reason::REVERTED, "the stage that was under way is not known any more".to_owned());
        };
        self.ratchet_replicas();
        if let Some((reason, message)) = self.supersession(&canary) {
            return self.turn_back(reason, message.to_owned());
        }
        self.keep_checks();
        self.follow_spec(&stage);
        self.measure_share();
        self.note_stable(&stage);
        let weighed = self.weigh(&stage, &canary);
        let is_kept = matches!(weighed, Outcome::Advance | Outcome::Wait(_) | Outcome::Hold(_));
        let heard = if is_kept { self.hear_gate(&stage) } else { None };
        let outcome = match heard.unwrap_or(weighed) {
            Outcome::Advance if self.status.rolls_back => Outcome::Advance,
            Outcome::Advance if self.has_to_drill(&stage) => return self.begin_drill(&stage),
            Outcome::Advance => {
                let held = self.held_by_share(&stage).or_else(|| self.held_by_schedule(&stage));
                held.or_else(|| self.held_by_gates(&stage)).unwrap_or(Outcome::Advance)
            }
            Outcome::Wait(message) if self.is_paused() => Outcome::Wait(message + &self.told_of_late_gate()),
            outcome => outcome,
        };
        let outcome = self.promoted_by_hand(&stage, outcome);
        let on_failure = stage.on_failure.or(self.rollout.spec.on_failure).unwrap_or_default();
        match outcome {
            Outcome::Fail(reason, message) => {
                // A gate says itself what happens when its time is up, and a drill tried the way back; a version that comes back unjudged has no stage to
                // fall back to, and nobody would look.
                let is_final = [reason::GATE_TIMED_OUT, reason::DRILL_FAILED].contains(&reason);
                let reverts = is_final || self.status.rolls_back;
                self.fail(&stage, reason, &message, if reverts { OnFailure::Revert } else { on_failure });
            }
            Outcome::Hold(refusal) => self.hold(refusal),
            Outcome::Advance => {
                let left = self.left_for_good(&stage);
                let drill = if left.name == stage.name { "" } else { ", and so did its drill" };
                let passed = format!("stage {} passed{drill}{}", left.name, self.evidence());
                self.advance(&stage, reason::STAGE_PASSED, &passed);
            }
            Outcome::Skip(left) => self.advance(&stage, reason::STAGE_SKIPPED, &left),
            Outcome::Replace(pod, message) => self.replace_pod(pod, message),
            Outcome::TakeOver => self.take_over(),
            Outcome::TakeBack(reason, message) => self.take_back(reason, &message),
            Outcome::Wait(message) => {
                self.status.enter_phase(Phase::Progressing);
                self.say(message);
            }
        }
    }

    /// An autoscaler may raise the count while a rollout lasts, not lower it.
    fn ratchet_replicas(&mut self) {
        self.status.raise_replicas_floor(self.rollout.spec.replicas.unwrap_or(0));
    }

    /// Why the version on its way is not the one that is asked for any more, if it is not: the reason and the sentence.
    fn supersession(&self, canary: &RevisionStatus) -> Option<(&'static str, &'static str)> {
        let asked = configuration::asked(self.observed)?;
        let holds = |revision: &RevisionStatus| {
            self.observed.replica_set(&revision.replica_set).is_some_and(|set| asked.is_held_by(set))
        };
        // Before its ReplicaSet exists, a revision is known by the name that its template gives it.
        let is_canary = match self.observed.replica_set(&canary.replica_set) {
            Some(_) => holds(canary),
            None => self.revision_of(&asked.template).is_none_or(|revision| revision.replica_set == canary.replica_set),
        };
        if is_canary {
            return None;
        }
        // Whatever was pushed since begins when that version serves.
        if self.flees() {
            return None;
        }
        Some(if self.status.stable.as_ref().is_some_and(holds) {
            let message = "the Deployment asks for the stable version again: all traffic goes back to it";
            (reason::BACK_TO_STABLE, message)
        } else {
            (reason::SUPERSEDED, "another version came in mid-flight: all traffic goes back to stable before it starts")
        })
    }

    pub(super) fn keep_checks(&mut self) {
        if !self.checks.is_empty() {
            self.status.keep_checks(self.checks);
        }
        if !self.presets.is_empty() {
            self.status.keep_presets(self.presets);
        }
    }

    /// Takes over what somebody changed in the spec while the stage lasts: its name and place, weight and bake.
    fn follow_spec(&mut self, spec: &Stage) {
        let stages = self.rollout.spec.stages();
        let place = stages.iter().position(|candidate| candidate.name == spec.name).unwrap_or(0);
        let generation = self.generation_at(spec.weight);
        self.status.follow_spec(spec, (counted(place + 1), counted(stages.len())), generation, self.now);
    }

    fn weigh(&mut self, stage: &Stage, canary: &RevisionStatus) -> Outcome {
        if let Some(failed) = self.failed(canary) {
            return Outcome::Fail(reason::CHECK_FAILED, failed.message);
        }
        if let Some(outage) = self.outage.filter(|_| self.is_routed()) {
            return Outcome::TakeBack(reason::ROUTE_BROKEN, self.since_written(outage));
        }
        self.await_step_back();
        self.join_degrade(stage);
        let failing = self.failing(stage).next();
        if let Some(check) = failing {
            return self.answer_failure(stage, check);
        }
        if let Some(disturbed) = self.answer_disturbance(stage) {
            return disturbed;
        }
        if let Some(outcome) = self.await_degrade(stage, canary) {
            return outcome;
        }
        if let Some(outcome) = self.await_replacement() {
            return outcome;
        }
        let ready = split::ready(self.rollout, &self.status, self.observed);
        self.track_stable_loss();
        if self.is_stable_lost() && ready.canary >= capacity::in_stage(self.rollout, stage).canary {
            return Outcome::TakeOver;
        }
        let since = self.status.stage.as_ref().and_then(|stage| stage.since);
        let Some(since) = since else {
            return self.late_drill(stage).unwrap_or_else(|| self.await_weight(stage, ready));
        };
        if let Some(late) = self.end_drill(stage, since) {
            return late;
        }
        if ready.canary == 0 {
            return self.lose_canary();
        }
        if let Some(refusal) = self.refusal.clone() {
            return Outcome::Hold(refusal);
        }
        self.set_share_of_pods();
        if let Some(since) =
            contention::undisturbed_since(self.rollout, &self.status).filter(|_| self.rollout.may_lack_stable_pods())
        {
            // Stable's pods that the stage's weight freed go when their requests have drained.
            self.wake_after(since, self.rollout.spec.drain());
        }
        self.weigh_evidence(stage, since)
    }

    pub(super) fn stable_missing(&self) -> String {
        let name = self.status.stable.as_ref().map_or("stable", |stable| stable.replica_set.as_str());
        format!("no pod of the stable ReplicaSet {name} is ready")
    }

    /// Without a route the share in force is whatever the pods make of it, from moment to moment.
    pub(super) fn set_share_of_pods(&mut self) {
        if !self.is_routed() && self.status.canary.is_some() {
            self.set_in_force(capacity::share_of_pods(self.rollout, &self.status, self.observed));
        }
    }

    pub(super) fn set_in_force(&mut self, weight: Percent) {
        // A share of pods has no end of digits: one that reads as the committed one does is no news.
        if self.status.stage.as_ref().is_some_and(|stage| !reads_alike(stage.weight_in_force, weight)) {
            self.status.set_in_force(weight);
        }
    }

    /// The new version is all that serves: a fix has to get through even where there is nothing to compare it with.
    fn take_over(&mut self) {
        let (version, lost) = (self.status.canary.clone().unwrap_or_default(), self.stable_missing());
        self.record(
            reason::STABLE_LOST,
            format!("{lost}, for {STABLE_LOST} now: version {version}, whose pods are ready, takes over unjudged"),
        );
        self.become_stable();
    }

    /// Every pod of the new version is gone: its weight goes back, and its clocks start anew.
    fn lose_canary(&mut self) -> Outcome {
        self.status.lose_canary(self.now);
        let message = "no pod of the new version is ready any more: its traffic goes back to stable until they are";
        self.record(reason::CANARY_LOST, message);
        Outcome::Wait(message.to_owned())
    }

    fn weigh_evidence(&mut self, stage: &Stage, since: jiff::Timestamp) -> Outcome {
        if self.status.rolls_back {
            let paused = "paused while a version comes back; set spec.paused to false to go on";
            let waits = self.is_paused() && !self.flees();
            return if waits { Outcome::Wait(paused.to_owned()) } else { Outcome::Advance };
        }
        if let Some(waits) = self.await_counts_of_drill(stage) {
            return waits;
        }
        self.wake_after(since, stage.bake());
        let baked =
            self.has_elapsed(since, stage.bake()) || self.is_back_in_drill(stage) || !guard::stands(Guard::Bake);
        let undecided = self.undecided(stage).filter(|_| guard::stands(Guard::Evidence));
        let deadline = stage.deadline.filter(|_| undecided.is_some());
        if let Some(deadline) = deadline {
            self.wake_after(since, deadline);
        }
        if let Some(check) = &undecided
            && let Some(deadline) = deadline
            && self.has_elapsed(since, deadline)
        {
            let message = format!("stage {} ran out of time ({deadline}): {check}", stage.name);
            return match self.rollout.spec.on_inconclusive.unwrap_or_default() {
                OnInconclusive::Hold => Outcome::Hold(Refusal::new(reason::INCONCLUSIVE, message)),
                OnInconclusive::Revert => Outcome::Fail(reason::INCONCLUSIVE, message),
                // Little evidence may be enough for somebody; none at all is not, whatever the reason.
                OnInconclusive::Advance if self.is_blind(stage) => {
                    Outcome::Hold(Refusal::new(reason::INCONCLUSIVE, message))
                }
                OnInconclusive::Advance if self.is_stable_unwell() => Outcome::Wait(message),
                OnInconclusive::Advance if baked && !self.is_paused() => Outcome::Advance,
                OnInconclusive::Advance => Outcome::Wait(message),
            };
        }
        let weight = self.status.stage.as_ref().map_or(stage.weight, |stage| stage.weight_in_force);
        let (at, share) =
            if stage.gives_more_than_a_share() { ("with", stage.gives()) } else { ("at", weight.to_string()) };
        match undecided {
            _ if self.is_paused() => Outcome::Wait(format!(
                "paused at stage {} with {share}; set spec.paused to false to go on (a failure still reverts)",
                stage.name
            )),
            Some(check) => {
                self.wake_after(since, long_wait(stage));
                let advice = self.advice_on_a_long_wait(stage, since);
                Outcome::Wait(format!("stage {} {at} {share}: waiting for evidence: {check}{advice}", stage.name))
            }
            None if self.is_stable_unwell() => {
                Outcome::Wait(format!("stage {} {at} {share}: stable itself was unwell a moment ago", stage.name))
            }
            None if !baked => Outcome::Wait(format!(
                "stage {} {at} {share}: good so far, bakes until {}",
                stage.name,
                in_seconds(after(since, stage.bake()))
            )),
            None => Outcome::Advance,
        }
    }

    /// What somebody can change about a stage that has waited for much longer than it bakes.
    fn advice_on_a_long_wait(&self, stage: &Stage, since: jiff::Timestamp) -> &'static str {
        if !self.has_elapsed(since, long_wait(stage)) {
            ""
        } else if stage.deadline.is_some() {
            "; it waits for long: more requests, a larger weight, or a wider limit decide sooner"
        } else {
            "; it waits for long, and as long as it takes: more requests, a larger weight, or a wider limit decide \
             sooner, and a deadline of the stage ends the wait"
        }
    }

    /// Of the checks that have to pass and do not, the one that will take longest, with its sentence.
    fn undecided(&self, stage: &Stage) -> Option<String> {
        let checks = self.rollout.spec.checks_in(stage);
        let undecided = checks.filter(|check| self.decides(stage, &check.name)).filter_map(|check| {
            let answer = self.checks.iter().find(|answer| answer.name == check.name);
            match answer {
                Some(CheckStatus { verdict: Verdict::Pass, .. }) => None,
                Some(answer) => Some((answer.more_time, format!("{}: {}", check.name, answer.message))),
                None => Some((None, format!("{}: not looked at yet", check.name))),
            }
        });
        // Who cannot say how long takes longest; of several, the first.
        let (_, sentence) = undecided.reduce(|slowest, next| match (slowest.0, next.0) {
            (Some(longest), Some(time)) if time > longest => next,
            (Some(_), None) => next,
            _ => slowest,
        })?;
        Some(sentence)
    }

    /// Whether there are no numbers for a check that has to pass.
    fn is_blind(&self, stage: &Stage) -> bool {
        self.rollout.spec.checks_in(stage).any(|check| {
            let answer = self.checks.iter().find(|answer| answer.name == check.name);
            self.decides(stage, &check.name) && answer.is_none_or(|answer| answer.verdict == Verdict::NoData)
        })
    }

    /// Whether a check of that name is asked in `stage` and decides anything, or only warns.
    pub(super) fn decides(&self, stage: &Stage, name: &str) -> bool {
        if !stage.gives_requests() || self.status.rolls_back {
            return false;
        }
        let changed = stage.override_of(name);
        self.rollout.spec.checks_in(stage).any(|check| check.name == name && check.decides(changed))
    }

    fn hold(&mut self, refusal: Refusal) {
        if self.status.phase != Phase::Held {
            self.record(refusal.reason, refusal.message.clone());
        }
        self.status.enter_phase(Phase::Held);
        self.say(refusal.message.clone());
        self.refusal = Some(refusal);
    }

    fn fail(&mut self, stage: &Stage, reason: &'static str, message: &str, on_failure: OnFailure) {
        let canary = self.status.canary.clone().unwrap_or_default();
        let weight = self.status.stage.as_ref().map_or(Percent::ZERO, |stage| stage.weight_in_force);
        let had = if stage.gives_more_than_a_share() {
            format!("with {}", stage.gives())
        } else {
            format!("at {weight} of the traffic")
        };
        let failed = format!("version {canary} failed {had}: {message}");
        if reason == reason::CHECK_FAILED && self.try_degrade(stage, &failed) {
            return;
        }
        // What was tried to keep it comes too late, in whatever stage it goes on.
        self.status.give_up_degrade();
        let may_step_back = on_failure == OnFailure::StepBack && reason != reason::INCONCLUSIVE;
        if may_step_back && self.try_step_back(stage, &failed) {
            return;
        }
        self.status.record_failure(FailedRevision {
            revision: canary.revision,
            replica_set: canary.replica_set,
            at: self.now,
            message: message.to_owned(),
        });
        match on_failure {
            OnFailure::Hold => self.hold(Refusal::new(reason, format!("{message}; held as onFailure says"))),
            OnFailure::Revert | OnFailure::StepBack => {
                self.turn_back(condition::reason::REVERTED, format!("{failed}; all of it goes back to stable"));
            }
        }
    }

    fn advance(&mut self, stage: &Stage, reason: &'static str, left: &str) {
        let stages = self.rollout.spec.stages();
        let stage = &self.left_for_good(stage);
        self.finish_drill();
        let place = stages.iter().position(|candidate| candidate.name == stage.name).unwrap_or(stages.len());
        match stages.get(place + 1) {
            Some(next) => {
                let from = self.status.stage.clone();
                self.enter(next, place + 1, from.as_ref());
                self.status.enter_phase(Phase::Progressing);
                self.record(reason, format!("{left}; next: {}", next.name));
            }
            None => self.promote(stage, left),
        }
    }

    /// The numbers that the decision went by.
    pub(super) fn evidence(&self) -> String {
        let passed = self.checks.iter().filter(|check| check.verdict == Verdict::Pass);
        let numbers: Vec<_> = passed.map(|check| format!("{}: {}", check.name, check.message)).collect();
        if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join("; ")) }
    }

    fn promote(&mut self, stage: &Stage, left: &str) {
        let version = self.status.canary.clone().unwrap_or_default();
        if self.status.rolls_back {
            self.record(reason::CAME_BACK, format!("version {version} is stable again"));
        } else {
            self.status.count_promoted(self.now);
            self.record(reason::PROMOTED, format!("{left}; version {version} is now stable"));
        }
        // Where somebody else wrote the route since, the old pods had traffic again; a control had it until now.
        let had_none = stage.weight >= Percent::FULL;
        self.remember_stable();
        self.plan_watch();
        self.status.inherit_drain(contention::undisturbed_since(self.rollout, &self.status).filter(|_| had_none));
        self.become_stable();
    }

    /// What was the canary is the stable version from now on.
    pub(super) fn become_stable(&mut self) {
        self.status.promote();
        self.status.enter_phase(Phase::Promoting);
        if self.is_routed() {
            self.status.lead_routes(RouteMode::Promoted);
        }
    }
}

/// How long a stage has to wait before somebody should know what they can do.
fn long_wait(stage: &Stage) -> Span {
    Span::from(stage.bake().duration().saturating_mul(LONG_WAIT)).max(LONG_WAIT_AT_LEAST)
}

fn counted(stages: usize) -> u32 {
    u32::try_from(stages).unwrap_or(u32::MAX)
}

fn reads_alike(one: Percent, other: Percent) -> bool {
    one.to_string() == other.to_string()
}
