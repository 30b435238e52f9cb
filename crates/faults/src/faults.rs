//! What can go wrong between the operator and the API server, call by call.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures::{StreamExt, future::BoxFuture};
use http::{Request, Response, request::Parts};
use serde_json::{Value, json};
use tidegate_apiserver::{ApiServer, Change, Changes, What};
use tokio::sync::Notify;
use tower::BoxError;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operator dies before the call gets there.
    CrashBefore,
    /// The operator dies when the call has been carried out.
    CrashAfter,
    /// The call is carried out, and its answer never comes: the caller gives up.
    LostAnswer,
    /// The call is not carried out, and nobody says so: the caller gives up.
    LostRequest,
    /// The call is refused with this status.
    Refused(u16),
    /// A read shows what was so a while ago; a watch tells of everything with a delay.
    Stale,
    /// The answer comes after so many seconds.
    Slow(u64),
    /// The call is carried out, and half of the answer comes. A watch breaks off in the middle of a line.
    Truncated,
    /// A watch tells everything twice.
    Twice,
    /// A watch falls silent for good.
    Silent,
    /// A watch ends at once; what it would have told has been forgotten.
    Gone,
}

/// How long ago "a while ago" is.
const STALE: Duration = Duration::from_secs(2);

/// All calls of an operator, and what goes wrong with which.
#[derive(Clone)]
pub struct Wire {
    server: ApiServer,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    crash: Notify,
}

struct State {
    /// Every call so far, as its method and path.
    calls: Vec<String>,
    /// What goes wrong, by the number of the call, counted from 0.
    planned: BTreeMap<usize, Fault>,
    past: Past,
}

impl Wire {
    /// Calls to `server`, with these faults.
    pub fn new(server: ApiServer, planned: BTreeMap<usize, Fault>) -> Self {
        let past = Past { changes: server.changes(), log: Vec::new() };
        let state = Mutex::new(State { calls: Vec::new(), planned, past });
        Self { server, shared: Arc::new(Shared { state, crash: Notify::new() }) }
    }

    /// Waits until the operator has to die.
    pub async fn crash(&self) {
        self.shared.crash.notified().await;
    }

    /// Every call so far, as its method and path.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self, request: Request<kube::client::Body>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let watch = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
        let fault = {
            let mut state = self.lock();
            let number = state.calls.len();
            let verb = if watch { "WATCH" } else { parts.method.as_str() };
            state.calls.push(format!("{verb} {}", parts.uri.path()));
            state.planned.get(&number).copied()
        };
        match fault {
            Some(fault) => self.spoil(fault, watch, &parts, &body).await,
            None => Ok(self.server.respond(&parts, &body)),
        }
    }

    /// The answer to a call with which something goes wrong.
    async fn spoil(&self, fault: Fault, watch: bool, parts: &Parts, body: &Bytes) -> Result<Response<Body>, BoxError> {
        match fault {
            Fault::CrashBefore => {
                self.shared.crash.notify_one();
                pending().await
            }
            Fault::CrashAfter => {
                drop(self.server.respond(parts, body));
                self.shared.crash.notify_one();
                pending().await
            }
            Fault::LostAnswer => {
                drop(self.server.respond(parts, body));
                pending().await
            }
            Fault::Refused(code) => Ok(refusal(code)),
            Fault::Slow(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(self.server.respond(parts, body))
            }
            Fault::Stale if watch => Ok(changed(self.server.respond(parts, body), |lines| {
                lines
                    .then(|line| async move {
                        tokio::time::sleep(STALE).await;
                        line
                    })
                    .boxed()
            })),
            Fault::Stale => {
                let answer = self.server.respond(parts, body);
                if parts.method == http::Method::GET { self.aged(answer).await } else { Ok(answer) }
            }
            Fault::Truncated => Ok(changed(self.server.respond(parts, body), |lines| {
                lines.map(|line| line.map(|line| line.slice(..line.len() / 2))).take(1).boxed()
            })),
            Fault::Twice => Ok(changed(self.server.respond(parts, body), |lines| {
                lines
                    .flat_map(|line| {
                        let again = line.as_ref().map_or(Bytes::new(), Clone::clone);
                        futures::stream::iter([line, Ok(again)])
                    })
                    .boxed()
            })),
            Fault::Silent if watch => {
                Ok(changed(self.server.respond(parts, body), |_| futures::stream::pending().boxed()))
            }
            Fault::LostRequest | Fault::Silent => pending().await,
            Fault::Gone if watch => {
                let status = json!({"type": "ERROR", "object": status(410)});
                Ok(Response::new(Body::from(format!("{status}\n"))))
            }
            Fault::Gone => Ok(refusal(410)),
        }
    }

    /// The same answer as it was a while ago.
    async fn aged(&self, answer: Response<Body>) -> Result<Response<Body>, BoxError> {
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await?;
        let Ok(mut object) = serde_json::from_slice::<Value>(&body) else {
            return Ok(Response::from_parts(head, body.into()));
        };
        let mut state = self.lock();
        state.past.learn();
        state.past.age(&mut object);
        drop(state);
        Ok(Response::from_parts(head, object.to_string().into()))
    }
}

impl tower::Service<Request<kube::client::Body>> for Wire {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

type Lines = futures::stream::BoxStream<'static, Result<Bytes, axum::Error>>;

/// The same answer with other bytes.
fn changed(answer: Response<Body>, change: impl FnOnce(Lines) -> Lines) -> Response<Body> {
    answer.map(|body| Body::from_stream(change(body.into_data_stream().boxed())))
}

fn status(code: u16) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
        "message": format!("a fault that was planned: {reason}"),
    })
}

fn refusal(code: u16) -> Response<Body> {
    let response = Response::builder().status(code).header("Content-Type", "application/json");
    let response = if code == 429 { response.header("Retry-After", "1") } else { response };
    response.body(Body::from(status(code).to_string())).unwrap()
}

/// What objects were before they changed.
struct Past {
    changes: Changes,
    log: Vec<Change>,
}

/// How many changes ago "a while ago" is.
const CHANGES: usize = 3;

impl Past {
    fn learn(&mut self) {
        self.log.extend(self.changes.drain());
    }

    /// Makes an answer as old as it would have been before the last few changes of its kind.
    fn age(&self, answer: &mut Value) {
        let kind = answer["kind"].as_str().unwrap_or_default().to_owned();
        if let Some(kind) = kind.strip_suffix("List") {
            let recent: Vec<_> =
                self.log.iter().rev().filter(|change| change.resource.kind == kind).take(CHANGES).collect();
            for change in &recent {
                undo(answer, change);
            }
            if let Some(oldest) = recent.last() {
                answer["metadata"]["resourceVersion"] = json!((oldest.object.version() - 1).to_string());
            }
            return;
        }
        let uid = answer.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        let last = self.log.iter().rev().find(|change| change.object.uid() == uid);
        if let Some(before) = last.and_then(|change| change.before.as_ref()) {
            let before = before.value();
            answer["metadata"] = before["metadata"].clone();
            for field in ["spec", "status"] {
                if answer.get(field).is_some() {
                    answer[field] = before[field].clone();
                }
            }
        }
    }
}

fn undo(list: &mut Value, change: &Change) {
    let Some(items) = list["items"].as_array_mut() else { return };
    let place = items.iter().position(|item| item["metadata"]["uid"] == *change.object.uid());
    match (change.what, place, &change.before) {
        (What::Added, Some(place), _) => drop(items.remove(place)),
        (What::Modified, Some(place), Some(before)) => items[place] = before.value().clone(),
        (What::Deleted, None, _) => items.push(change.object.value().clone()),
        _ => {}
    }
}
