//! What the weights of a list mean to its kind, those that are not written as well.

use std::fmt;

use serde_json::Value;

use crate::traffic::scale::MAX;

/// Where a weight stands in an element.
const WEIGHT: &str = "weight";

/// What an element has for a weight that is not written, beside others that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// This.
    Is(i64),
    /// All requests if it stands alone, and none beside others.
    AllAlone,
    /// As much as the others if none of them has a weight, and none beside one that has.
    Equal,
}

/// In a cell of a table.
impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(weight) => write!(f, "is {weight}"),
            Self::AllAlone => f.write_str("is all of a Service that stands alone, and 0 beside others"),
            Self::Equal => f.write_str("is as much as the others' if none is written, and 0 otherwise"),
        }
    }
}

/// How a kind reads the weights of a list.
#[derive(Debug, Clone, Copy)]
pub struct Weighing {
    /// What is not written.
    pub unwritten: Unwritten,
    /// Whether what stands alone gets all requests, even with a weight of 0.
    pub alone_has_all: bool,
    /// Whether all get as much where the weights come to 0.
    pub none_is_equal: bool,
    /// Whether an element gets requests by its weight at all.
    pub has_share: fn(&Value) -> bool,
}

impl Weighing {
    /// How a list without any other property is read.
    pub(super) const fn plain(unwritten: Unwritten) -> Self {
        Self { unwritten, alone_has_all: false, none_is_equal: false, has_share: |_| true }
    }

    /// The weight of each element; nothing for one that gets no requests by it.
    pub(super) fn of(self, list: &[Value]) -> Vec<Option<i64>> {
        let sharing = || list.iter().filter(|element| (self.has_share)(element));
        let count = sharing().count();
        let unwritten = self.without(count, sharing().any(|element| written(element).is_some()));
        let weight = |element: &Value| written(element).unwrap_or(unwritten);
        let sum: i64 = sharing().map(weight).sum();
        let least = i64::from(sum == 0 && (self.none_is_equal || self.alone_has_all && count == 1));
        list.iter().map(|element| (self.has_share)(element).then(|| weight(element).max(least))).collect()
    }

    /// Whether any weight of a list is left out.
    pub(super) fn leaves_out(self, list: &[Value]) -> bool {
        list.iter().any(|element| (self.has_share)(element) && written(element).is_none())
    }

    /// A list in which all weights are written, without those that it has all the same. What stands alone has all, whatever
    /// somebody has made of its weight.
    pub(super) fn left_out(self, list: Vec<Value>) -> Vec<Value> {
        let sharing: Vec<_> = list.iter().filter(|element| (self.has_share)(element)).collect();
        let alone = self.without(sharing.len(), false);
        let says_nothing = |element: &&Value| written(element) == Some(alone);
        let has_all = sharing.len() == 1 && alone > 0;
        let unwritten = if sharing.iter().all(says_nothing) { alone } else { self.without(sharing.len(), true) };
        let lighter = |element: Value| {
            let is_so = has_all || written(&element) == Some(unwritten);
            if is_so && (self.has_share)(&element) { with_weight(element, None) } else { element }
        };
        list.into_iter().map(lighter).collect()
    }

    /// What one of so many has where it is not written. Only how much it is beside the others counts: so it is 1 where none is.
    fn without(self, count: usize, is_some_written: bool) -> i64 {
        match self.unwritten {
            Unwritten::Is(weight) if is_some_written => weight,
            Unwritten::Is(weight) => weight.min(1),
            Unwritten::AllAlone => i64::from(count == 1),
            Unwritten::Equal => i64::from(!is_some_written),
        }
    }
}

/// The weight that stands in an element.
fn written(element: &Value) -> Option<i64> {
    Some(element.get(WEIGHT)?.as_i64()?.clamp(0, MAX))
}

/// An element with another weight, or without one.
pub(super) fn with_weight(mut element: Value, weight: Option<i64>) -> Value {
    if let Some(fields) = element.as_object_mut() {
        match weight {
            Some(weight) => drop(fields.insert(WEIGHT.to_owned(), weight.into())),
            None => drop(fields.remove(WEIGHT)),
        }
    }
    element
}
