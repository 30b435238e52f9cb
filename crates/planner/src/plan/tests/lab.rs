//! One operator, one cluster, and a clock that moves only when told to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::{CheckStatus, Phase, PresetStatus, Rollout, RolloutStatus, Span, Verdict, condition::kind};
use tidegate_judge::Divided;

use super::{
    cluster::{Cluster, Refused},
    invariants,
    journal::describe,
};
use crate::plan::{self, GateAnswer, Input, RefusedWrite, Reply, Traced, Write, desired};

/// How many rounds a cluster may need to come to rest: more is a loop.
const ROUNDS: usize = 60;

/// Why a reconcile ended early.
enum Interrupted {
    Crashed,
    Failed,
}

/// The operator at work on a toy cluster.
#[derive(Clone)]
pub struct Lab {
    pub cluster: Cluster,
    /// What each check answers; `Pass` when it is not in here.
    pub verdicts: BTreeMap<String, Verdict>,
    /// The reason of a check, where it matters.
    pub reasons: BTreeMap<String, &'static str>,
    /// What happened to the requests since the routes were written.
    pub outage: Option<String>,
    /// How requests were divided since the stage's weight came into force.
    pub divided: Option<Divided>,
    /// Where the bad requests of the checks come from that fail.
    pub traced: Vec<Traced>,
    /// What `preset: auto` stands for.
    pub presets: Vec<PresetStatus>,
    /// What the gates that the operator asks say.
    pub gate_reply: Option<Reply>,
    /// How long each check says that it will take.
    pub more_time: BTreeMap<String, Span>,
    /// The checks that are past what they warn of.
    pub warning: BTreeSet<String>,
    /// Up to when the checks have counted, if that is known.
    pub counted: Option<Timestamp>,
    /// When the operator asked to be woken.
    pub wake: Option<Timestamp>,
    /// Every write but those of the status, in words.
    pub log: Vec<String>,
    /// The reasons of all transitions, oldest first.
    pub steps: Vec<String>,
    /// How many writes were tried, those of the status included.
    pub writes: usize,
    /// The operator dies instead of this write.
    pub dies_at: Option<usize>,
    /// What the API server refused for good: the memory of the process.
    refused: Option<RefusedWrite>,
}

