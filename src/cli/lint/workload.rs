//! What a Rollout makes of the settings of its Deployment.

use serde_json::Value;
use tidegate_api::{RolloutSpec, Span};

use super::finding::{Finding, LocatedDocument};

/// The longest name of a Deployment whose pods and ReplicaSets can be told by their names and labels.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
const LONGEST_NAME: usize = 63;

/// What of `deployment` does not fit to the Rollout that has its pods.
pub fn check(rollout: &LocatedDocument, deployment: &LocatedDocument, all: &[LocatedDocument]) -> Vec<Finding> {
    let mut findings: Vec<_> = unready(deployment).into_iter().collect();
    findings.extend(own_count(rollout, deployment));
    findings.extend(other_image(rollout, deployment));
    findings.extend(paused(rollout, deployment));
    findings.extend(recreated(deployment));
    findings.extend(patient(rollout, deployment));
    findings.extend(volumes(deployment, all));
    findings
}

/// A name that leaves no room for what is derived from it.
pub fn long_name(rollout: &LocatedDocument) -> Option<Finding> {
    let name = rollout.document.text(&["spec", "workload", "name"])?;
    let length = name.chars().count();
    let message = format!(
        "the name of the Deployment has {length} characters, and its versions are told by names and labels with room for {LONGEST_NAME}: give it a shorter one"
    );
    (length > LONGEST_NAME).then(|| rollout.error("spec.workload.name", message))
}

/// Without readiness, a pod counts as ready before it can answer, and gets traffic.
fn unready(deployment: &LocatedDocument) -> Option<Finding> {
    let pointer = "/spec/template/spec/containers";
    let containers = deployment.document.value().pointer(pointer)?.as_array()?;
    if containers.iter().any(|container| container.get("readinessProbe").is_some()) {
        return None;
    }
    let name = containers.first()?.get("name").and_then(Value::as_str).unwrap_or_default();
    let message = format!("container {name} has no readinessProbe, so new pods get traffic before they can answer");
    Some(deployment.warning("spec.template.spec.containers[0]", message))
}

/// The Rollout scales the Deployment to zero: a count in Git would bring its pods back with every sync.
fn own_count(rollout: &LocatedDocument, deployment: &LocatedDocument) -> Option<Finding> {
    let replicas = deployment.document.value().pointer("/spec/replicas")?.as_u64()?;
    let message = format!(
        "Rollout {} keeps Deployment {} at 0 and has the pods itself, so a GitOps tool would bring {replicas} more back with every sync: move the count to the Rollout's spec.replicas",
        rollout.name(),
        deployment.name()
    );
    (replicas > 0).then(|| deployment.warning("spec.replicas", message))
}

/// A Rollout is not ready before its Deployment asks for the image that it names.
fn other_image(rollout: &LocatedDocument, deployment: &LocatedDocument) -> Option<Finding> {
    let image = rollout.document.text(&["spec", "workload", "image"])?;
    let containers = deployment.document.value().pointer("/spec/template/spec/containers")?.as_array()?;
    let asked: Vec<_> = containers.iter().filter_map(|container| container.get("image")?.as_str()).collect();
    let message = format!(
        "Deployment {} asks for {}, and Rollout {} is not ready before it asks for {image}: write the same image in both",
        deployment.name(),
        asked.join(", "),
        rollout.name()
    );
    (!asked.contains(&image)).then(|| rollout.error("spec.workload.image", message))
}

/// A paused Deployment is somebody's wish that nothing of it changes.
fn paused(rollout: &LocatedDocument, deployment: &LocatedDocument) -> Option<Finding> {
    let paused = deployment.document.value().pointer("/spec/paused")?.as_bool()?;
    let message = format!(
        "Deployment {} is paused, so Rollout {} does not take over its pods, and no release starts: remove paused; spec.paused of the Rollout holds releases",
        deployment.name(),
        rollout.name()
    );
    paused.then(|| deployment.error("spec.paused", message))
}

/// Who recreates does not want two versions at once, which is what a rollout is.
fn recreated(deployment: &LocatedDocument) -> Option<Finding> {
    let kind = deployment.document.text(&["spec", "strategy", "type"])?;
    let message = format!(
        "Deployment {} asks for Recreate, but in a rollout pods of two versions run side by side: make sure that they can, and remove the strategy, or do without a Rollout",
        deployment.name()
    );
    (kind == "Recreate").then(|| deployment.warning("spec.strategy.type", message))
}

/// Pods that count as available too late for the deadline of every stage.
fn patient(rollout: &LocatedDocument, deployment: &LocatedDocument) -> Option<Finding> {
    let seconds = deployment.document.value().pointer("/spec/minReadySeconds")?.as_u64()?;
    let spec = serde_json::from_value::<RolloutSpec>(rollout.document.value().get("spec")?.clone()).ok()?;
    let (wait, deadline) = (Span::seconds(seconds), spec.progress_deadline());
    let message = format!(
        "a new pod counts only after minReadySeconds of {wait}, and progressDeadline of Rollout {} is {deadline}: every release is reverted before its first stage; shorten the one or lengthen the other",
        rollout.name()
    );
    (wait >= deadline).then(|| deployment.error("spec.minReadySeconds", message))
}

/// Claims among the files that pods of two versions cannot have at once.
fn volumes(deployment: &LocatedDocument, all: &[LocatedDocument]) -> Vec<Finding> {
    let volumes = deployment.document.value().pointer("/spec/template/spec/volumes").and_then(Value::as_array);
    let claimed = volumes.into_iter().flatten().enumerate().filter_map(|(index, volume)| {
        let claim = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()?;
        let found = all.iter().find(|written| {
            (written.kind(), written.namespace(), written.name())
                == ("PersistentVolumeClaim", deployment.namespace(), claim)
        })?;
        let modes = found.document.value().pointer("/spec/accessModes")?.as_array()?;
        let has = |mode: &str| modes.iter().any(|known| known == mode);
        if has("ReadWriteMany") || has("ReadOnlyMany") {
            return None;
        }
        let field = format!("spec.template.spec.volumes[{index}].persistentVolumeClaim.claimName");
        if has("ReadWriteOncePod") {
            let message = format!(
                "PersistentVolumeClaim {claim} is for one pod (ReadWriteOncePod), which the version that serves has: no pod of a new one ever starts; use ReadWriteMany, or do without a Rollout"
            );
            return Some(deployment.error(field, message));
        }
        let message = format!(
            "PersistentVolumeClaim {claim} is for one node (ReadWriteOnce): pods of a new version start only on the node of the old one, and write beside it; use ReadWriteMany, or do without a Rollout"
        );
        Some(deployment.warning(field, message))
    });
    claimed.collect()
}
