//! Tells people and their tools what Rollouts do, beside the loop: nothing here is waited for by a decision.
//!
//! The loop hands over what it committed and goes on. What it hands over is lost with the process; so whoever begins to lead
//! looks through the histories of all Rollouts for what is not in the record of what was sent, which is a ConfigMap.

mod histories;
mod namespaces;
mod record;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::Client;
use tidegate_api::{Rollout, Transition, condition::reason};
use tidegate_clock::Clock;
use tidegate_notify::{Counted, Delivery, Desk, News, Notifications, Origin, Standing, Subject, Tally, Way};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use self::{namespaces::Namespaces, record::Archive};
use super::{caches::Caches, events::Events, leader::Leadership};
use crate::serve::Metrics;

/// So many Rollouts' transitions wait to be looked at; of more, they are found in the histories.
const HANDED_OVER: usize = 4096;
/// How often it is looked what there is to write and to tell.
const TICK: Duration = Duration::from_secs(1);
/// The record is written at most this often.
const WRITE: Duration = Duration::from_secs(10);
/// The histories are looked through at most this often.
const LOOK: Duration = Duration::from_mins(1);
/// How long the last record may take when the process ends.
const CLOSING: Duration = Duration::from_secs(2);

/// Who is told what, and where it is kept what they were told.
#[derive(Clone)]
pub struct NotificationSettings {
    /// Who is told what.
    pub config: Arc<Notifications>,
    /// How they are reached, in the order of the receivers.
    pub ways: Arc<Vec<Way>>,
    /// The namespace of the record.
    pub namespace: String,
    /// The name of the record.
    pub record: String,
}

/// What one commit of one Rollout has to tell.
struct Told {
    subject: Subject,
    transitions: Vec<Transition>,
}

/// Where the loop hands over what it committed. Without receivers, it does nothing.
#[derive(Clone, Default)]
pub struct HandOver {
    told: Option<mpsc::Sender<Told>>,
    is_full: Arc<AtomicBool>,
}

impl HandOver {
    /// Hands over `transitions` of `rollout`, and never waits. What finds no place is found in the history.
    pub fn hand_over(&self, rollout: &Rollout, transitions: &[Transition]) {
        let Some(told) = self.told.as_ref().filter(|_| !transitions.is_empty()) else { return };
        let (subject, transitions) = (Subject::of(rollout), transitions.to_vec());
        if told.try_send(Told { subject, transitions }).is_err() {
            self.is_full.store(true, Ordering::Relaxed);
        }
    }
}

/// Tells for as long as it is there.
pub struct Office {
    hand_over: HandOver,
    close: oneshot::Sender<()>,
    work: JoinSet<()>,
}

impl Office {
    /// Tells while this process leads, from when the caches are filled, which is said beside them: a reflector's first list can be
    /// waited for by one alone, and that is the controller.
    #[must_use]
    pub fn open(
        settings: NotificationSettings,
        client: &Client,
        clock: Clock,
        (caches, filled): (Arc<Caches>, watch::Receiver<bool>),
        leadership: Leadership,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (told, handed_over) = mpsc::channel(HANDED_OVER);
        let hand_over = HandOver { told: Some(told), is_full: Arc::default() };
        let (close, closed) = oneshot::channel();
        let clerk = Clerk {
            namespaces: Namespaces::new(client, settings.config.asks_for_namespaces()),
            events: Events::new(client, clock),
            client: client.clone(),
            settings,
            clock,
            caches,
            filled,
            leadership,
            metrics,
            handed_over,
            is_full: hand_over.is_full.clone(),
            held: Vec::new(),
        };
        let mut work = JoinSet::new();
        work.spawn(clerk.work(closed));
        Self { hand_over, close, work }
    }

    /// Where the loop hands over.
    #[must_use]
    pub fn hand_over(&self) -> HandOver {
        self.hand_over.clone()
    }

    /// Writes the last record, and ends.
    pub async fn close(mut self) {
        drop(self.close);
        if timeout(CLOSING, self.work.join_next()).await.is_err() {
            tracing::warn!("the record of notifications was not written in time: some may be sent twice");
        }
    }
}

/// Whoever does the work.
struct Clerk {
    settings: NotificationSettings,
    client: Client,
    clock: Clock,
    caches: Arc<Caches>,
    filled: watch::Receiver<bool>,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    events: Events,
    namespaces: Namespaces,
    handed_over: mpsc::Receiver<Told>,
    is_full: Arc<AtomicBool>,
    /// What waits for the labels of its namespace.
    held: Vec<(Told, Origin)>,
}

/// One term of leadership.
struct Term {
    desk: Arc<Desk>,
    archive: Archive,
    /// When the record was last tried to be written.
    written: Option<Instant>,
    /// When the histories were last looked through.
    looked: Option<Instant>,
    is_missing: bool,
    _delivery: Delivery,
}