impl Lab {
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            verdicts: BTreeMap::new(),
            reasons: BTreeMap::new(),
            outage: None,
            divided: None,
            traced: Vec::new(),
            presets: Vec::new(),
            gate_reply: None,
            more_time: BTreeMap::new(),
            warning: BTreeSet::new(),
            counted: None,
            wake: None,
            log: Vec::new(),
            steps: Vec::new(),
            writes: 0,
            dies_at: None,
            refused: None,
        }
    }

    /// A Rollout with this spec beside ten pods of `v1`; nothing has been decided yet.
    pub fn before_adoption(spec: &Value) -> Self {
        let mut cluster = Cluster::serving(10);
        cluster.create_rollout(spec);
        Self::new(cluster)
    }

    /// The same, when its pods have been taken over.
    pub fn adopted(spec: &Value) -> Self {
        let mut lab = Self::before_adoption(spec);
        lab.settle();
        assert_eq!(lab.phase(), Phase::Stable, "{}", lab.status().message);
        lab.log.clear();
        lab.steps.clear();
        lab
    }

    /// The same, with `v2` on its way in this stage, its weight in force.
    pub fn in_stage(spec: &Value, stage: &str) -> Self {
        let mut lab = Self::adopted(spec);
        lab.cluster.push("v2");
        lab.until(|lab| lab.status().stage.is_some_and(|status| status.name == stage && status.since.is_some()));
        lab
    }

    pub fn status(&self) -> RolloutStatus {
        self.cluster.status()
    }

    pub fn phase(&self) -> Phase {
        self.status().phase
    }

    pub fn stage(&self) -> String {
        self.status().stage.map_or_else(String::new, |stage| stage.name)
    }

    /// The reason of a condition that holds.
    pub fn condition(&self, kind: &str) -> Option<String> {
        let conditions = self.status().conditions;
        let condition = conditions.into_iter().find(|condition| condition.type_ == kind);
        condition.filter(|condition| condition.status == "True").map(|condition| condition.reason)
    }

    /// What the condition `Warning` says, if there is one.
    pub fn warning(&self) -> Option<String> {
        let conditions = self.status().conditions;
        conditions.into_iter().find(|condition| condition.type_ == kind::WARNING).map(|condition| condition.message)
    }

    /// How many events of a reason there were.
    pub fn told(&self, reason: &str) -> usize {
        self.steps.iter().filter(|step| *step == reason).count()
    }

    /// One reconcile, in the order of the controller. Whether anything was written.
    pub fn decide(&mut self) -> bool {
        let before = self.writes;
        if self.cluster.rollout.is_none() {
            self.wake = None;
            return false;
        }
        let seen = self.cluster.clone();
        if let Err(Interrupted::Crashed) = self.reconcile(&seen) {
            self.dies_at = None;
            self.refused = None;
            return true;
        }
        self.writes > before
    }

    /// One reconcile of another operator, which sees the cluster as it was.
    pub fn decide_on(&mut self, seen: &Cluster) {
        let (wake, refused) = (self.wake, self.refused.take());
        let _ = self.reconcile(seen);
        (self.wake, self.refused) = (wake, refused);
    }

    fn reconcile(&mut self, seen: &Cluster) -> Result<(), Interrupted> {
        let Some(rollout) = &seen.rollout else { return Ok(()) };
        let observed = seen.observe(rollout, self.refused.clone());
        let now = self.cluster.now;
        let resumed = self.apply(rollout, desired(rollout, &observed, now));
        if let Err(Interrupted::Crashed) = resumed {
            return resumed;
        }
        self.nothing_is_written_twice(rollout);
        let checks = self.look(rollout);
        let (outage, divided) = (self.outage.as_deref(), self.divided);
        let next = plan::next(Input {
            rollout,
            observed: &observed,
            checks: &checks,
            presets: &self.presets,
            outage,
            divided,
            traced: &self.traced,
            gate_answer: self.gate_answer(rollout).as_ref(),
            now,
        });
        self.wake = next.wake;
        if rollout.status.as_ref() == Some(&next.status) {
            return resumed;
        }
        self.count()?;
        let Ok(committed) = self.cluster.commit(rollout, next.status) else { return Err(Interrupted::Failed) };
        let status = committed.status.clone().unwrap_or_default();
        self.hold(invariants::of_commit(rollout, seen, &observed, &status, &checks, now));
        self.hold(invariants::of_words(&status, &next.transitions));
        self.steps.extend(next.transitions.into_iter().map(|transition| transition.reason));
        self.apply(&committed, desired(&committed, &observed, now))?;
        resumed
    }

    fn apply(&mut self, rollout: &Rollout, effects: Vec<Write>) -> Result<(), Interrupted> {
        let mut refused = None;
        let mut failed = false;
        for Write { effect, fenced } in effects {
            let live = self.cluster.rollout.as_ref().and_then(|live| live.metadata.resource_version.clone());
            if fenced && live != rollout.metadata.resource_version {
                failed = true;
                continue;
            }
            self.count()?;
            let before = self.cluster.clone();
            match self.cluster.write(&effect) {
                // What is there already when it is created is no write.
                Ok(()) if self.cluster.age() == before.age() => {}
                Ok(()) => {
                    self.log.push(describe(&before, &self.cluster, &effect));
                    let committed = before.rollout.as_ref().unwrap_or(rollout);
                    self.hold(invariants::of_effect(committed, &before, &effect, &self.cluster));
                }
                Err(Refused::Conflict(_)) => failed = true,
                Err(Refused::Forbidden(sentence)) => {
                    failed = true;
                    let refusal = RefusedWrite { answer: sentence, copied: effect.copied() };
                    refused = Some(refused.map_or(refusal.clone(), |earlier: RefusedWrite| earlier.or(refusal)));
                }
            }
        }
        self.refused = refused;
        if failed { Err(Interrupted::Failed) } else { Ok(()) }
    }

    /// What is asked for once more, right after it was written, is nothing that was just written.
    fn nothing_is_written_twice(&mut self, rollout: &Rollout) {
        let Some(live) = self.cluster.rollout.clone() else { return };
        if live.metadata.resource_version != rollout.metadata.resource_version {
            return;
        }
        let mut again = self.cluster.clone();
        for _ in 0..4 {
            let effects = desired(&live, &again.observe(&live, self.refused.clone()), again.now);
            if effects.is_empty() {
                return;
            }
            let mut is_refused = false;
            let unchanged = effects.iter().all(|Write { effect, .. }| {
                let age = again.age();
                let written = again.write(effect);
                is_refused |= matches!(written, Err(Refused::Forbidden(_)));
                written.is_ok() && again.age() == age
            });
            if is_refused {
                // It is asked for until it is allowed.
                return;
            }
            self.hold(if unchanged { Err(format!("writes what is already so: {effects:?}")) } else { Ok(()) });
        }
        if self.refused.is_none() {
            self.hold(Err("the effects of one status never come to an end".to_owned()));
        }
    }

    /// Asks the checks, while the new version has traffic.
    fn look(&self, rollout: &Rollout) -> Vec<CheckStatus> {
        if plan::evidence_stages(rollout).is_none() {
            return Vec::new();
        }
        let watch = plan::watched(rollout).map(|watched| watched.stage);
        let Some(stage) = watch.or(plan::current_stage(rollout)) else { return Vec::new() };
        let checks = rollout.spec.checks_in(&stage);
        checks
            .map(|check| CheckStatus {
                name: check.name.clone(),
                verdict: self.verdicts.get(&check.name).copied().unwrap_or(Verdict::Pass),
                more_time: self.more_time.get(&check.name).copied(),
                reason: self.reasons.get(&check.name).copied().unwrap_or("Scripted").to_owned(),
                message: "as scripted".to_owned(),
                warning: self.warning.contains(&check.name),
                at: self.counted,
                ..CheckStatus::default()
            })
            .collect()
    }

    /// The answer of the gate that waits, where it is one that the operator asks.
    fn gate_answer(&self, rollout: &Rollout) -> Option<GateAnswer> {
        let (gate, status) = plan::open_gate(rollout)?;
        Some(GateAnswer {
            gate: gate.name.clone(),
            revision: status.revision.clone(),
            since: status.since,
            reply: self.gate_reply.clone()?,
            again: self.cluster.now + jiff::SignedDuration::from_secs(10),
        })
    }

    /// Whether the API server refused something for good.
    pub fn has_refused(&self) -> bool {
        self.refused.is_some()
    }

    fn count(&mut self) -> Result<(), Interrupted> {
        if self.dies_at == Some(self.writes) {
            return Err(Interrupted::Crashed);
        }
        self.writes += 1;
        Ok(())
    }

    /// Every invariant is held after every write.
    pub fn hold(&self, kept: Result<(), String>) {
        if let Err(broken) = kept {
            let log = self.log.join("\n  ");
            panic!("{broken}\nat {} in {:?}\nafter\n  {log}", self.cluster.now, self.phase());
        }
    }

    /// Everybody acts until nobody has anything to do, while the clock stands still.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let (wrote, moved) = (self.decide(), self.cluster.tick());
            if !wrote && !moved {
                self.is_at_rest();
                return;
            }
        }
        self.hold(Err(format!("no rest in {ROUNDS} rounds: {}", self.status().message)));
    }

    /// A second look changes nothing and writes nothing.
    pub fn is_at_rest(&self) {
        let mut again = self.clone();
        let wrote = again.decide();
        self.hold(if wrote { Err(format!("writes at rest: {:?}", again.log.last())) } else { Ok(()) });
        let late = self.wake.is_some_and(|wake| wake <= self.cluster.now);
        self.hold(if late { Err("asks to be woken in the past".to_owned()) } else { Ok(()) });
    }

    /// Lets so many seconds pass; the operator is woken whenever it asked for it.
    pub fn pass(&mut self, seconds: i64) {
        let end = self.cluster.now + jiff::SignedDuration::from_secs(seconds);
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.sleep_until(wake);
            self.settle();
        }
        if self.cluster.now < end {
            self.sleep_until(end);
            self.settle();
        }
    }

    pub fn sleep_until(&mut self, instant: Timestamp) {
        self.cluster.pass(instant.duration_since(self.cluster.now).as_secs());
    }

    /// Sleeps from one waking to the next until it is so.
    pub fn until(&mut self, so: impl Fn(&Self) -> bool) {
        self.settle();
        for _ in 0..ROUNDS {
            if so(self) {
                return;
            }
            let Some(wake) = self.wake else { break };
            self.sleep_until(wake);
            self.settle();
        }
        self.hold(Err(format!("it never comes: {}", self.status().message)));
    }

    /// Sleeps from one waking to the next until the operator asks for none.
    pub fn finish(&mut self) {
        self.until(|lab| lab.wake.is_none());
    }
}
