//! Raw counters as Prometheus keeps them.

use std::hash::{DefaultHasher, Hash, Hasher};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// The key of `labels`, which the caller has sorted.
    pub fn of<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = DefaultHasher::new();
        for label in labels {
            label.hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

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
    /// Requests of one histogram that took `le` nanoseconds at most; `+Inf` counts them all.
    Bucket {
        /// The series' labels without `le`.
        histogram: Key,
        /// The bucket's upper bound in nanoseconds.
        le: f64,
    },
}

/// One counter with its samples, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub key: Key,
    /// The process that exposes it, as far as the labels tell.
    pub instance: Key,
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