impl Clerk {
    async fn work(mut self, mut closed: oneshot::Receiver<()>) {
        loop {
            let begun = async {
                // The sender is gone with the controller, and with it this.
                let _ = self.filled.wait_for(|filled| *filled).await;
                while !self.leadership.is_leader() {
                    self.leadership.changed().await;
                }
                Archive::open(&self.client, &self.settings.namespace, &self.settings.record).await
            };
            let archive = tokio::select! {
                biased;
                _ = &mut closed => return,
                archive = begun => archive,
            };
            if self.lead(archive, &mut closed).await {
                return;
            }
            self.metrics.notifications_pending([]);
        }
    }

    /// Tells until leadership is lost, or, which is the answer, the process ends.
    async fn lead(&mut self, mut archive: Archive, closed: &mut oneshot::Receiver<()>) -> bool {
        let metrics = self.metrics.clone();
        let tally: Tally =
            Arc::new(move |receiver, counted: Counted, count| metrics.notified(receiver, counted.word(), count));
        let desk = Arc::new(Desk::new(self.settings.config.clone(), archive.record(), self.clock, tally));
        let delivery = Delivery::start(&desk, &self.settings.ways);
        let mut term = Term { desk, archive, written: None, looked: None, is_missing: true, _delivery: delivery };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = &mut *closed => {
                    self.keep(&mut term).await;
                    return true;
                }
                () = self.leadership.changed() => if !self.leadership.is_leader() { return false },
                Some(told) = self.handed_over.recv() => self.take(&term.desk, told, Origin::Decision).await,
                _ = ticks.tick() => self.look_around(&mut term).await,
            }
            if !self.leadership.is_leader() {
                return false;
            }
        }
    }

    /// Takes in what was told; what needs the labels of a namespace that cannot be read waits for them.
    async fn take(&mut self, desk: &Desk, told: Told, origin: Origin) {
        let namespace = &told.subject.namespace;
        let is_behind = self.held.iter().any(|(held, _)| held.subject.namespace == *namespace);
        let labels = if is_behind { None } else { self.namespaces.labels(namespace).await };
        let Some(labels) = labels else {
            if self.held.len() < HANDED_OVER {
                self.held.push((told, origin));
            } else {
                self.is_full.store(true, Ordering::Relaxed);
            }
            return;
        };
        for transition in &told.transitions {
            desk.take(&told.subject, transition, &labels, origin);
        }
    }

    /// What is due by time: what waited, what was missed, the record, and what there is to tell of receivers.
    async fn look_around(&mut self, term: &mut Term) {
        if self.namespaces.may_ask_again() {
            for (told, origin) in std::mem::take(&mut self.held) {
                self.take(&term.desk, told, origin).await;
            }
        }
        term.is_missing |= self.is_full.swap(false, Ordering::Relaxed);
        let may_look = term.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if may_look && (term.is_missing || term.desk.is_looking()) {
            (term.is_missing, term.looked) = (false, Some(Instant::now()));
            let is_looking = term.desk.is_looking();
            for told in histories::after(&self.caches, term.desk.since()).await {
                self.take(&term.desk, told, Origin::History).await;
            }
            if is_looking && self.held.is_empty() {
                term.desk.looked();
            }
        }
        let standings = term.desk.standings();
        self.metrics.notifications_pending(standings.iter().map(|one| (one.receiver.clone(), one.waiting)));
        self.tell_news(term).await;
        if term.written.is_none_or(|written| written.elapsed() >= WRITE) {
            self.keep(term).await;
        }
    }

    /// Writes the record, if there is anything new in it.
    async fn keep(&self, term: &mut Term) {
        let Some(record) = term.desk.record() else { return };
        term.written = Some(Instant::now());
        if !self.leadership.is_leader() || !term.archive.write(&record, &term.desk.standings()).await {
            term.desk.not_kept();
        }
    }

    /// A receiver is the platform team's, like the operator: the event stands there, and not at a Rollout, whose team could do
    /// nothing about it.
    async fn tell_news(&self, term: &Term) {
        for (receiver, news) in term.desk.news() {
            let (reason, note) = match news {
                News::Fails(why) => (reason::RECEIVER_FAILS, format!("receiver {receiver}: {why}; trying again")),
                News::Refuses(why) => (reason::NOTIFICATION_REFUSED, format!("receiver {receiver}: {why}")),
                News::Recovered => {
                    (reason::RECEIVER_RECOVERED, format!("receiver {receiver} takes notifications again"))
                }
            };
            self.events.tell(term.archive.reference(), reason, &note).await;
        }
    }
}

/// How receivers do, for people who read the record.
fn told(standings: &[Standing]) -> String {
    let line = |one: &Standing| {
        let failing = one.failing.as_ref().map(|(since, why)| format!(", fails since {since:.0}: {why}"));
        format!("{}: {} waiting{}\n", one.receiver, one.waiting, failing.unwrap_or_default())
    };
    standings.iter().map(line).collect()
}
