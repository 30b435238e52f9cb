//! Whether what a Rollout tracks is part of a version at all.

use std::collections::BTreeSet;

use tidegate_api::RolloutSpec;
use tidegate_planner::workload::pinned::{Pin, Use, pinned};

use super::finding::{Finding, LocatedDocument};

/// Objects that the Rollout tracks, and that the pods of `deployment` do not read.
pub fn check(rollout: &LocatedDocument, deployment: &LocatedDocument) -> Vec<Finding> {
    let spec = rollout.document.value().get("spec").cloned().unwrap_or_default();
    let Ok(spec) = serde_json::from_value::<RolloutSpec>(spec) else { return Vec::new() };
    let Some(template) = deployment.document.value().pointer("/spec/template") else { return Vec::new() };
    let keys = BTreeSet::new();
    let pin = |(kind, name)| Pin { kind, name, live: Vec::new(), keys: &keys, copy: String::new() };
    let pins: Vec<_> = spec.track.iter().map(|tracked| pin(tracked.object())).collect();
    let (_, uses) = pinned(template, &pins);
    let unused = pins.iter().zip(uses).enumerate().filter(|(_, (_, used))| *used == Use::None);
    unused
        .map(|(place, (pin, _))| {
            let message = format!(
                "the pod template of Deployment {} refers to no {} {} in volumes, envFrom or env, so a change of it makes no version: remove it, or refer to it",
                deployment.name(),
                pin.kind,
                pin.name
            );
            rollout.warning(format!("spec.track[{place}]"), message)
        })
        .collect()
}
