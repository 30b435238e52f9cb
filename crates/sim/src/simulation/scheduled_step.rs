//! What happens to the cluster, and how it ends.

use std::{sync::PoisonError, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::{Command, Rollout, RolloutStatus, metadata::annotation::APPROVE_ANNOTATION};
use tidegate_apiserver::Refusal;

use super::{ReleasedWorkload, Simulation, references};
use crate::{
    board::Manner,
    controllers::{Delay, GatewayMode},
    endpoint::Condition,
    report::Writes,
    scenario::{
        Action, Approve, Arm, Dependency, EditWeights, Event, GatewayFault, JobsEnd, Length, Pods, PrometheusFault,
        Release,
    },
};

/// Who does what people do.
pub(super) const USER: &str = "kubectl";

/// How long an operator is away that was killed, unless the scenario says otherwise.
const OPERATOR_AWAY: Length = Length::seconds(10);

/// Something that is done at its time.
#[derive(Debug, Clone)]
pub(super) enum ScheduledStep {
    /// The scenario starts.
    Begin,
    /// The curves get another point.
    Sample,
    /// Something happens.
    Happen(Action),
    /// It happens once more, and is not told again.
    Repeat(Action),
    /// It is over.
    End(Action),
}

impl Simulation<'_> {
    /// Plans an event, its repetitions, and its end.
    pub(super) fn plan_event(&mut self, event: &Event) {
        let at = self.scenario.instant(event.at);
        self.plan(at, ScheduledStep::Happen(event.action.clone()));
        let lasts = event.for_.or(matches!(event.action, Action::CrashOperator).then_some(OPERATOR_AWAY));
        let Some(lasts) = lasts else { return };
        let later = |offset: Duration| at.saturating_add(offset).unwrap_or(Timestamp::MAX);
        if let Some(every) = event.every {
            let mut offset = every.duration();
            while offset < lasts.duration() {
                self.plan(later(offset), ScheduledStep::Repeat(event.action.clone()));
                offset += every.duration();
            }
        }
        self.plan(later(lasts.duration()), ScheduledStep::End(event.action.clone()));
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Timestamp, step: ScheduledStep) {
        match step {
            ScheduledStep::Begin => {
                *self.writes.lock().unwrap_or_else(PoisonError::into_inner) = Writes::default();
                self.with_loads(|recorder, loads| recorder.begin(loads.values().copied()));
            }
            ScheduledStep::Sample => {
                self.with_loads(|recorder, loads| {
                    for (rollout, load) in loads {
                        recorder.sample(now, rollout, load);
                    }
                });
                let next = now.saturating_add(self.step.duration()).unwrap_or(Timestamp::MAX);
                self.plan(next, ScheduledStep::Sample);
            }
            ScheduledStep::Happen(action) => {
                let (word, message) = told(&action);
                let outcome = self.happen(&action);
                let message = match outcome {
                    Ok(()) => message,
                    Err(refusal) => format!("{message}, but is refused: {refusal}"),
                };
                let rollout = self.subject(named(&action)).map(|subject| subject.rollout.clone()).unwrap_or_default();
                self.recorder.event(now, &rollout, word, message);
            }
            // What was refused once was told; that it is refused again says nothing new.
            ScheduledStep::Repeat(action) => drop(self.happen(&action)),
            ScheduledStep::End(action) => {
                if let Some(message) = self.end(&action) {
                    let (word, _) = told(&action);
                    self.recorder.event(now, "", word, message.to_owned());
                }
            }
        }
    }

    fn subject(&self, rollout: Option<&str>) -> Option<&ReleasedWorkload> {
        self.subjects.iter().find(|subject| rollout.is_none_or(|rollout| rollout == subject.rollout))
    }

    fn happen(&mut self, action: &Action) -> Result<(), Refusal> {
        let Some(subject) = self.subject(named(action)).cloned() else { return Ok(()) };
        match action {
            Action::Release(release) => self.release(&subject, release),
            Action::Pause(_) => self.patch_rollout(&subject, &json!({"spec": {"paused": true}})),
            Action::Resume(_) => self.patch_rollout(&subject, &json!({"spec": {"paused": false}})),
            Action::Scale(scale) => self.patch_rollout(&subject, &json!({"spec": {"replicas": scale.replicas}})),
            Action::Delete(delete) => {
                let plural = format!("{}s", references::kind(delete.kind).to_lowercase());
                self.cluster.api.delete(&plural, &subject.namespace, &delete.name, USER)
            }
            Action::EditWeights(edit) => self.edit_weights(&subject, edit),
            Action::CrashPods(pods) => {
                for pod in self.pods(&subject, pods) {
                    self.cluster.controllers.crash(&subject.namespace, &pod);
                }
                Ok(())
            }
            Action::EvictPods(pods) => {
                let pods = self.pods(&subject, pods);
                pods.iter().try_for_each(|pod| self.cluster.controllers.evict(&subject.namespace, pod))
            }
            Action::Quota(quota) => self.cluster.controllers.set_quota(&subject.namespace, Some(quota.pods.into())),
            Action::Dependency(dependency) => {
                self.depend(Some(*dependency));
                Ok(())
            }
            Action::Prometheus(fault) => {
                self.break_prometheus(*fault);
                Ok(())
            }
            Action::Gateway(fault) => {
                let mode = match fault {
                    GatewayFault::Slow => GatewayMode::Slow(Delay::Fixed(Duration::from_mins(1))),
                    GatewayFault::Silent => GatewayMode::Silent,
                    GatewayFault::Refusing => GatewayMode::RejectingSplits,
                    GatewayFault::Breaking => GatewayMode::Breaking,
                    GatewayFault::Share(share) => GatewayMode::Misdividing(share.fraction()),
                };
                self.cluster.controllers.set_gateway(mode);
                Ok(())
            }
            Action::CrashOperator => {
                self.operator = None;
                Ok(())
            }
            Action::ConfigMap(change) => self.configure(&subject, change),
            Action::Approve(approve) => self.approve(&subject, approve),
            Action::Webhooks(manner) => {
                self.cluster.board.set_manner(*manner);
                Ok(())
            }
            Action::Jobs(end) => {
                self.cluster.controllers.set_behaviour_of_jobs(end.pods());
                Ok(())
            }
            Action::Ask(command, _) => self.ask(&subject, *command, false),
            Action::Promote(promote) => self.ask(&subject, Command::Promote, promote.full),
        }
    }

    /// Ends what lasted, and says so; nothing for what has no end.
    fn end(&mut self, action: &Action) -> Option<&'static str> {
        let subject = self.subject(named(action)).cloned()?;
        match action {
            Action::Pause(_) => {
                self.patch_rollout(&subject, &json!({"spec": {"paused": false}})).ok()?;
                Some("the Rollout is resumed")
            }
            Action::Quota(_) => {
                self.cluster.controllers.set_quota(&subject.namespace, None).ok()?;
                Some("the quota is lifted")
            }
            Action::Dependency(_) => {
                self.depend(None);
                Some("all that the versions depend on is well again")
            }
            Action::Prometheus(_) => {
                self.cluster.prometheus.set(Condition::Well);
                Some("Prometheus is well again")
            }
            Action::Gateway(_) => {
                self.cluster.controllers.set_gateway(GatewayMode::Accepting);
                Some("the gateway is well again")
            }
            Action::Webhooks(_) => {
                self.cluster.board.set_manner(Manner::Go);
                Some("webhooks say go again")
            }
            Action::Jobs(_) => {
                self.cluster.controllers.set_behaviour_of_jobs(JobsEnd::Succeed.pods());
                Some("Jobs succeed again")
            }
            Action::CrashOperator => {
                self.operator = Some(self.start_operator());
                Some("the operator starts anew")
            }
            _ => None,
        }
    }

    fn patch_rollout(&self, subject: &ReleasedWorkload, patch: &Value) -> Result<(), Refusal> {
        self.cluster.api.merge("rollouts", &subject.namespace, &subject.rollout, "", patch.clone(), USER).map(drop)
    }

    fn release(&self, subject: &ReleasedWorkload, release: &Release) -> Result<(), Refusal> {
        self.behave(subject, &release.image, release.version.as_deref());
        let ReleasedWorkload { namespace, workload, .. } = subject;
        let Some(deployment) = self.cluster.api.get("deployments", namespace, workload) else { return Ok(()) };
        let mut containers = deployment.value().pointer("/spec/template/spec/containers").cloned().unwrap_or_default();
        if let Some(container) = containers.get_mut(0) {
            container["image"] = release.image.clone().into();
        }
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.cluster.api.merge("deployments", namespace, workload, "", patch, USER).map(drop)
    }

    fn status(&self, subject: &ReleasedWorkload) -> RolloutStatus {
        let rollout = self.cluster.api.get("rollouts", &subject.namespace, &subject.rollout);
        rollout.and_then(|rollout| rollout.parse::<Rollout>()).and_then(|rollout| rollout.status).unwrap_or_default()
    }

    /// Somebody approves, as `tidegate approve` writes it.
    fn approve(&self, subject: &ReleasedWorkload, approve: &Approve) -> Result<(), Refusal> {
        let status = self.status(subject);
        let waiting = status.gates.iter().find(|gate| gate.state.is_open()).map(|gate| gate.revision.clone());
        let version = status.canary.map(|canary| canary.revision).or(waiting).unwrap_or_else(|| "none".to_owned());
        let of = if approve.groups.is_empty() { String::new() } else { format!(" of {}", approve.groups.join(",")) };
        let entry = format!("{version}/{} by {}{of}", approve.gate, approve.by);
        let rollout = self.cluster.api.get("rollouts", &subject.namespace, &subject.rollout);
        let key = "/metadata/annotations/tidegate.dev~1approve";
        let known = rollout.and_then(|rollout| Some(rollout.value().pointer(key)?.as_str()?.to_owned()));
        let entries = known.map_or_else(|| entry.clone(), |known| format!("{known}; {entry}"));
        self.patch_rollout(subject, &json!({"metadata": {"annotations": {APPROVE_ANNOTATION: entries}}}))
    }

    /// Somebody gives a command, as the verbs of `tidegate` write it.
    fn ask(&self, subject: &ReleasedWorkload, command: Command, full: bool) -> Result<(), Refusal> {
        let status = self.status(subject);
        let failed = status.failed.first().map(|failed| failed.revision.clone());
        let canary = status.canary.map(|canary| canary.revision).or(failed);
        let restarted = matches!(command, Command::Restart | Command::Abort).then_some(status.stable).flatten();
        let meant = match command {
            Command::Restart => restarted.map(|stable| stable.revision),
            Command::Abort => canary.or(restarted.map(|stable| stable.revision)),
            Command::Promote | Command::Retry => canary,
        };
        let version = meant.unwrap_or_else(|| "none".to_owned());
        let stage = if full { Some("/*".to_owned()) } else { status.stage.map(|stage| format!("/{}", stage.name)) };
        let stage = stage.filter(|_| command == Command::Promote);
        let text = format!("{version}{} at {}", stage.unwrap_or_default(), self.cluster.clock.now());
        self.patch_rollout(subject, &json!({"metadata": {"annotations": {command.annotation(): text}}}))
    }

    /// Writes the weights where the route is split.
    fn edit_weights(&self, subject: &ReleasedWorkload, edit: &EditWeights) -> Result<(), Refusal> {
        let Some(route) = self.cluster.api.get("httproutes", &subject.namespace, &edit.route) else { return Ok(()) };
        let mut object = route.value().clone();
        let rules = object.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
        let backends = rules.into_iter().flatten().filter_map(|rule| rule.get_mut("backendRefs")?.as_array_mut());
        for backend in backends.flatten() {
            let name = backend.get("name").and_then(Value::as_str).unwrap_or_default();
            let weight = match name {
                name if *name == format!("{}-canary", subject.service) => edit.canary,
                name if *name == format!("{}-stable", subject.service) => 100_u8.saturating_sub(edit.canary),
                _ => continue,
            };
            backend["weight"] = weight.into();
        }
        self.cluster.api.update(object, &edit.by).map(drop)
    }

    /// The pods that are meant, by name.
    fn pods(&self, subject: &ReleasedWorkload, pods: &Pods) -> Vec<String> {
        let status = self.status(subject);
        let revision = match pods.of {
            Arm::Canary => status.canary,
            Arm::Stable => status.stable,
        };
        let Some(revision) = revision else { return Vec::new() };
        let all = self.cluster.controllers.pods(&subject.namespace).into_iter();
        let all: Vec<_> = all.filter(|pod| pod.revision == revision.revision && pod.alive_since.is_some()).collect();
        let count = (all.len() as f64 * pods.share.fraction()).ceil();
        let counted = all.into_iter().enumerate().take_while(|(index, _)| (*index as f64) < count);
        counted.map(|(_, pod)| pod.name).collect()
    }

    fn depend(&self, dependency: Option<Dependency>) {
        let now = self.cluster.clock.now();
        self.cluster.applications.with(|all| all.iter_mut().for_each(|it| it.load.depend(now, dependency)));
    }

    fn break_prometheus(&self, fault: PrometheusFault) {
        match fault {
            PrometheusFault::Down => self.cluster.prometheus.set(Condition::Down),
            PrometheusFault::Slow => self.cluster.prometheus.set(Condition::Slow(Duration::from_secs(30))),
            PrometheusFault::NotScraping => self.cluster.prometheus.set(Condition::NotScraping),
            PrometheusFault::LostData => self.cluster.prometheus.lose_data(),
            PrometheusFault::Missing(share) => self.cluster.prometheus.set(Condition::Missing(share.fraction())),
            PrometheusFault::Ahead(by) => self.cluster.prometheus.set(Condition::Ahead(milliseconds(by))),
            PrometheusFault::Behind(by) => self.cluster.prometheus.set(Condition::Ahead(-milliseconds(by))),
        }
    }
}

