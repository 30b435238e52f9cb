//! What whoever answers for a gate is told.

use tidegate_api::{Gate, GateStatus, RevisionStatus, Rollout};
use tidegate_webhook::{Question, StageQuestion, Version};

/// What `gate`, which stands in the status as `asked`, asks.
pub(super) fn question(rollout: &Rollout, gate: &Gate, asked: &GateStatus) -> Question {
    let status = rollout.status.clone().unwrap_or_default();
    let version = |known: RevisionStatus| Version { revision: known.revision, images: known.images };
    let uid = rollout.metadata.uid.clone().unwrap_or_default();
    let waiting = || Version {
        revision: asked.revision.clone(),
        images: status.workload.as_ref().map(|workload| workload.images.clone()).unwrap_or_default(),
    };
    let canary = status.canary.clone().filter(|canary| canary.revision == asked.revision);
    Question {
        id: format!("{uid}_{}_{}_{}", asked.revision, gate.name, asked.since.as_millisecond()),
        namespace: rollout.metadata.namespace.clone().unwrap_or_default(),
        rollout: rollout.metadata.name.clone().unwrap_or_default(),
        uid,
        gate: gate.name.clone(),
        place: asked.place.clone(),
        version: canary.map_or_else(waiting, version),
        stable: status.stable.clone().map(version),
        stage: status.stage.as_ref().map(|stage| StageQuestion {
            name: stage.name.clone(),
            weight: stage.weight_in_force.to_string(),
            preview: preview_of(rollout, &stage.name),
        }),
        data: gate.webhook.as_ref().and_then(|webhook| webhook.body.clone()),
    }
}

/// The Service by which a stage may be tried out.
fn preview_of(rollout: &Rollout, stage: &str) -> Option<String> {
    let stage = rollout.spec.stages.iter().flatten().find(|known| known.name == stage)?;
    Some(stage.preview.as_ref()?.service.clone())
}
