//! What every way to carry weights has to know.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::Percent;

use super::{Split, kind::describe};

/// A way to carry the weights of a rollout: what has to stand in an object so that the canary gets its share of it.
///
/// All of it is absolute and can be read back: what the user wrote is never stored anywhere else, and cannot be lost.
pub trait Router {
    /// What carries the weights: an object of the API for routes, numbers of pods without one.
    type Object;

    /// Whether `object` can say each of these splits, so that no rollout finds out half-way that it cannot.
    ///
    /// # Errors
    /// Why it cannot, for the user to mend.
    fn can_split(&self, object: &Self::Object, splits: &[Split<'_>]) -> Result<(), UnusableRoute>;

    /// `object` with the canary at the split's weight, stable at what is left of the Service's share, and all else that
    /// the split gives the canary.
    ///
    /// # Errors
    /// Why it cannot say that. The way back to stable is open from wherever a split has led.
    fn split(&self, object: &Self::Object, split: Split<'_>) -> Result<Self::Object, UnusableRoute>;

    /// Whether `object` is what [`Self::split`] makes of it.
    fn is_split(&self, object: &Self::Object, split: Split<'_>) -> bool;

    /// `object` as its user wrote it.
    fn unsplit(&self, object: &Self::Object) -> Self::Object;

    /// Whether `object` is as its user wrote it, as far as a rollout would change it.
    fn is_whole(&self, object: &Self::Object) -> bool;

    /// Whether [`Self::unsplit`] will give back what stands in `object` now, before the first rollout.
    ///
    /// # Errors
    /// What would be lost.
    fn can_restore(&self, _object: &Self::Object) -> Result<(), UnusableRoute> {
        Ok(())
    }

    /// The part of the Service's share that the canary has, whoever wrote it: the lowest of any place, and nothing where
    /// that cannot be told.
    fn canary_share(&self, object: &Self::Object) -> Option<Percent>;

    /// Whether the data plane has taken `object` over as it now stands.
    fn acceptance(&self, object: &Self::Object) -> Acceptance;
}

/// What the data plane says about an object that carries weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is in force as it now stands.
    Accepted,
    /// Nobody has said so yet; the sentence names who should.
    Waiting(String),
    /// It is refused as it now stands; the sentence says by whom and why.
    Rejected(String),
    /// It is taken, but names something that does not resolve, or does not yet; the sentence says who says so, and the
    /// instant since when, as far as they tell.
    Unresolved(String, Option<Timestamp>),
}

/// Why an object cannot carry the weights of a rollout: a sentence that names it and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableRoute(String);

impl UnusableRoute {
    /// With this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// With a clause about `object`, which is named first.
    pub(super) fn of(object: &Value, why: &impl fmt::Display) -> Self {
        Self(format!("{}: {why}", describe(object)))
    }
}
