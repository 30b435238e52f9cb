//! Asks the gates whose answer lies outside of the cluster. Beside the reconciles: whoever answers late, or never, keeps no
//! traffic from going back.

mod job;
mod job_cleanup;
mod job_object;
mod question;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::ObjectRef;
use tidegate_analysis::{Analyzer, Wellness};
use tidegate_api::{Gate, GateStatus, QueryGate, Rollout};
use tidegate_clock::Clock;
use tidegate_planner::plan::{GateAnswer, Reply, open_gate};
use tidegate_webhook::{Answer, Question, Webhooks};
use tokio::{sync::mpsc, task::JoinSet};

use self::{
    job::JobQuestion,
    job_cleanup::{may_have_jobs, needed, tidy},
    question::question,
};
use super::{Context, cached_rollout::CachedRollout};

/// How often a number is looked at that is not well yet.
const QUERY_EVERY: Duration = Duration::from_secs(10);
/// After a fault it is asked again, later each time.
const AFTER_FAULT: Duration = Duration::from_secs(5);
const AFTER_FAULTS: Duration = Duration::from_mins(5);
/// While an answer is under way, nobody has to look: it wakes the Rollout.
const UNDER_WAY: Duration = Duration::from_hours(1);

/// Who is asked, and what they said.
pub struct Gates {
    asked: Arc<Mutex<HashMap<String, Asked>>>,
    /// By a Rollout's UID: the names of the Jobs that were to stay when it was last tidied; nothing where more may have come
    /// since. All of it can be lost.
    tidied: Arc<Mutex<HashMap<String, Option<BTreeSet<String>>>>>,
    /// They end with the controller.
    tasks: Mutex<JoinSet<()>>,
    answered: mpsc::UnboundedSender<ObjectRef<CachedRollout>>,
}

/// The gate of one Rollout.
struct Asked {
    id: Id,
    under_way: bool,
    faults: u32,
    answer: Option<GateAnswer>,
}

/// One question: what is asked anew after a retry is another one, and so is what somebody changes about the gate.
#[derive(Debug, Clone, PartialEq)]
struct Id {
    gate: Gate,
    revision: String,
    since: Timestamp,
}

/// What an answer came to.
enum Said {
    Reply(Reply, Duration),
    Fault(String),
}

impl Gates {
    /// Nobody has been asked; and the stream of Rollouts whose gate has answered.
    pub fn new() -> (Self, impl Stream<Item = ObjectRef<CachedRollout>> + Send + 'static) {
        let (answered, told) = mpsc::unbounded_channel();
        let told = stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        (Self { asked: Arc::default(), tidied: Arc::default(), tasks: Mutex::default(), answered }, told)
    }

    /// What the gate has said that waits for its answer, as far as that is known. Where it is time, it is asked (again).
    pub fn answer(&self, context: &Context, rollout: &Rollout) -> Option<GateAnswer> {
        let uid = rollout.metadata.uid.as_deref()?;
        let open = open_gate(rollout).filter(|_| rollout.metadata.deletion_timestamp.is_none());
        let Some((gate, status)) = open.filter(|(gate, _)| is_asked_here(gate)) else {
            lock(&self.asked).remove(uid);
            return None;
        };
        let id = Id { gate: gate.clone(), revision: status.revision.clone(), since: status.since };
        let now = context.clock.now();
        let mut asked = lock(&self.asked);
        if asked.get(uid).is_none_or(|known| known.id != id) {
            asked.insert(uid.to_owned(), Asked { id: id.clone(), under_way: false, faults: 0, answer: None });
        }
        let known = asked.get_mut(uid)?;
        // That a number was well some time ago says nothing: nobody may have been there to take the answer.
        let is_number = gate.query.is_some();
        known.answer.take_if(|answer| is_number && matches!(answer.reply, Reply::Go(_)) && answer.again <= now);
        let is_due = match &known.answer {
            None => true,
            Some(answer) => matches!(answer.reply, Reply::Wait(_)) && answer.again <= now,
        };
        if is_due && !known.under_way {
            known.under_way = true;
            let was_there = known.answer.is_some() && known.faults == 0;
            self.ask(context, rollout, Asking::of(context, rollout, gate, status, was_there), id);
        }
        let again = known.under_way.then(|| later(now, UNDER_WAY));
        known.answer.clone().map(|answer| GateAnswer { again: again.unwrap_or(answer.again), ..answer })
    }

    /// Deletes the Jobs of gates that are not needed any more, when that has changed.
    pub fn tidy_jobs(&self, context: &Context, rollout: &Rollout) {
        let Some(uid) = rollout.metadata.uid.as_deref() else { return };
        let mut tidied = lock(&self.tidied);
        if !may_have_jobs(rollout) && !tidied.contains_key(uid) {
            return;
        }
        let needed = needed(rollout);
        if tidied.get(uid).is_some_and(|known| known.as_ref() == Some(&needed)) {
            return;
        }
        tidied.insert(uid.to_owned(), Some(needed.clone()));
        drop(tidied);
        let (client, leadership, rollout) = (context.client.clone(), context.leadership.clone(), rollout.clone());
        let (tidied, uid) = (self.tidied.clone(), uid.to_owned());
        self.spawn(async move {
            let is_wanted = || lock(&tidied).get(&uid).is_some_and(|last| last.as_ref() == Some(&needed));
            tidy(client, leadership, &rollout, &needed, is_wanted).await;
        });
    }

