//! What was asked of the API server, by whom: from its own audit log.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::control_plane::Identity;

/// Reads the audit log.
#[derive(Debug, Clone)]
pub struct Audit {
    log: PathBuf,
    elsewhere: Arc<Mutex<String>>,
}

/// One request, as far as RBAC is concerned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`…
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, in the plural.
    pub resource: String,
    /// The subresource, or nothing.
    pub subresource: String,
}

/// One finished request.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it arrived.
    pub at: Timestamp,
    /// What it was for.
    pub access: Access,
    /// In which namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Whether RBAC let it through. A refusal by admission is something else, though both answer 403.
    pub allowed: bool,
    /// The status code of the answer.
    pub code: u16,
    /// What was sent, where the policy has it kept: for HTTPRoutes.
    pub body: Value,
}

impl Request {
    /// Whether it changed something, or tried to.
    pub fn is_write(&self) -> bool {
        !["get", "list", "watch"].contains(&self.access.verb.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    request_received_timestamp: Timestamp,
    #[serde(default)]
    object_ref: Option<Reference>,
    #[serde(default)]
    response_status: Answer,
    #[serde(default)]
    request_object: Value,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    resource: String,
    subresource: String,
    api_group: String,
    namespace: String,
}

impl Audit {
    /// Reads from `log`.
    pub fn of(log: PathBuf) -> Self {
        Self { log, elsewhere: Arc::default() }
    }

    /// Counts what `other` has heard as heard here, because its cluster is about to end: least privilege is a matter of
    /// all that an operator does, wherever a behaviour has one do it.
    pub fn add(&self, other: &Self) -> Result<()> {
        let heard = fs::read_to_string(&other.log)?;
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).push_str(&heard);
        Ok(())
    }

    /// All requests of `who` for objects, those of another cluster last, oldest first.
    pub fn requests(&self, who: Identity) -> Result<Vec<Request>> {
        let mut text = fs::read_to_string(&self.log)?;
        text.push_str(&self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner));
        let user = format!("\"username\":\"{}\"", who.user());
        Ok(text.lines().filter(|line| line.contains(&user)).filter_map(request).collect())
    }

    /// The writes of `who` in one namespace since a moment.
    pub fn writes(&self, who: Identity, namespace: &str, since: Timestamp) -> Result<Vec<Request>> {
        let mut writes = self.requests(who)?;
        writes.retain(|request| request.is_write() && request.namespace == namespace && request.at >= since);
        Ok(writes)
    }
}

/// How often each kind of request occurs, for people to read.
pub fn count(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for Request { access: Access { verb, resource, subresource, .. }, .. } in requests {
        let slash = if subresource.is_empty() { "" } else { "/" };
        *counts.entry(format!("{verb} {resource}{slash}{subresource}")).or_default() += 1;
    }
    counts
}

/// Each request once: when its answer was complete, or, for a watch, when it began.
fn request(line: &str) -> Option<Request> {
    let line: Line = serde_json::from_str(line).ok()?;
    let wanted = if line.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
    let object = line.object_ref?;
    (line.stage == wanted).then(|| Request {
        at: line.request_received_timestamp,
        access: Access {
            verb: line.verb,
            group: object.api_group,
            resource: object.resource,
            subresource: object.subresource,
        },
        namespace: object.namespace,
        allowed: line.annotations.get("authorization.k8s.io/decision").is_none_or(|decision| decision == "allow"),
        code: line.response_status.code,
        body: line.request_object,
    })
}
