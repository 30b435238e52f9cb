//! Counts over all pods of a version.

use std::{ops::Sub, sync::Arc};

/// Requests that were answered, over all pods of a version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// How many.
    pub requests: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many were in each bucket, between [`Self::bounds`] and beyond the last of them.
    pub buckets: Vec<u64>,
    /// The upper bounds of the buckets in seconds, without the last one's.
    pub bounds: Arc<[f64]>,
}

impl Totals {
    /// How many of the requests failed, as a part of one; nothing without requests.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }

    /// The duration that a part `q` of the requests stays below, in seconds, interpolated within its bucket; nothing
    /// without requests.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let wanted = self.requests as f64 * q;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.buckets.iter().zip(self.bounds.iter()) {
            let count = *count as f64;
            if below + count >= wanted && count > 0.0 {
                return Some(lower + (upper - lower) * ((wanted - below) / count).clamp(0.0, 1.0));
            }
            (below, lower) = (below + count, *upper);
        }
        (self.requests > 0).then_some(lower)
    }
}

impl Sub<&Totals> for &Totals {
    type Output = Totals;

    /// What came between an earlier time and this one.
    fn sub(self, earlier: &Totals) -> Totals {
        let before = earlier.buckets.iter().copied().chain(std::iter::repeat(0));
        Totals {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            buckets: self.buckets.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect(),
            bounds: self.bounds.clone(),
        }
    }
}
