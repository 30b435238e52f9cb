//! What one receiver still has to be told.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    backoff::pause,
    bucket::Bucket,
    notice::Notice,
    outcome::{Counted, Outcome},
    sent::Sent,
    severity::Severity,
};

/// So many notices wait in memory.
pub const MOST: usize = 1000;
/// So many more are remembered by their ids, to look for them in the histories of their Rollouts.
const MOST_BEYOND: usize = 20_000;
/// A notice is tried for so long.
pub const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);
/// A receiver fails when so many tries in a row did.
const FAILS: u32 = 3;

/// After so many tries, one may be the only one that the receiver does not take.
const STUBBORN: u32 = 5;

/// A notice that waits.
#[derive(Debug, Clone)]
struct Waiting {
    notice: Arc<Notice>,
    tries: u32,
    not_before: Option<Instant>,
}

impl Waiting {
    /// Whether what is about the same Rollout waits behind it. One that the receiver does not take, whatever it is, holds no
    /// other for long, unless they would change places within an incident.
    fn holds(&self) -> bool {
        self.tries < STUBBORN || !self.notice.incidents.is_empty()
    }
}

/// What the receiver is to do next.
#[derive(Debug, Clone)]
pub enum Next {
    /// Send this.
    Send(Arc<Notice>),
    /// Nothing before that instant.
    Wait(Instant),
    /// Nothing.
    Rest,
}

/// How a receiver does, where that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It fails, and why.
    Fails(String),
    /// It has refused something, and why.
    Refuses(String),
    /// It takes notices again.
    Recovered,
}

/// Since when a receiver fails, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why, as of the last try.
    pub why: String,
}

/// What one receiver still has to be told, and how it does.
#[derive(Debug)]
pub struct Queue {
    waiting: BTreeMap<(Timestamp, String), Waiting>,
    /// What found no place.
    beyond: BTreeSet<(Timestamp, String)>,
    /// What is settled.
    pub sent: Sent,
    bucket: Bucket,
    failures: u32,
    paused: Option<Instant>,
    failing: Option<Failing>,
    is_told: bool,
}

/// Where a notice comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was just decided.
    Decision,
    /// It was read in a status.
    History,
    /// It was kept from before.
    Kept,
}

impl Queue {
    /// An empty one of a receiver that takes `rate` notices in a minute, and has been told `sent`.
    #[must_use]
    pub fn new(rate: u32, sent: Sent, now: Instant) -> Self {
        Self {
            waiting: BTreeMap::new(),
            beyond: BTreeSet::new(),
            sent,
            bucket: Bucket::new(rate, now),
            failures: 0,
            paused: None,
            failing: None,
            is_told: false,
        }
    }

    /// Whether `notice` is still to be told, and not known yet.
    #[must_use]
    pub fn is_new(&self, notice: &Notice, origin: Origin) -> bool {
        let is_settled = match origin {
            Origin::Decision | Origin::Kept => self.sent.is_settled(&notice.id),
            Origin::History => self.sent.was_settled(&notice.id, notice.at),
        };
        !is_settled && !self.waiting.contains_key(&(notice.at, notice.id.clone()))
    }

    /// Puts `notice` into its place by time. Where there is none, only its id is kept.
    pub fn put(&mut self, notice: &Arc<Notice>) {
        let key = (notice.at, notice.id.clone());
        if self.waiting.len() >= MOST && !notice.incidents.is_empty() {
            self.make_place();
        }
        if self.waiting.len() < MOST {
            self.beyond.remove(&key);
            self.waiting.insert(key, Waiting { notice: notice.clone(), tries: 0, not_before: None });
        } else if self.beyond.len() < MOST_BEYOND {
            self.beyond.insert(key);
        }
    }

    /// The newest that has to do with no incident waits without a place.
    fn make_place(&mut self) {
        let mut newest_first = self.waiting.iter().rev();
        let least = newest_first.find(|(_, waiting)| waiting.notice.incidents.is_empty()).map(|(key, _)| key.clone());
        if let Some(key) = least.filter(|_| self.beyond.len() < MOST_BEYOND) {
            self.waiting.remove(&key);
            self.beyond.insert(key);
        }
    }

