//! Where notices come in and are handed to those who send them. Nothing here waits for anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tidegate_api::Transition;
use tidegate_clock::Clock;
use tokio::{sync::Notify, time::Instant};

use super::{
    config::{Notifications, Receiver},
    notice::{Notice, Subject},
    open::Open,
    outcome::{Counted, Outcome},
    queue::{News, Next, Origin, Queue},
    record::{Kept, LARGEST, Record},
    sent::Sent,
    severity::Bearing,
};

/// Counts what became of notices, by receiver.
pub type Tally = Arc<dyn Fn(&str, Counted, usize) + Send + Sync>;

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// Where notices come in.
pub struct Desk {
    config: Arc<Notifications>,
    clock: Clock,
    tally: Tally,
    state: Mutex<State>,
    bells: Vec<Notify>,
}

#[derive(Debug)]
struct State {
    open: Open,
    queues: Vec<Queue>,
    news: Vec<(usize, News)>,
    is_changed: bool,
}

/// How a receiver does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What routes call it.
    pub receiver: String,
    /// How many notices wait for it.
    pub waiting: usize,
    /// Since when it fails, and why.
    pub failing: Option<(Timestamp, String)>,
}

impl Desk {
    /// One that goes on from `record`. A receiver that is not in it has been told all that was: there is no flood for whoever
    /// is new.
    #[must_use]
    pub fn new(config: Arc<Notifications>, record: Record, clock: Clock, tally: Tally) -> Self {
        let (now, instant) = (clock.now(), Instant::now());
        let queue = |receiver: &Receiver| {
            let sent = record.receivers.get(&receiver.name).cloned().unwrap_or_else(|| Sent::since(now));
            Queue::new(receiver.rate, sent, instant)
        };
        let mut queues: Vec<_> = config.receivers.iter().map(queue).collect();
        for Kept { notice, receivers } in record.waiting {
            let notice = Arc::new(notice);
            let for_it = |receiver: &Receiver| receivers.contains(&receiver.name);
            for (queue, _) in queues.iter_mut().zip(&config.receivers).filter(|(_, receiver)| for_it(receiver)) {
                if queue.is_new(&notice, Origin::Kept) {
                    queue.put(&notice);
                }
            }
        }
        let bells = config.receivers.iter().map(|_| Notify::new()).collect();
        // Whoever is new has to be known as soon as it is told nothing of what was.
        let is_changed = config.receivers.iter().any(|receiver| !record.receivers.contains_key(&receiver.name));
        let state = State { open: record.open, queues, news: Vec::new(), is_changed };
        Self { config, clock, tally, state: Mutex::new(state), bells }
    }

    /// Takes in a transition of `subject`. `namespace` are the labels of its namespace.
    pub fn take(&self, subject: &Subject, transition: &Transition, namespace: &Labels, origin: Origin) {
        let mut state = self.state();
        let State { open, queues, is_changed, .. } = &mut *state;
        let severity = Bearing::of(&transition.reason).severity();
        let mut notice = Notice::new(subject, transition, severity);
        let concerned = open.concern(&mut notice);
        let mut places: BTreeSet<usize> = self.config.told(&notice, namespace).into_iter().collect();
        let was_told = |(place, receiver): (usize, &Receiver)| concerned.contains(&receiver.name).then_some(place);
        places.extend(self.config.receivers.iter().enumerate().filter_map(was_told));
        let is_new = |place: &usize| queues.get(*place).is_some_and(|queue| queue.is_new(&notice, origin));
        let places: Vec<usize> = places.into_iter().filter(is_new).collect();
        if places.is_empty() {
            return;
        }
        let names: Vec<_> = places.iter().filter_map(|place| self.config.receivers.get(*place)).collect();
        if names.iter().any(|receiver| receiver.kind.takes_pictures()) {
            notice.course = subject.course_to(transition).cloned();
        }
        open.follow(&notice, &names.iter().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>());
        let notice = Arc::new(notice);
        for place in places {
            if let Some(queue) = queues.get_mut(place) {
                queue.put(&notice);
            }
            if let Some(bell) = self.bells.get(place) {
                bell.notify_one();
            }
        }
        *is_changed = true;
    }

