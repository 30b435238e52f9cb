//! Policies that are attached to the Service by its name, and so to none of the Services that a rollout adds.

use serde_json::Value;
use tidegate_planner::traffic::{Names, Policy, without_policies};

use super::finding::{Finding, LocatedDocument};

/// The policies for the Service of a Rollout with routes that its `-stable` and `-canary` do without.
pub fn check(rollout: &LocatedDocument, all: &[LocatedDocument]) -> Vec<Finding> {
    let Some(service) = rollout.document.text(&["spec", "service"]) else { return Vec::new() };
    if rollout.document.value().pointer("/spec/traffic").is_none() {
        return Vec::new();
    }
    let names = Names::of(service);
    let near: Vec<_> = all.iter().filter(|written| written.namespace() == rollout.namespace()).collect();
    let policies: Vec<_> = near.iter().map(|written| policy(written)).collect();
    let left_behind = near.iter().zip(&policies).filter_map(|(written, policy)| {
        let field = policy.attachment(service).filter(|_| policy.is_left_behind(&policies, &names))?;
        let message = without_policies(&[format!("{} {}", policy.kind, policy.name)], &names)?;
        Some(written.warning(field, message))
    });
    left_behind.collect()
}

fn policy(written: &LocatedDocument) -> Policy<'_> {
    Policy {
        group: written.group(),
        kind: written.kind(),
        namespace: written.namespace(),
        name: written.name(),
        spec: written.document.value().get("spec").unwrap_or(&Value::Null),
    }
}
