//! What a receiver has been told, in little: an instant up to which everything is settled, and what is settled after it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A transition may come to be known as late as this after its instant: a decision is written some time after it was taken,
/// and the clocks of two operators differ.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// So many are remembered one by one; beyond it the oldest are forgotten, and may be told a second time after a restart.
const MOST: usize = 1000;

/// What is settled: delivered, refused or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Everything that happened up to here is settled.
    pub until: Timestamp,
    /// What is settled of what happened later: ids, with their instants in milliseconds.
    #[serde(default)]
    after: BTreeMap<String, i64>,
}

impl Sent {
    /// Everything up to `now` is settled: whoever begins does not tell what was.
    #[must_use]
    pub fn since(now: Timestamp) -> Self {
        Self { until: now, after: BTreeMap::new() }
    }

    /// Whether a notice that was just handed over is settled. It may be older than [`Self::until`].
    #[must_use]
    pub fn is_settled(&self, id: &str) -> bool {
        self.after.contains_key(id)
    }

    /// The same of one that was found in a history: nobody knows when it was written there.
    #[must_use]
    pub fn was_settled(&self, id: &str, at: Timestamp) -> bool {
        at <= self.until || self.is_settled(id)
    }

    /// It is settled.
    pub fn settle(&mut self, id: &str, at: Timestamp) {
        self.after.insert(id.to_owned(), at.as_millisecond());
    }

    /// Moves the instant as far as that is possible: to `LATE` before `now`, and not up to `oldest`, which is not settled and
    /// stands nowhere else.
    pub fn advance(&mut self, now: Timestamp, oldest: Option<Timestamp>) {
        let settled = now.saturating_sub(LATE).unwrap_or(Timestamp::MIN);
        let before = |at: Timestamp| at.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN);
        let until = oldest.map_or(settled, |oldest| settled.min(before(oldest)));
        self.until = self.until.max(until);
        let until = self.until.as_millisecond();
        // Of what is remembered in milliseconds, the last one may have been a little later.
        self.after.retain(|_, at| *at >= until);
        if self.after.len() > MOST {
            let mut instants: Vec<i64> = self.after.values().copied().collect();
            instants.sort_unstable_by(|one, other| other.cmp(one));
            let oldest = instants.get(MOST).copied().unwrap_or(i64::MIN);
            self.after.retain(|_, at| *at > oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_772_503_335 + seconds).unwrap()
    }

    #[test]
    fn whoever_begins_does_not_tell_what_was() {
        let sent = Sent::since(at(0));
        assert!(sent.was_settled("a", at(-1)) && sent.was_settled("a", at(0)));
        assert!(!sent.was_settled("a", at(1)));
        assert!(!sent.is_settled("a"), "what is handed over late is told");
    }

    #[test]
    fn what_is_settled_stays_so_as_the_instant_moves_over_it() {
        let mut sent = Sent::since(at(0));
        sent.settle("a", at(10));
        sent.advance(at(60), None);
        assert!(sent.was_settled("a", at(10)) && !sent.was_settled("b", at(10)), "b may still come");
        sent.advance(at(1000), None);
        assert_eq!(sent.until, at(700));
        assert!(sent.was_settled("a", at(10)) && sent.after.is_empty());
    }

    #[test]
    fn the_instant_does_not_move_over_what_is_not_settled_and_never_back() {
        let mut sent = Sent::since(at(0));
        sent.advance(at(5000), Some(at(100)));
        assert!(sent.until < at(100) && sent.until > at(99));
        sent.advance(at(6000), Some(at(50)));
        assert!(sent.until > at(99));
        assert!(!sent.was_settled("a", at(100)));
    }

    #[test]
    fn no_more_is_remembered_than_fits() {
        let mut sent = Sent::since(at(0));
        for number in 0..5000 {
            sent.settle(&number.to_string(), at(i64::from(number)));
        }
        sent.advance(at(1), None);
        assert_eq!(sent.after.len(), MOST);
        assert!(sent.is_settled("4999") && !sent.is_settled("3999"));
    }
}
