//! The ReplicaSet controller: keeps as many pods as are asked for, and counts them.
//!
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>

mod deletion_order;
mod status;

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_apiserver::Refusal;

use super::{
    ReconcileContext,
    cache::{Key, Pod, ReplicaSet},
    claim::Claimant,
};

/// Its field manager.
pub(super) const MANAGER: &str = "replicaset-controller";

/// The most pods that are created or deleted in one go.
const BURST: usize = 500;

/// The longest beginning of a generated name: with five more characters it is a name of 63.
const LONGEST_BEGINNING: usize = 58;

/// Looks at one ReplicaSet.
pub(super) fn sync(context: &mut ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(set) = context.cache.replica_sets.get(key).cloned() else { return Ok(()) };
    let claimant = Claimant {
        meta: &set.meta,
        api_version: "apps/v1",
        kind: "ReplicaSet",
        selector: &set.selector,
        manager: MANAGER,
    };
    let mut pods = claimant.claim(context, &context.cache.pods, "pods")?;
    pods.retain(|pod| pod.is_active());
    let managed = if set.meta.deleting { Ok(()) } else { manage(context, &set, &claimant, &pods) };
    let failure = managed.as_ref().err().map(|failure| (failure.what, &failure.refusal));
    status::report(context, &set, &pods, failure)?;
    managed.map_err(|failure| failure.refusal)
}

/// What could not be done.
struct Failure {
    /// `FailedCreate` or `FailedDelete`.
    what: &'static str,
    refusal: Refusal,
}

/// Creates pods that are missing, or deletes those that are too many.
fn manage(
    context: &ReconcileContext<'_>,
    set: &ReplicaSet,
    claimant: &Claimant<'_>,
    pods: &[Arc<Pod>],
) -> Result<(), Failure> {
    let wanted = usize::try_from(set.replicas).unwrap_or(0);
    if pods.len() < wanted {
        return create(context, set, claimant, (wanted - pods.len()).min(BURST))
            .map_err(|refusal| Failure { what: "FailedCreate", refusal });
    }
    let surplus = (pods.len() - wanted).min(BURST);
    for pod in deletion_order::first(context.cache, set, pods, surplus) {
        match context.api.delete("pods", pod.meta.key.namespace(), pod.meta.key.name(), MANAGER) {
            Err(refusal) if refusal.code != 404 => return Err(Failure { what: "FailedDelete", refusal }),
            _ => {}
        }
    }
    Ok(())
}

/// The first that is refused is the last that is tried: the others would be refused, too.
fn create(
    context: &ReconcileContext<'_>,
    set: &ReplicaSet,
    claimant: &Claimant<'_>,
    count: usize,
) -> Result<(), Refusal> {
    let Some(whole) = context.whole("replicasets", &set.meta.key) else { return Ok(()) };
    let template = &whole.value()["spec"]["template"];
    let used = || context.cache.pods.within(set.meta.key.namespace()).filter(|pod| pod.is_counted()).count();
    let quota = context.cache.quota(set.meta.key.namespace()).map(|(quota, pods)| (quota, pods, used()));
    for created in 0..count {
        if let Some((quota, most, used)) = quota {
            refuse_above(set, quota, most, used.saturating_add(created))?;
        }
        context.api.create(pod(set, claimant, template), MANAGER)?;
    }
    Ok(())
}

/// Speaks as the quota's admission plugin does.
fn refuse_above(set: &ReplicaSet, quota: &Key, most: i64, used: usize) -> Result<(), Refusal> {
    if i64::try_from(used).is_ok_and(|used| used < most) {
        return Ok(());
    }
    let (name, quota) = (beginning(set), quota.name());
    let message = format!(
        "pods \"{name}\" is forbidden: exceeded quota: {quota}, requested: pods=1, used: pods={used}, limited: pods={most}"
    );
    Err(Refusal { code: 403, reason: "Forbidden", message, details: json!({"name": name, "kind": "pods"}) })
}

fn beginning(set: &ReplicaSet) -> String {
    let mut beginning = format!("{}-", set.meta.key.name());
    while beginning.len() > LONGEST_BEGINNING {
        beginning.pop();
    }
    beginning
}

fn pod(set: &ReplicaSet, claimant: &Claimant<'_>, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": beginning(set), "namespace": set.meta.key.namespace(),
        "ownerReferences": [claimant.reference()],
    });
    if let Some(metadata) = metadata.as_object_mut() {
        for field in ["labels", "annotations", "finalizers"] {
            if let Some(value) = template["metadata"].get(field).filter(|value| !value.is_null()) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"],
        "status": {"phase": "Pending"},
    })
}