    /// What to do at `now`. What pages goes first; but what is about one Rollout goes in its order.
    pub fn next(&mut self, now: Instant) -> Next {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Next::Wait(until);
        }
        let (mut blocked, mut soonest, mut chosen) = (HashSet::new(), None::<Instant>, None::<&Waiting>);
        for waiting in self.waiting.values() {
            if blocked.contains(waiting.notice.uid.as_str()) {
                continue;
            }
            if waiting.holds() {
                blocked.insert(waiting.notice.uid.as_str());
            }
            if let Some(until) = waiting.not_before.filter(|until| *until > now) {
                soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
            } else if waiting.notice.severity == Severity::Page {
                chosen = Some(waiting);
                break;
            } else {
                chosen = chosen.or(Some(waiting));
            }
        }
        let Some(notice) = chosen.map(|waiting| waiting.notice.clone()) else {
            return soonest.map_or(Next::Rest, Next::Wait);
        };
        match self.bucket.take(now) {
            Ok(()) => Next::Send(notice),
            Err(wait) => Next::Wait(now + wait),
        }
    }

    /// What became of a try to send `notice`, and whether that is news about the receiver.
    pub fn tried(
        &mut self,
        notice: &Notice,
        outcome: &Outcome,
        now: Instant,
        at: Timestamp,
    ) -> (Counted, Option<News>) {
        match outcome {
            Outcome::Delivered => (Counted::Delivered, self.went_well(notice)),
            Outcome::Skipped => {
                self.settle(notice);
                (Counted::Skipped, None)
            }
            Outcome::Refused(why) => {
                self.settle(notice);
                // It answers: that it is there is as good as a delivery to what waits behind.
                (self.failures, self.paused) = (0, None);
                let is_first = self.failing.is_none();
                self.fails(why, at);
                (Counted::Refused, is_first.then(|| News::Refuses(why.clone())))
            }
            Outcome::Later { why, is_unwelcome, after } => {
                self.failures = self.failures.saturating_add(1);
                self.paused = Some(now + pause(self.failures, *is_unwelcome, *after));
                if let Some(waiting) = self.waiting.get_mut(&(notice.at, notice.id.clone())) {
                    waiting.tries = waiting.tries.saturating_add(1);
                    // Others may fare better: it is its turn again when it has waited for itself.
                    waiting.not_before = Some(now + pause(waiting.tries, *is_unwelcome, *after));
                }
                self.fails(why, at);
                let is_news = !self.is_told && (self.failures >= FAILS || *is_unwelcome);
                self.is_told |= is_news;
                (Counted::Failed, is_news.then(|| News::Fails(why.clone())))
            }
        }
    }

    fn went_well(&mut self, notice: &Notice) -> Option<News> {
        self.settle(notice);
        (self.failures, self.paused) = (0, None);
        let was_told = std::mem::take(&mut self.is_told);
        self.failing.take().filter(|_| was_told).map(|_| News::Recovered)
    }

    fn fails(&mut self, why: &str, at: Timestamp) {
        let since = self.failing.as_ref().map_or(at, |failing| failing.since);
        self.failing = Some(Failing { since, why: why.to_owned() });
    }

    fn settle(&mut self, notice: &Notice) {
        self.waiting.remove(&(notice.at, notice.id.clone()));
        self.sent.settle(&notice.id, notice.at);
    }

    /// Gives up what has been tried for too long at `now`.
    pub fn give_up(&mut self, now: Timestamp) -> Vec<Arc<Notice>> {
        let oldest = now.saturating_sub(GIVE_UP).unwrap_or(Timestamp::MIN);
        let old = self.waiting.range(..(oldest, String::new())).map(|(_, waiting)| waiting.notice.clone());
        let old: Vec<_> = old.collect();
        for notice in &old {
            self.settle(notice);
        }
        old
    }

    /// Whether there is place again for what had none: time to look for it in the histories.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        !self.beyond.is_empty() && self.waiting.len() < MOST / 2
    }

    /// The histories were looked through, and all that was found was [`put`](Self::put): what is still beyond although there
    /// was place is in none of them any more. How many are lost.
    pub fn looked(&mut self) -> usize {
        if self.waiting.len() >= MOST {
            return 0;
        }
        std::mem::take(&mut self.beyond).len()
    }

    /// The oldest that found no place.
    #[must_use]
    pub fn oldest_beyond(&self) -> Option<Timestamp> {
        self.beyond.first().map(|(at, _)| *at)
    }

    /// All that wait, the oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Notice>> {
        self.waiting.values().map(|waiting| &waiting.notice)
    }

    /// How many wait, with or without a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.beyond.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Since when it fails, and why.
    #[must_use]
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }
}

#[cfg(test)]
mod tests;
