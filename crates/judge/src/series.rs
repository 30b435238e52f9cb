//! Raw counters as Prometheus keeps them.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::Arc,
};

use foldhash::{fast, quality};
use jiff::Timestamp;

/// One scraped value of a counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was scraped.
    pub at: Timestamp,
    /// What the counter stood at.
    pub value: f64,
}

/// Stands for a set of labels. Thousands of series are remembered, and their labels are the largest part of them.
///
/// The sum of the labels' hashes: labels can be added in any order, and those of a series are hashed only once though
/// several sets are made of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// The key of one label.
    #[must_use]
    pub fn of(name: &str, value: &str) -> Self {
        Self(quality::FixedState::default().hash_one((name, value)))
    }

    /// The key of both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The key of this set without `other`, which is a part of it.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

/// What is remembered by key, or by what is made of keys. A key is spread evenly by itself, and of no value that somebody could choose.
pub type ByKey<T, K = Key> = HashMap<K, T, fast::FixedState>;

/// Keys, or what is made of them, each once.
pub type Keys<K = Key> = HashSet<K, fast::FixedState>;

/// Which of the two versions a series counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arm {
    /// The version on its way.
    Canary,
    /// The version that it is compared with.
    Stable,
}

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// Requests that went well, or that nobody has told apart from those that did not.
    Requests,
    /// Requests that failed, and that no series of [`Meaning::Requests`] counts.
    FailedRequests,
    /// Requests that failed, and that a series of [`Meaning::Requests`] counts as well.
    Failures,
    /// Requests that a histogram should have: all that there were, whether or not somebody measured how long they took.
    Expected,
    /// Requests of one histogram that took `le` nanoseconds at most; `+Inf` counts them all.
    Bucket {
        /// The series' labels without `le`.
        histogram: Key,
        /// The bucket's upper bound in nanoseconds.
        le: f64,
    },
}

impl Meaning {
    /// Whether it is what a check counts all requests by.
    #[must_use]
    pub fn counts_all(self) -> bool {
        !matches!(self, Self::Failures | Self::Expected)
    }
}

/// One counter with its samples, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub key: Key,
    /// The process that exposes it, as far as the labels tell.
    pub instance: Key,
    /// The pod that it counts for; nothing where it is a gateway's, or does not say.
    pub pod: Option<Arc<str>>,
    /// The version that it counts for.
    pub arm: Arm,
    /// What it counts.
    pub meaning: Meaning,
    /// Its samples, oldest first.
    pub samples: Vec<Sample>,
}

impl Series {
    /// The last sample that is not after `at`.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Option<Sample> {
        let after = self.samples.partition_point(|sample| sample.at <= at);
        after.checked_sub(1).and_then(|last| self.samples.get(last)).copied()
    }

    /// The samples after `start`, up to and including `end`.
    #[must_use]
    pub fn between(&self, start: Timestamp, end: Timestamp) -> &[Sample] {
        let first = self.samples.partition_point(|sample| sample.at <= start);
        let last = self.samples.partition_point(|sample| sample.at <= end);
        self.samples.get(first..last).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_that_of_a_set_whatever_the_order_of_its_labels() {
        let [pod, le, code] = [("pod", "a"), ("le", "1"), ("code", "200")].map(|(name, value)| Key::of(name, value));
        assert_eq!(pod.with(le).with(code), code.with(pod).with(le));
        assert_eq!(pod.with(le).without(le), pod);
        assert_ne!(pod.with(le), pod.with(code));
        assert_ne!(Key::of("le", "1").with(Key::of("pod", "a")), Key::of("le", "a").with(Key::of("pod", "1")));
    }
}
