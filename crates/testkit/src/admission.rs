//! A cluster whose admission does not let a ReplicaSet change hands: a real webhook of the API server, or the embedded
//! one's front door.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::ReplicaSet, core::v1::Namespace,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use super::{cluster, control_plane::Reviews, shop::Shop, wait::until, world::World};

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
    let tls = Arc::new(server_config(directory)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}/", listener.local_addr()?);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = Arc::clone(&tls);
            tokio::task::spawn_blocking(move || {
                // A client that goes away says so itself.
                let _ = stream.into_std().map_err(anyhow::Error::from).and_then(|stream| answer(tls, stream));
            });
        }
    });
    let namespaces = Api::<Namespace>::all(client.clone());
    let labelled = Patch::Merge(json!({"metadata": {"labels": {LABEL: namespace}}}));
    namespaces.patch(namespace, &PatchParams::default(), &labelled).await?;
    let authority = fs::read(directory.join("ca.crt"))?;
    cluster::create(client, configuration(namespace, &url, &authority)?).await?;
    Ok(task.abort_handle())
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

fn server_config(directory: &Path) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("server.crt"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key"))?;
    Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?)
}

/// One request, one answer.
fn answer(tls: Arc<ServerConfig>, stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = review(&serde_json::from_slice(&body)?).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let stream = reader.get_mut();
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
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
