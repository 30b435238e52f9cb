//! The pods of the versions of a Rollout by name: which of them is not ready, and why.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectMeta},
};
use serde::Serialize;
use tidegate_api::{RevisionStatus, Rollout};

/// So many are asked for: of more, those of the first page are shown.
const PAGE: u32 = 500;

/// A version that has pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What it is called: `stable` or `new`.
    pub name: &'static str,
    /// The value of its pods' `pod-template-hash` label.
    pub revision: String,
    /// The ReplicaSet that owns them.
    pub replica_set: String,
}

/// The versions of `rollout`, the new one first.
#[must_use]
pub fn versions(rollout: &Rollout) -> Vec<Version> {
    let status = rollout.status.iter();
    let known = status.flat_map(|status| [("new", &status.canary), ("stable", &status.stable)]);
    let version = |(name, version): (&'static str, &Option<RevisionStatus>)| {
        let version = version.as_ref()?;
        Some(Version { name, revision: version.revision.clone(), replica_set: version.replica_set.clone() })
    };
    known.filter_map(version).collect()
}

/// A pod as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// What its version is called.
    pub version: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it is ready.
    pub is_ready: bool,
    /// In one word, why it is not running, or its phase.
    pub state: String,
    /// How often its containers were started again.
    pub restarts: i32,
    /// When it was created.
    pub since: Option<Timestamp>,
}

/// The pods of `versions` in `namespace`, those that are not ready first, and then those of the new version.
///
/// # Errors
/// The cluster does not answer, or refuses.
pub async fn list(client: Client, namespace: &str, versions: &[Version]) -> Result<Vec<Shown>, kube::Error> {
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let revisions: Vec<_> = versions.iter().map(|version| version.revision.as_str()).collect();
    let wanted = ListParams::default().labels(&format!("pod-template-hash in ({})", revisions.join(","))).limit(PAGE);
    let pods = Api::<Pod>::namespaced(client, namespace).list(&wanted).await?;
    let mut shown: Vec<_> = pods.items.iter().filter_map(|pod| of(pod, versions)).collect();
    in_order(&mut shown, versions);
    Ok(shown)
}

fn in_order(shown: &mut [Shown], versions: &[Version]) {
    let place = |version| versions.iter().position(|known| known.name == version);
    shown.sort_by(|a, b| (a.is_ready, place(a.version), &a.name).cmp(&(b.is_ready, place(b.version), &b.name)));
}

/// A pod of one of `versions`; nothing of one that another owner has under the same hash.
fn of(pod: &Pod, versions: &[Version]) -> Option<Shown> {
    let ObjectMeta { owner_references, creation_timestamp, .. } = &pod.metadata;
    let is_owner = |version: &&Version| {
        let mut owners = owner_references.iter().flatten();
        owners.any(|owner| owner.kind == "ReplicaSet" && owner.name == version.replica_set)
    };
    let version = versions.iter().find(is_owner)?;
    let status = pod.status.as_ref();
    let containers = || status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let phase = status.and_then(|status| status.phase.clone()).unwrap_or_default();
    let state = if pod.metadata.deletion_timestamp.is_some() {
        "Terminating".to_owned()
    } else {
        containers().find_map(trouble).or_else(|| status.and_then(|status| status.reason.clone())).unwrap_or(phase)
    };
    Some(Shown {
        version: version.name,
        name: pod.name_any(),
        is_ready,
        state,
        restarts: containers().map(|container| container.restart_count).sum(),
        since: creation_timestamp.as_ref().map(|at| at.0),
    })
}

/// Why a container does not run, in one word.
fn trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let waits = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
    waits.or_else(|| state.terminated.as_ref().and_then(|ended| ended.reason.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn versions() -> [Version; 2] {
        [("new", "6b5d"), ("stable", "7f9c")].map(|(name, revision)| Version {
            name,
            revision: revision.to_owned(),
            replica_set: format!("checkout-{revision}"),
        })
    }

    fn pod(name: &str, owner: &str, status: &Value) -> Pod {
        let metadata = json!({
            "name": name, "creationTimestamp": "2026-03-02T09:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "1"}],
        });
        serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
    }

    fn ready() -> Value {
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
    }

    #[test]
    fn the_pods_that_are_not_ready_come_first_with_the_reason() {
        let crashing = json!({"phase": "Running", "containerStatuses": [
            {"name": "app", "image": "a", "imageID": "", "ready": false, "restartCount": 3,
             "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        ]});
        let pods = [
            pod("old-1", "checkout-7f9c", &ready()),
            pod("new-1", "checkout-6b5d", &ready()),
            pod("new-2", "checkout-6b5d", &crashing),
        ];
        let mut shown: Vec<_> = pods.iter().filter_map(|pod| of(pod, &versions())).collect();
        in_order(&mut shown, &versions());
        let told: Vec<_> =
            shown.iter().map(|pod| (pod.name.as_str(), pod.version, pod.state.as_str(), pod.restarts)).collect();
        assert_eq!(
            told,
            [
                ("new-2", "new", "CrashLoopBackOff", 3),
                ("new-1", "new", "Running", 0),
                ("old-1", "stable", "Running", 0)
            ]
        );
    }

    #[test]
    fn a_pod_of_another_owner_with_the_same_hash_is_not_shown() {
        assert_eq!(of(&pod("other-1", "other-6b5d", &ready()), &versions()), None);
    }
}
