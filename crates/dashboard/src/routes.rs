//! What is answered where.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use tidegate_api::Rollout;
use tokio::sync::Semaphore;

use super::{
    access::{Access, Caller, Wish},
    actions, assets, events, pods,
    refusal::Refusal,
    store::{Key, Store},
};

/// So many pages are kept up to date at a time.
const STREAMS: usize = 256;

/// Tells what time it is in the cluster.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Explains in words where a Rollout stands.
pub type Explain = Arc<dyn Fn(&Rollout, Timestamp) -> Vec<Part> + Send + Sync>;

/// A part of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The question that it answers.
    pub head: String,
    /// The sentences.
    pub lines: Vec<String>,
}

/// The dashboard of one process.
pub struct Dashboard {
    /// What is shown.
    pub store: Arc<Store>,
    /// To whom.
    pub access: Access,
    /// What time it is.
    pub now: Now,
    /// What is said of a Rollout that is open.
    pub explain: Explain,
    streams: Arc<Semaphore>,
}

impl Dashboard {
    /// Shows what `store` has to whom `access` lets in.
    #[must_use]
    pub fn new(store: Arc<Store>, access: Access, now: Now, explain: Explain) -> Self {
        Self { store, access, now, explain, streams: Arc::new(Semaphore::new(STREAMS)) }
    }

    /// The page and what it asks.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/me", get(me))
            .route("/api/rollouts", get(list))
            .route("/api/rollouts/{namespace}/{name}", get(one))
            .route("/api/rollouts/{namespace}/{name}/pods", get(pods_of))
            .route("/api/rollouts/{namespace}/{name}/{verb}", post(act))
            .route("/api/events", get(follow))
            .fallback(file)
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .with_state(self)
    }

    /// Whether the caller may see the Rollouts of `namespace`.
    pub(super) async fn may_list(&self, caller: &Caller, namespace: &str) -> Result<bool, Refusal> {
        let everywhere = self.access.may(caller, Wish::List, "", "").await?;
        Ok(everywhere || self.access.may(caller, Wish::List, namespace, "").await?)
    }

    /// A turn to be kept up to date.
    pub(super) fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Refusal> {
        let turn = self.streams.clone().try_acquire_owned();
        turn.map_err(|_| Refusal::Unavailable("too many people look at this dashboard at the moment"))
    }
}

/// Before and after everything: nobody comes in through another site, and nothing goes out without its guards.
async fn guard(State(dashboard): State<Arc<Dashboard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match dashboard.access.admit(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in assets::GUARDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    assets::answer(uri.path(), &headers).unwrap_or_else(|| Refusal::NotFound.into_response())
}

/// Data, which nobody keeps.
fn data(value: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, Body::from(serde_json::to_string(value).unwrap_or_default())).into_response()
}

async fn me(State(dashboard): State<Arc<Dashboard>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    let acts = dashboard.access.client_of(&caller);
    let why_not = acts.err().map(|refusal| refusal.to_string());
    Ok(data(&json!({"name": caller.name, "mode": dashboard.access.mode(), "readOnly": why_not})))
}

async fn list(State(dashboard): State<Arc<Dashboard>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    let news = dashboard.store.since(0, usize::MAX);
    let mut rows = Vec::new();
    let mut namespaces = std::collections::BTreeMap::new();
    for (key, row) in news.rows {
        let known = namespaces.get(&key.namespace).copied();
        let is_visible = match known {
            Some(is_visible) => is_visible,
            None => dashboard.may_list(&caller, &key.namespace).await?,
        };
        namespaces.insert(key.namespace.clone(), is_visible);
        if is_visible {
            rows.push((key, row));
        }
    }
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let rows: Vec<_> = rows.iter().map(|(_, row)| &**row).collect();
    Ok(data(&Rows { now: (dashboard.now)(), rows }))
}

/// The whole list.
#[derive(Serialize)]
struct Rows<'a> {
    now: Timestamp,
    rows: Vec<&'a RawValue>,
}

async fn one(
    State(dashboard): State<Arc<Dashboard>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    if !dashboard.access.may(&caller, Wish::Get, &namespace, &name).await? {
        return Err(Refusal::NotFound);
    }
    let (object, series) = dashboard.store.get(&Key { namespace, name }).ok_or(Refusal::NotFound)?;
    let now = (dashboard.now)();
    // Of another version it may not be understood, and is shown all the same.
    let rollout = Rollout::deserialize(&*object).ok();
    let parts = rollout.as_ref().map(|rollout| (dashboard.explain)(rollout, now)).unwrap_or_default();
    let explanation: Vec<_> = parts.iter().map(|part| json!({"head": part.head, "lines": part.lines})).collect();
    let open = rollout.as_ref().map(actions::open).unwrap_or_default();
    Ok(data(&json!({
        "now": now, "object": &*object, "series": series, "explanation": explanation, "actions": open,
        "understood": rollout.is_some(), "stages": rollout.as_ref().map(|rollout| rollout.spec.stages()),
    })))
}

/// By the caller's own rights: those of the dashboard do not reach to pods.
async fn pods_of(
    State(dashboard): State<Arc<Dashboard>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    if !dashboard.access.may(&caller, Wish::Get, &namespace, &name).await? {
        return Err(Refusal::NotFound);
    }
    let key = Key { namespace, name };
    let (object, _) = dashboard.store.get(&key).ok_or(Refusal::NotFound)?;
    let client = dashboard.access.client_of(&caller)?;
    let versions = Rollout::deserialize(&*object).map(|rollout| pods::versions(&rollout)).unwrap_or_default();
    let found = pods::list(client, &key.namespace, &versions).await;
    let refused = |error: kube::Error| match error {
        kube::Error::Api(status) if status.code == 403 => Refusal::Forbidden(status.message),
        _ => Refusal::Unavailable("the cluster does not answer which pods there are"),
    };
    Ok(data(&json!({"pods": found.map_err(refused)?})))
}

async fn act(
    State(dashboard): State<Arc<Dashboard>>,
    Path((namespace, name, verb)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    if !dashboard.access.may(&caller, Wish::Get, &namespace, &name).await? {
        return Err(Refusal::NotFound);
    }
    // Nothing but a name that the cluster has given goes into a path.
    dashboard.store.get(&Key { namespace: namespace.clone(), name: name.clone() }).ok_or(Refusal::NotFound)?;
    let client = dashboard.access.client_of(&caller)?;
    let said = actions::carry_out(&client, &namespace, &name, &verb, &body).await?;
    Ok(data(&json!({"message": said})))
}

async fn follow(State(dashboard): State<Arc<Dashboard>>, headers: HeaderMap) -> Result<Response, Refusal> {
    events::stream(dashboard, headers).await
}
