//! An object of a kind that is none of those that are known.

use serde_json::Value;
use tidegate_api::{Percent, WeightedRouteRef};

use super::KINDS;
use crate::traffic::{Acceptance, Router, Split, UnusableRoute};

/// It carries nothing, and says so.
#[derive(Debug, Clone, Copy)]
pub struct UnknownKind<'a>(pub &'a WeightedRouteRef);

impl UnknownKind<'_> {
    fn unusable(self) -> UnusableRoute {
        let Self(WeightedRouteRef { kind, group, name, .. }) = self;
        let of_group = group.as_ref().map(|group| format!(" of group {group}")).unwrap_or_default();
        let mut known: Vec<_> = KINDS.iter().map(|kind| format!("{} ({})", kind.kind, kind.group)).collect();
        known.sort();
        UnusableRoute::new(format!(
            "{kind} {name}: no kind {kind}{of_group} is known under spec.traffic.routes; known are {}; name any other object under spec.traffic.custom",
            known.join(", ")
        ))
    }
}

impl Router for UnknownKind<'_> {
    type Object = Value;

    fn can_split(&self, _object: &Value, _splits: &[Split<'_>]) -> Result<(), UnusableRoute> {
        Err(self.unusable())
    }

    fn split(&self, _object: &Value, _split: Split<'_>) -> Result<Value, UnusableRoute> {
        Err(self.unusable())
    }

    fn is_split(&self, _object: &Value, _split: Split<'_>) -> bool {
        false
    }

    fn unsplit(&self, object: &Value) -> Value {
        object.clone()
    }

    fn is_whole(&self, _object: &Value) -> bool {
        true
    }

    fn canary_share(&self, _object: &Value) -> Option<Percent> {
        None
    }

    fn acceptance(&self, _object: &Value) -> Acceptance {
        Acceptance::Waiting(self.unusable().to_string())
    }
}