    /// Forgets what was asked for the Rollout with that UID, which is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.asked).remove(uid);
        lock(&self.tidied).remove(uid);
    }

    fn ask(&self, context: &Context, rollout: &Rollout, asking: Option<Asking>, id: Id) {
        let Some((uid, asking)) = rollout.metadata.uid.clone().zip(asking) else { return };
        let (asked, tidied, answered) = (self.asked.clone(), self.tidied.clone(), self.answered.clone());
        let whose = ObjectRef::new(rollout.metadata.name.as_deref().unwrap_or_default())
            .within(rollout.metadata.namespace.as_deref().unwrap_or_default());
        let clock = context.clock;
        let task = async move {
            let said = asking.said().await;
            let is_late = match lock(&asked).get_mut(&uid).filter(|known| known.id == id) {
                Some(known) => {
                    known.take(said, clock.now());
                    false
                }
                None => true,
            };
            if is_late && id.gate.job.is_some() {
                // Its gate was closed while the Job was being made.
                lock(&tidied).insert(uid, None);
            }
            // Only when the controller has ended is nobody there to hear it.
            let _ = answered.send(whose);
        };
        self.spawn(task);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// Whether the operator asks it; what the planner knows by itself, it does not.
fn is_asked_here(gate: &Gate) -> bool {
    gate.query.is_some() || gate.webhook.is_some() || gate.job.is_some()
}

impl Asked {
    fn take(&mut self, said: Said, now: Timestamp) {
        self.under_way = false;
        let (reply, after) = match said {
            Said::Reply(reply, after) => {
                self.faults = 0;
                (reply, after)
            }
            Said::Fault(why) => {
                let after = AFTER_FAULT.saturating_mul(1 << self.faults.min(10)).min(AFTER_FAULTS);
                self.faults = self.faults.saturating_add(1);
                (Reply::Wait(why), after)
            }
        };
        let Id { gate, revision, since } = self.id.clone();
        self.answer = Some(GateAnswer { gate: gate.name, revision, since, reply, again: later(now, after) });
    }
}

/// A question with all that it takes to ask it.
enum Asking {
    Number { analyzer: Arc<Analyzer>, query: QueryGate, endpoint: Option<String>, clock: Clock },
    Service { webhooks: Arc<dyn Webhooks>, endpoint: String, path: String, question: Box<Question>, clock: Clock },
    Job(Box<JobQuestion>),
}

impl Asking {
    fn of(context: &Context, rollout: &Rollout, gate: &Gate, status: &GateStatus, was_there: bool) -> Option<Self> {
        let clock = context.clock;
        let question = Box::new(question(rollout, gate, status));
        if let Some(webhook) = &gate.webhook {
            let (endpoint, path) = (webhook.endpoint.clone(), webhook.path.clone().unwrap_or_default());
            return Some(Self::Service { webhooks: context.webhooks.clone(), endpoint, path, question, clock });
        }
        if let Some(job) = gate.job.clone() {
            let service = context.caches.services.get(&question.namespace, &rollout.spec.service);
            let selector = service.and_then(|service| service.spec.as_ref()?.selector.clone());
            return Some(Self::Job(Box::new(JobQuestion {
                client: context.client.clone(),
                leadership: context.leadership.clone(),
                clock,
                rollout: rollout.clone(),
                gate: job,
                question: *question,
                selector: selector.unwrap_or_default(),
                was_there,
            })));
        }
        let endpoint = rollout.spec.analysis.as_ref().and_then(|analysis| analysis.prometheus.clone());
        let query = gate.query.clone()?;
        Some(Self::Number { analyzer: context.analyzer.clone(), query, endpoint, clock })
    }

    async fn said(self) -> Said {
        match self {
            Self::Job(job) => job.said().await,
            Self::Number { analyzer, query, endpoint, clock } => {
                match analyzer.wellness(&query, endpoint.as_deref(), clock.now()).await {
                    Ok(Wellness::Well(said)) => Said::Reply(Reply::Go(said), QUERY_EVERY),
                    Ok(Wellness::Unwell(said)) => Said::Reply(Reply::Wait(said), QUERY_EVERY),
                    Err(fault) => Said::Fault(fault.to_string()),
                }
            }
            Self::Service { webhooks, endpoint, path, question, clock } => {
                match webhooks.ask(&endpoint, &path, &question, clock.now()).await {
                    Ok(Answer::Go(said)) => Said::Reply(Reply::Go(said), Duration::ZERO),
                    Ok(Answer::Stop(said)) => Said::Reply(Reply::Stop(said), Duration::ZERO),
                    Ok(Answer::Wait(said, after)) => Said::Reply(Reply::Wait(said), after),
                    Err(fault) => Said::Fault(format!("webhook {endpoint}: {fault}; it is asked again")),
                }
            }
        }
    }
}

/// The first gate that cannot be asked, since what it names is not configured here.
pub fn unusable(context: &Context, rollout: &Rollout) -> Option<String> {
    rollout.spec.all_gates().find_map(|gate| {
        let name = &gate.name;
        if let Some(webhook) = gate.webhook.as_ref().filter(|webhook| !context.webhooks.knows(&webhook.endpoint)) {
            return Some(format!(
                "gate {name}: no webhook called {} is configured on the operator; ask the platform team, or name another",
                webhook.endpoint
            ));
        }
        let query = gate.query.as_ref()?;
        let of_analysis = rollout.spec.analysis.as_ref().and_then(|analysis| analysis.prometheus.as_deref());
        let endpoint = query.prometheus.as_deref().or(of_analysis);
        (!context.analyzer.knows(endpoint)).then(|| {
            format!(
                "gate {name}: no Prometheus endpoint called {} is configured on the operator; ask the platform team, or name another",
                endpoint.unwrap_or("default")
            )
        })
    })
}

fn later(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
