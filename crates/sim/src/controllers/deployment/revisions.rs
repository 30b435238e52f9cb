//! The ReplicaSets of a Deployment: the one that holds its template, and the others.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tidegate_api::POD_TEMPLATE_HASH;
use tidegate_apiserver::Refusal;
use tidegate_planner::workload::template;

use super::{MANAGER, claimant, conditions::Conditions, scale};
use crate::controllers::{
    ReconcileContext,
    cache::{Cached, DESIRED, Deployment, Key, MAXIMUM, Meta, REVISION, ReplicaSet, controller, fingerprint},
};

/// Annotations of a Deployment that say something about itself alone, and not about its pods.
const NOT_INHERITED: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
];

/// The ReplicaSets of a Deployment.
pub(super) struct Revisions {
    /// The one that holds the template: the oldest, if there are several.
    pub new: Option<Arc<ReplicaSet>>,
    /// All others, the oldest first.
    pub old: Vec<Arc<ReplicaSet>>,
}

impl Revisions {
    pub(super) fn new(deployment: &Deployment, mut sets: Vec<Arc<ReplicaSet>>) -> Self {
        sets.sort_by(|a, b| a.meta.age().cmp(&b.meta.age()));
        let newest = sets.iter().position(|set| set.template == deployment.template);
        let new = newest.map(|place| sets.remove(place));
        Self { new, old: sets }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(&self.new)
    }

    /// How many pods all of them ask for.
    pub(super) fn asked(&self) -> i32 {
        self.all().map(|set| set.replicas).sum()
    }

    /// How many pods of all of them are available.
    pub(super) fn available(&self) -> i32 {
        self.all().map(|set| set.seen.available).sum()
    }

    /// Gives the new ReplicaSet the highest number, and the Deployment the same.
    pub(super) fn number(&self, context: &ReconcileContext<'_>, deployment: &Deployment) -> Result<(), Refusal> {
        let Some(new) = &self.new else { return Ok(()) };
        let number = new.revision.max(self.next_number());
        let stale = new.min_ready_seconds != deployment.min_ready_seconds;
        if number != new.revision || stale {
            let patch = json!({
                "metadata": {"annotations": {REVISION: number.to_string()}},
                "spec": {"minReadySeconds": deployment.min_ready_seconds},
            });
            context.merge("replicasets", &new.meta.key, patch, MANAGER)?;
        }
        show(context, deployment, number)
    }

    fn next_number(&self) -> i64 {
        self.old.iter().map(|set| set.revision).max().unwrap_or(0).saturating_add(1)
    }

    /// Makes the ReplicaSet that holds the template, unless it is there.
    pub(super) fn create(&mut self, context: &ReconcileContext<'_>, deployment: &Deployment) -> Result<(), Refusal> {
        if self.new.is_some() {
            return Ok(());
        }
        let Some(whole) = context.whole("deployments", &deployment.meta.key) else { return Ok(()) };
        let number = self.next_number();
        let hash = template::safe_hash(format!("{} {}", deployment.template, deployment.collisions).as_bytes());
        let name = format!("{}-{hash}", deployment.meta.key.name());
        let replicas = super::rolling::room_for_new(deployment, self.asked(), 0);
        let set = replica_set(deployment, whole.value(), (&name, &hash), (number, replicas));
        match context.api.create(set, MANAGER) {
            Ok(created) => {
                let key = Key::new(deployment.meta.key.namespace(), &name);
                let meta = Meta::read(key, &created);
                self.new = Some(Arc::new(ReplicaSet::read(meta, created.value(), None)));
            }
            Err(refusal) if refusal.reason == "AlreadyExists" => return collide(context, deployment, &name, refusal),
            Err(refusal) => {
                let mut conditions = Conditions::of(deployment, context.now);
                conditions.set("Progressing", "False", "ReplicaSetCreateError", &refusal.message);
                let patch = json!({"status": {"conditions": conditions.into_value()}});
                context.merge_status("deployments", &deployment.meta.key, patch, MANAGER)?;
                return Err(refusal);
            }
        }
        show(context, deployment, number)
    }