    /// From when on something may not be settled: what is older need not be looked for.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        let state = self.state();
        state.queues.iter().map(|queue| queue.sent.until).min().unwrap_or(Timestamp::MAX)
    }

    /// What the receiver at `place` is to do next.
    #[must_use]
    pub fn next(&self, place: usize) -> Next {
        let mut state = self.state();
        let now = self.clock.now();
        let given_up = state.queues.get_mut(place).map(|queue| queue.give_up(now)).unwrap_or_default();
        state.is_changed |= !given_up.is_empty();
        self.count(place, Counted::GivenUp, given_up.len());
        let receiver = self.name(place);
        if let Some(notice) = given_up.first() {
            let count = given_up.len();
            tracing::error!(
                receiver,
                count,
                "notifications are given up after 24h, the first of them: {}",
                notice.title()
            );
        }
        state.queues.get_mut(place).map_or(Next::Rest, |queue| queue.next(Instant::now()))
    }

    /// Completes when there may be something new for the receiver at `place`.
    pub async fn rung(&self, place: usize) {
        match self.bells.get(place) {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
    }

    /// What became of a try to tell the receiver at `place`.
    pub fn tried(&self, place: usize, notice: &Notice, outcome: &Outcome) {
        let mut state = self.state();
        let (instant, now) = (Instant::now(), self.clock.now());
        let Some(queue) = state.queues.get_mut(place) else { return };
        let (counted, news) = queue.tried(notice, outcome, instant, now);
        let receiver = self.name(place);
        match (outcome, &news) {
            (Outcome::Refused(why), _) => {
                tracing::error!(
                    receiver,
                    id = notice.id,
                    "a notification is refused, and not sent again: {why}: {}",
                    notice.title()
                );
            }
            (_, Some(News::Fails(why))) => {
                tracing::warn!(receiver, "notifications cannot be sent: {why}; trying again");
            }
            (_, Some(News::Recovered)) => tracing::info!(receiver, "notifications are taken again"),
            _ => {}
        }
        // A try that fails like the one before it is worth no write.
        state.is_changed |= counted != Counted::Failed || news.is_some();
        state.news.extend(news.map(|news| (place, news)));
        self.count(place, counted, 1);
    }

    /// Whether some receiver has place again for what had none: the histories are to be looked through then, each transition
    /// [taken](Self::take), and [`Self::looked`] called.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        self.state().queues.iter().any(Queue::is_looking)
    }

    /// All histories were looked through.
    pub fn looked(&self) {
        let mut state = self.state();
        for (place, queue) in state.queues.iter_mut().enumerate().filter(|(_, queue)| queue.is_looking()) {
            let lost = queue.looked();
            if lost > 0 {
                let receiver = self.name(place);
                tracing::error!(
                    receiver,
                    lost,
                    "notifications are lost: too many waited, and the Rollouts have forgotten them by now"
                );
            }
            self.count(place, Counted::Lost, lost);
        }
        state.is_changed = true;
    }

    /// What has changed about receivers since the last call.
    #[must_use]
    pub fn news(&self) -> Vec<(String, News)> {
        let news = std::mem::take(&mut self.state().news);
        news.into_iter().map(|(place, news)| (self.name(place).to_owned(), news)).collect()
    }

    /// How all receivers do.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let state = self.state();
        let standing = |(queue, receiver): (&Queue, &Receiver)| Standing {
            receiver: receiver.name.clone(),
            waiting: queue.len(),
            failing: queue.failing().map(|failing| (failing.since, failing.why.clone())),
        };
        state.queues.iter().zip(&self.config.receivers).map(standing).collect()
    }

    /// What is to be kept, if anything has changed since the last call.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        let mut state = self.state();
        std::mem::take(&mut state.is_changed).then(|| self.kept(&mut state))
    }

    /// The last record could not be written: the next one is to be.
    pub fn not_kept(&self) {
        self.state().is_changed = true;
    }

    fn kept(&self, state: &mut State) -> Record {
        let now = self.clock.now();
        state.open.forget(now);
        let names = || self.config.receivers.iter().map(|receiver| receiver.name.clone());
        let mut all: BTreeMap<(Timestamp, String), Kept> = BTreeMap::new();
        for (queue, name) in state.queues.iter().zip(names()) {
            for notice in queue.waiting() {
                let kept = || Kept { notice: (**notice).clone(), receivers: Vec::new() };
                all.entry((notice.at, notice.id.clone())).or_insert_with(kept).receivers.push(name.clone());
            }
        }
        // What does not fit is found in the histories: the receiver has been told nothing after it, as far as the record says.
        let receivers = names().zip(state.queues.iter().map(|queue| queue.sent.clone())).collect();
        let mut record = Record { receivers, open: state.open.clone(), waiting: Vec::new() };
        let mut left = LARGEST.saturating_sub(record.text().len());
        let mut unkept: BTreeMap<String, Timestamp> = BTreeMap::new();
        for kept in all.into_values() {
            let size = serde_json::to_string(&kept).map_or(usize::MAX, |text| text.len() + 1);
            if size > left {
                left = 0;
                for name in kept.receivers {
                    unkept.entry(name).or_insert(kept.notice.at);
                }
            } else {
                left -= size;
                record.waiting.push(kept);
            }
        }
        for (queue, name) in state.queues.iter_mut().zip(names()) {
            let oldest = unkept.get(&name).copied().into_iter().chain(queue.oldest_beyond()).min();
            queue.sent.advance(now, oldest);
            record.receivers.insert(name, queue.sent.clone());
        }
        record
    }

    /// Who is told what.
    #[must_use]
    pub fn config(&self) -> &Arc<Notifications> {
        &self.config
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn name(&self, place: usize) -> &str {
        self.config.receivers.get(place).map_or("", |receiver| receiver.name.as_str())
    }

    fn count(&self, place: usize, counted: Counted, count: usize) {
        if count > 0 {
            (self.tally)(self.name(place), counted, count);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
