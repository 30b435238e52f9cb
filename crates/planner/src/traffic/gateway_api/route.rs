//! A route of the Gateway API as a whole: the weights of its backends, and what a split adds to them.

use std::borrow::Cow;

use serde_json::Value;
use tidegate_api::{GatewayRouteKind, Percent};

use super::{Backends, acceptance::accepted, additions::Additions, backends::is_same, rules::rules};
use crate::traffic::{Acceptance, Router, Split, UnusableRoute};

/// A route of a Rollout.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// Its backends that point at the Rollout's Service.
    pub backends: Backends<'a>,
    /// Its kind, which says what can be told apart.
    pub kind: GatewayRouteKind,
}

impl Router for Route<'_> {
    type Object = Value;

    fn can_split(&self, route: &Value, splits: &[Split<'_>]) -> Result<(), UnusableRoute> {
        let base = self.additions().taken_from(route);
        splits.iter().try_for_each(|split| self.divided(&base, *split).map(drop))?;
        self.backends.has_chosen_rules(&base)
    }

    /// A route that is split already is thought back to what its user wrote first. Once a route is split, a split by
    /// whole percents and nothing besides is never refused, so that the way back is always open.
    fn split(&self, route: &Value, split: Split<'_>) -> Result<Value, UnusableRoute> {
        self.divided(&self.additions().taken_from(route), split)
    }

    fn is_split(&self, route: &Value, split: Split<'_>) -> bool {
        let base = self.additions().taken_from(route);
        if split.is_plain() {
            return matches!(base, Cow::Borrowed(_)) && self.backends.are_split(route, split.weight);
        }
        self.divided(&base, split).is_ok_and(|wanted| has_same_rules(route, &wanted))
    }

    fn unsplit(&self, route: &Value) -> Value {
        self.backends.unsplit(&self.additions().taken_from(route))
    }

    fn is_whole(&self, route: &Value) -> bool {
        self.backends.are_whole(route) && matches!(self.additions().taken_from(route), Cow::Borrowed(_))
    }

    fn canary_share(&self, route: &Value) -> Option<Percent> {
        self.backends.canary_share(&self.additions().taken_from(route))
    }

    fn acceptance(&self, route: &Value) -> Acceptance {
        accepted(route, self.backends.quirks.reports_since)
    }
}

impl<'a> Route<'a> {
    fn additions(&self) -> Additions<'a> {
        Additions { backends: self.backends, kind: self.kind }
    }

    fn divided(&self, base: &Value, split: Split<'_>) -> Result<Value, UnusableRoute> {
        let divided = self.backends.split(base, split.weight)?;
        if split.is_plain() { Ok(divided) } else { self.additions().given_to(base, divided, split) }
    }
}

/// Whether two routes have the same rules, where a backend without a weight has the default one.
fn has_same_rules(one: &Value, other: &Value) -> bool {
    let same = |(one, other): (&Value, &Value)| {
        let (Some(fields), Some(others)) = (one.as_object(), other.as_object()) else { return one == other };
        fields.len() == others.len()
            && fields.iter().all(|(name, value)| match (name.as_str(), value.as_array(), others.get(name)) {
                ("backendRefs", Some(backends), Some(Value::Array(others))) => {
                    backends.len() == others.len()
                        && backends.iter().zip(others).all(|(one, other)| is_same(one, other))
                }
                (_, _, found) => found == Some(value),
            })
    };
    rules(one).count() == rules(other).count() && rules(one).zip(rules(other)).all(same)
}

#[cfg(test)]
mod tests;