    /// Scales the new ReplicaSet. Whether that changed anything.
    pub(super) fn scale_new(
        &mut self,
        context: &ReconcileContext<'_>,
        deployment: &Deployment,
        replicas: i32,
    ) -> Result<bool, Refusal> {
        self.new.as_mut().map_or(Ok(false), |set| rescale(context, deployment, set, replicas))
    }

    /// Scales one of the old ReplicaSets. Whether that changed anything.
    pub(super) fn scale_old(
        &mut self,
        context: &ReconcileContext<'_>,
        deployment: &Deployment,
        place: usize,
        replicas: i32,
    ) -> Result<bool, Refusal> {
        self.old.get_mut(place).map_or(Ok(false), |set| rescale(context, deployment, set, replicas))
    }
}

fn rescale(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    set: &mut Arc<ReplicaSet>,
    replicas: i32,
) -> Result<bool, Refusal> {
    if set.replicas == replicas {
        return Ok(false);
    }
    scale(context, deployment, &set.meta.key, replicas)?;
    Arc::make_mut(set).replicas = replicas;
    Ok(true)
}

/// Writes the number of the newest revision where people look for it.
fn show(context: &ReconcileContext<'_>, deployment: &Deployment, number: i64) -> Result<(), Refusal> {
    if deployment.revision == number {
        return Ok(());
    }
    let patch = json!({"metadata": {"annotations": {REVISION: number.to_string()}}});
    context.merge("deployments", &deployment.meta.key, patch, MANAGER)
}

/// What the Deployment asks for as it scales a ReplicaSet: by this it later knows that it was scaled itself.
pub(super) fn size_annotations(deployment: &Deployment) -> Value {
    let maximum = deployment.replicas.saturating_add(deployment.max_surge());
    json!({DESIRED: deployment.replicas.to_string(), MAXIMUM: maximum.to_string()})
}

fn replica_set(
    deployment: &Deployment,
    whole: &Value,
    (name, hash): (&str, &str),
    (number, replicas): (i64, i32),
) -> Value {
    let spec = &whole["spec"];
    let template = template::with_hash(&spec["template"], hash);
    let mut selector = spec["selector"].clone();
    if let Some(labels) = selector.as_object_mut().map(|it| it.entry("matchLabels").or_insert_with(|| json!({})))
        && let Some(labels) = labels.as_object_mut()
    {
        labels.insert(POD_TEMPLATE_HASH.to_owned(), hash.into());
    }
    let inherited = whole["metadata"]["annotations"].as_object().into_iter().flatten();
    let inherited = inherited.filter(|(name, _)| !NOT_INHERITED.contains(&name.as_str()));
    let mut annotations: Map<String, Value> = inherited.map(|(name, value)| (name.clone(), value.clone())).collect();
    annotations.insert(REVISION.to_owned(), number.to_string().into());
    annotations.extend(size_annotations(deployment).as_object().cloned().unwrap_or_default());
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": deployment.meta.key.namespace(),
            "labels": template["metadata"]["labels"], "annotations": annotations,
            "ownerReferences": [claimant(deployment).reference()],
        },
        "spec": {
            "replicas": replicas, "minReadySeconds": deployment.min_ready_seconds,
            "selector": selector, "template": template,
        },
    })
}

/// The name is taken. By another template: the next try has another name. By the same one of its own: it is only not
/// in the cache yet.
fn collide(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    name: &str,
    refusal: Refusal,
) -> Result<(), Refusal> {
    let key = Key::new(deployment.meta.key.namespace(), name);
    let own = context.whole("replicasets", &key).is_some_and(|set| {
        let owner = controller(&set.value()["metadata"]);
        owner.is_some_and(|owner| owner["uid"] == deployment.meta.uid.as_str())
            && fingerprint(&set.value()["spec"]["template"]) == deployment.template
    });
    if !own {
        let patch = json!({"status": {"collisionCount": deployment.collisions.saturating_add(1)}});
        context.merge_status("deployments", &deployment.meta.key, patch, MANAGER)?;
    }
    Err(refusal)
}
