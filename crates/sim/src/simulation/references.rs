//! Whether what a scenario speaks of is there.

use tidegate_api::{Rollout, nearest::did_you_mean};

use super::SimulationError;
use crate::scenario::{Action, DeletedKind, Manifest, Manifests, Scenario};

/// Finds the first name in `scenario` that nothing has.
pub(super) fn check(manifests: &Manifests, rollouts: &[Rollout], scenario: &Scenario) -> Result<(), SimulationError> {
    let names: Vec<_> = rollouts.iter().filter_map(|rollout| rollout.metadata.name.as_deref()).collect();
    let rollout = |field, name: &Option<String>| match name {
        Some(name) => known(field, "Rollout", name, &names),
        None => Ok(()),
    };
    for event in &scenario.events {
        match &event.action {
            Action::Release(release) => rollout("release", &release.rollout)?,
            Action::Pause(target) | Action::Resume(target) => rollout("pause or resume", &target.rollout)?,
            Action::Scale(scale) => rollout("scale", &scale.rollout)?,
            Action::ConfigMap(change) => rollout("configMap", &change.rollout)?,
            Action::EditWeights(edit) => {
                known("editWeights", "HTTPRoute", &edit.route, &all(manifests, "HTTPRoute"))?;
            }
            Action::Delete(delete) => {
                let kind = kind(delete.kind);
                known("delete", kind, &delete.name, &all(manifests, kind))?;
            }
            _ => {}
        }
    }
    scenario.expect.0.iter().try_for_each(|expectation| rollout("expect", &expectation.rollout))
}

/// What a kind is called in manifests.
pub(super) fn kind(kind: DeletedKind) -> &'static str {
    match kind {
        DeletedKind::Rollout => "Rollout",
        DeletedKind::Deployment => "Deployment",
        DeletedKind::Service => "Service",
        DeletedKind::HttpRoute => "HTTPRoute",
    }
}

fn all<'a>(manifests: &'a Manifests, kind: &str) -> Vec<&'a str> {
    manifests.objects.iter().filter(|manifest| manifest.is(kind)).map(Manifest::name).collect()
}

fn known(field: &'static str, kind: &str, name: &str, names: &[&str]) -> Result<(), SimulationError> {
    if names.contains(&name) {
        return Ok(());
    }
    let why = format!("there is no {kind} {name}{}", did_you_mean(name, names.iter().copied()));
    Err(SimulationError::Reference { field, why })
}
