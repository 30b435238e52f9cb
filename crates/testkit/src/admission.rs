//! A cluster whose admission does not let a ReplicaSet change hands: a real webhook of the API server, or the embedded
//! one's front door.

use std::{fs, path::Path, sync::PoisonError, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::ReplicaSet, core::v1::Namespace,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{
    cluster,
    control_plane::Reviews,
    shop::Shop,
    tls_server::{Response, serve},
    wait::until,
    world::World,
};

/// What the webhook says.
pub const REFUSAL: &str = "ReplicaSets of this cluster do not change hands";

const START: Duration = Duration::from_secs(30);

/// Tells the webhook's namespace from all others; Kubernetes 1.20 does not label namespaces with their names.
const LABEL: &str = "rig/admission";

/// Refuses that a Rollout becomes an owner of a ReplicaSet that is there already. Gone when dropped.
pub struct Admission {
    client: Client,
    name: String,
    by: By,
}

/// Who refuses.
enum By {
    Webhook(AbortHandle),
    FrontDoor(Reviews),
}

impl Admission {
    /// Refuses it in the namespace of `shop`, and returns when the API server has heard of it.
    pub async fn guard(world: &World, shop: &Shop) -> Result<Self> {
        let (client, name) = (shop.client.clone(), shop.namespace.clone());
        let by = if let Some(reviews) = world.control_plane.reviews() {
            reviews.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), refusal);
            By::FrontDoor(reviews.clone())
        } else {
            By::Webhook(webhook(&client, world.control_plane.directory(), &name).await?)
        };
        let admission = Self { client, name, by };
        admission.in_force(&shop.namespace).await?;
        Ok(admission)
    }

    /// Tries what must be refused, without leaving a trace.
    async fn in_force(&self, namespace: &str) -> Result<()> {
        let sets = Api::<ReplicaSet>::namespaced(self.client.clone(), namespace);
        let set = sets.list(&ListParams::default()).await?.items.pop().context("a shop without a ReplicaSet")?;
        let owner = json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "name": "probe", "uid": "probe"});
        let patch = Patch::Strategic(json!({"metadata": {"ownerReferences": [owner]}}));
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let refused = || async { sets.patch(&set.name_any(), &dry, &patch).await.err().map(|error| error.to_string()) };
        until("the webhook to refuse", START, || async { refused().await.filter(|why| why.contains(REFUSAL)) }).await?;
        Ok(())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        match &self.by {
            By::Webhook(task) => task.abort(),
            By::FrontDoor(reviews) => {
                reviews.write().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
                return;
            }
        }
        let configurations = Api::<ValidatingWebhookConfiguration>::all(self.client.clone());
        let name = self.name.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { configurations.delete(&name, &DeleteParams::default()).await });
        }
    }
}

/// Serves the webhook, and has the API server ask it about the namespace.
async fn webhook(client: &Client, directory: &Path, namespace: &str) -> Result<AbortHandle> {
    let (url, task) = serve(directory, |asked| {
        let said = review(&serde_json::from_slice(&asked.body).unwrap_or_default());
        Response::json(200, said.to_string())
    })
    .await?;
    let namespaces = Api::<Namespace>::all(client.clone());
    let labelled = Patch::Merge(json!({"metadata": {"labels": {LABEL: namespace}}}));
    namespaces.patch(namespace, &PatchParams::default(), &labelled).await?;
    let authority = fs::read(directory.join("ca.crt"))?;
    cluster::create(client, configuration(namespace, &format!("{url}/"), &authority)?).await?;
    Ok(task)
}

fn configuration(namespace: &str, url: &str, authority: &[u8]) -> Result<Value> {
    let bundle = serde_json::to_value(k8s_openapi::ByteString(authority.to_vec()))?;
    Ok(json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [{
            "name": "owners.rig.example",
            "clientConfig": {"url": url, "caBundle": bundle},
            "rules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["replicasets"], "operations": ["UPDATE"],
            }],
            "namespaceSelector": {"matchLabels": {LABEL: namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }],
    }))
}

fn review(review: &Value) -> Value {
    let request = &review["request"];
    let refused = refusal(&request["oldObject"], &request["object"]);
    json!({
        "apiVersion": review["apiVersion"],
        "kind": "AdmissionReview",
        "response": {"uid": request["uid"], "allowed": refused.is_none(), "status": {"code": 403, "message": refused}},
    })
}

/// Why an object must not change from `before` to `after`, if it must not.
fn refusal(before: &Value, after: &Value) -> Option<String> {
    let owned = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["kind"] == "Rollout")
    };
    (!owned(before) && owned(after)).then(|| REFUSAL.to_owned())
}