fn milliseconds(length: Length) -> i64 {
    i64::try_from(length.duration().as_millis()).unwrap_or(i64::MAX)
}

/// The Rollout that an action names.
fn named(action: &Action) -> Option<&str> {
    match action {
        Action::Release(release) => release.rollout.as_deref(),
        Action::Pause(target) | Action::Resume(target) | Action::Ask(_, target) => target.rollout.as_deref(),
        Action::Scale(scale) => scale.rollout.as_deref(),
        Action::Promote(promote) => promote.rollout.as_deref(),
        Action::ConfigMap(change) => change.rollout.as_deref(),
        Action::Approve(approve) => approve.rollout.as_deref(),
        _ => None,
    }
}

/// What happens, in one word and in one sentence.
fn told(action: &Action) -> (&'static str, String) {
    let of = |pods: &Pods| format!("{} of the {:?} version's pods", pods.share, pods.of).to_lowercase();
    match action {
        Action::Release(release) => ("Release", format!("the Deployment asks for {}", release.image)),
        Action::Pause(_) => ("Pause", "somebody pauses the Rollout".to_owned()),
        Action::Resume(_) => ("Resume", "somebody resumes the Rollout".to_owned()),
        Action::Scale(scale) => ("Scale", format!("somebody scales to {} pods", scale.replicas)),
        Action::Delete(delete) => {
            ("Delete", format!("somebody deletes {} {}", references::kind(delete.kind), delete.name))
        }
        Action::EditWeights(edit) => {
            let message = format!("{} gives the new version {}% on HTTPRoute {}", edit.by, edit.canary, edit.route);
            ("EditWeights", message)
        }
        Action::CrashPods(pods) => ("CrashPods", format!("{} crash", of(pods))),
        Action::EvictPods(pods) => ("EvictPods", format!("{} are evicted", of(pods))),
        Action::Quota(quota) => ("Quota", format!("a quota allows {} pods", quota.pods)),
        Action::Dependency(Dependency { errors, slower_by }) => {
            let slower = if slower_by.0 > 1.0 {
                format!(", and they take {} times as long", slower_by.0)
            } else {
                String::new()
            };
            ("Dependency", format!("what all versions depend on fails {errors} of the requests{slower}"))
        }
        Action::Prometheus(fault) => {
            let what = match fault {
                PrometheusFault::Down => "is down".to_owned(),
                PrometheusFault::Slow => "answers slowly".to_owned(),
                PrometheusFault::NotScraping => "does not scrape any more".to_owned(),
                PrometheusFault::LostData => "starts anew with an empty disk".to_owned(),
                PrometheusFault::Missing(share) => format!("misses {share} of its scrapes"),
                PrometheusFault::Ahead(by) => format!("has a clock that is {by} ahead"),
                PrometheusFault::Behind(by) => format!("has a clock that is {by} behind"),
            };
            ("Prometheus", format!("Prometheus {what}"))
        }
        Action::Gateway(fault) => {
            let what = match fault {
                GatewayFault::Slow => "takes a minute for each change",
                GatewayFault::Silent => "falls silent",
                GatewayFault::Refusing => "refuses routes that a rollout has split",
                GatewayFault::Breaking => "accepts routes that a rollout has split, and answers them with errors",
                GatewayFault::Share(share) => &format!("gives the new version {share}, whatever its weight is"),
            };
            ("Gateway", format!("the gateway {what}"))
        }
        Action::CrashOperator => ("CrashOperator", "the operator is killed".to_owned()),
        Action::ConfigMap(change) => ("ConfigMap", format!("somebody applies ConfigMap {}", change.name)),
        Action::Approve(approve) => ("Approve", format!("{} approves at gate {}", approve.by, approve.gate)),
        Action::Webhooks(manner) => {
            let what = match manner {
                Manner::Go => "say go",
                Manner::Wait => "say to wait",
                Manner::Stop => "say stop",
                Manner::Hang => "do not answer",
                Manner::Fail => "answer with HTTP 503",
            };
            ("Webhooks", format!("webhooks {what}"))
        }
        Action::Jobs(end) => {
            let what = match end {
                JobsEnd::Succeed => "succeed",
                JobsEnd::Fail => "fail",
                JobsEnd::Hang => "never end",
            };
            ("Jobs", format!("Jobs {what}"))
        }
        Action::Ask(command, _) => ("Command", format!("somebody asks for {}", command.name())),
        Action::Promote(promote) => {
            let all = if promote.full { " of all stages" } else { "" };
            ("Command", format!("somebody asks for promote{all}"))
        }
    }
}
