//! One pod, or the pods on one node, that behave otherwise than the rest of their version.

use serde::Deserialize;
use tidegate_api::Percent;

use super::{Length, traffic::Count, yaml::WrongValue};

/// One pod, or the pods on one node, that behave otherwise than the rest of their version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outlier {
    /// Which of the revision's pods, counted from 1: a new pod takes the lowest number that is free.
    #[serde(default)]
    pub pod: Option<usize>,
    /// Which node's pods, such as `node-2`.
    #[serde(default)]
    pub node: Option<String>,
    /// How many more of their requests fail. Default: none.
    #[serde(default)]
    pub errors: Percent,
    /// How many times as long their requests take. Default: 1.
    #[serde(default = "Outlier::alike")]
    pub slower_by: Count,
    /// From when on. Default: from the beginning.
    #[serde(default)]
    pub from: Length,
    /// For how long. Default: for ever.
    #[serde(default, rename = "for")]
    pub for_: Option<Length>,
    /// How a pod behaves that takes the number of one that is gone. Default: Well.
    #[serde(default)]
    pub replacement: Replacement,
}

/// How a pod behaves that takes the number of one that is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Replacement {
    /// Like the rest of its version.
    #[default]
    Well,
    /// Like the one that is gone.
    Alike,
}

/// Where a pod stands among the pods of its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number, counted from 1.
    pub number: usize,
    /// Whether another pod had that number before.
    pub replaces: bool,
    /// The node that it is on.
    pub node: String,
}

impl Outlier {
    const fn alike() -> Count {
        Count(1.0)
    }

    /// Whether it speaks of a pod, at `offset` seconds after the scenario's start.
    #[must_use]
    pub fn is_of(&self, standing: &Standing, offset: f64) -> bool {
        let from = self.from.as_seconds();
        // What is so from the beginning was so before it, as with all that changes over time.
        let has_begun = offset >= from || from <= 0.0;
        let lasts = has_begun && self.for_.is_none_or(|length| offset < from + length.as_seconds());
        let is_meant = match self.pod {
            Some(number) => number == standing.number && (!standing.replaces || self.replacement == Replacement::Alike),
            None => self.node.as_ref() == Some(&standing.node),
        };
        lasts && is_meant
    }

    /// Why it cannot be used, if it cannot.
    pub(super) fn check(&self) -> Result<(), WrongValue> {
        if self.pod.is_some() == self.node.is_some() {
            return Err(WrongValue("each takes exactly one of pod and node".to_owned()));
        }
        if self.pod == Some(0) {
            return Err(WrongValue("the first pod is number 1".to_owned()));
        }
        if self.slower_by.0 <= 0.0 {
            return Err(WrongValue("slowerBy must be above 0".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_from_the_beginning_was_so_before_the_scenario_started() {
        let outlier = |text: &str| serde_json::from_str::<Outlier>(text).unwrap();
        let standing = Standing { number: 1, replaces: false, node: "node-1".to_owned() };
        let always = outlier(r#"{"pod": 1, "errors": "30%"}"#);
        assert_eq!([-600.0, 0.0, 600.0].map(|offset| always.is_of(&standing, offset)), [true; 3]);
        let late = outlier(r#"{"node": "node-1", "errors": "30%", "from": "5m", "for": "5m"}"#);
        assert_eq!([-600.0, 299.0, 300.0, 600.0].map(|at| late.is_of(&standing, at)), [false, false, true, false]);
    }
}
