//! What stands before the embedded API server: who asks, whether they may, whether admission lets it pass, and the
//! audit log of it all, in the form of Kubernetes' own.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use anyhow::Result;
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, Uri, header::AUTHORIZATION, request::Parts},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_apiserver::{
    ApiServer,
    authorization::{Attributes, User, allows},
    http,
};

use super::identity::Identity;

/// Bodies that are longer are no requests of anybody here.
const LONGEST: usize = 16 << 20;

/// Says why a change from the first object to the second one is refused.
pub type Review = fn(&Value, &Value) -> Option<String>;

/// By namespace: who has a say in changes of ReplicaSets.
pub type Reviews = Arc<RwLock<BTreeMap<String, Review>>>;

/// All that requests pass on their way to the server.
pub struct FrontDoor {
    server: ApiServer,
    reviews: Reviews,
    audit: Mutex<File>,
}

impl FrontDoor {
    /// Puts a door before `server`; the audit log goes to `audit`.
    pub fn before(server: ApiServer, reviews: Reviews, audit: &Path) -> Result<Router> {
        let audit = Mutex::new(OpenOptions::new().create(true).append(true).open(audit)?);
        let door = Arc::new(Self { server, reviews, audit });
        Ok(Router::new().fallback(enter).with_state(door))
    }

    async fn answer(&self, parts: &Parts, body: &Bytes) -> Response {
        let at = Timestamp::now();
        let Some(who) = who(parts) else {
            return refusal(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
        };
        let Some(target) = Target::of(&parts.method, &parts.uri) else {
            return http::respond(&self.server, parts, body).await;
        };
        let allowed = allows(&self.server, &User { name: who.user(), groups: who.groups() }, &target.attributes());
        let response = if !allowed {
            let message =
                format!("{} cannot {} {} in {:?}", who.user(), target.verb, target.resource, target.namespace);
            refusal(StatusCode::FORBIDDEN, "Forbidden", &message)
        } else if let Some(why) = self.refuses(&target, parts, body) {
            let message = format!("admission webhook \"owners.rig.example\" denied the request: {why}");
            refusal(StatusCode::FORBIDDEN, "Forbidden", &message)
        } else {
            http::respond(&self.server, parts, body).await
        };
        self.record(who, at, &target, allowed, response.status(), body);
        response
    }

    /// What admission says of a write: it looks at what a dry run would leave.
    fn refuses(&self, target: &Target, parts: &Parts, body: &Bytes) -> Option<String> {
        let review = *self.reviews.read().unwrap_or_else(PoisonError::into_inner).get(&target.namespace)?;
        if target.resource != "replicasets" || !["update", "patch"].contains(&target.verb.as_str()) {
            return None;
        }
        let before = self.server.get("replicasets", &target.namespace, &target.name)?;
        let mut dry = parts.clone();
        let query = parts.uri.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&"));
        let path = format!("{}?{}dryRun=All", parts.uri.path(), query.unwrap_or_default());
        dry.uri = path.parse().ok()?;
        let after = self.server.respond(&dry, body).into_body().collect().now_or_never()?.ok()?.to_bytes();
        review(before.value(), &serde_json::from_slice(&after).ok()?)
    }

    /// Writes what the audit policy of the real control plane has written: no reads but the operator's, and no bodies but
    /// those of routes.
    fn record(&self, who: Identity, at: Timestamp, target: &Target, allowed: bool, status: StatusCode, body: &Bytes) {
        let reads = ["get", "list", "watch"].contains(&target.verb.as_str());
        if reads && who != Identity::Operator {
            return;
        }
        let body =
            (target.resource == "httproutes" && target.verb == "update").then(|| serde_json::from_slice(body).ok());
        let line = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1",
            "stage": if target.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" },
            "verb": target.verb,
            "user": {"username": who.user(), "groups": who.groups()},
            "objectRef": {
                "resource": target.resource, "subresource": target.subresource, "apiGroup": target.group,
                "namespace": target.namespace, "name": target.name,
            },
            "responseStatus": {"code": status.as_u16()},
            "requestObject": body.flatten().unwrap_or(Value::Null),
            "requestReceivedTimestamp": at.to_string(),
            "annotations": {"authorization.k8s.io/decision": if allowed { "allow" } else { "forbid" }},
        });
        let mut log = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(log, "{line}") {
            eprintln!("the audit log cannot be written: {error}");
        }
    }
}

async fn enter(State(door): State<Arc<FrontDoor>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, LONGEST).await {
        Ok(body) => door.answer(&parts, &body).await,
        Err(_) => refusal(StatusCode::BAD_REQUEST, "BadRequest", "the body ends before it is complete"),
    }
}

/// kubectl shows no token to a server without TLS, so that whoever shows none is the administrator.
fn who(parts: &Parts) -> Option<Identity> {
    let Some(shown) = parts.headers.get(AUTHORIZATION) else { return Some(Identity::Admin) };
    let token = shown.to_str().ok()?.strip_prefix("Bearer ")?;
    Identity::ALL.into_iter().find(|who| who.token() == token)
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, [("content-type", "application/json")], status.to_string()).into_response()
}

/// What a request for objects is about.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#review-your-request-attributes>
#[derive(Debug, Default)]
struct Target {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

impl Target {
    /// Nothing for what is no object, such as `/version` or the lists of kinds.
    fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let mut path = uri.path().split('/').filter(|part| !part.is_empty());
        let group = match path.next()? {
            "api" => "",
            "apis" => path.next()?,
            _ => return None,
        };
        path.next()?;
        let mut rest: Vec<_> = path.collect();
        let mut target = Self { group: group.to_owned(), ..Self::default() };
        if let ["namespaces", namespace, _, ..] = rest[..]
            && !matches!(rest[2], "status" | "finalize")
        {
            namespace.clone_into(&mut target.namespace);
            rest.drain(..2);
        }
        let mut rest = rest.into_iter().map(str::to_owned);
        target.resource = rest.next()?;
        target.name = rest.next().unwrap_or_default();
        target.subresource = rest.next().unwrap_or_default();
        let query = uri.query().unwrap_or_default();
        let watches = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        let one = !target.name.is_empty();
        let verb = match *method {
            Method::GET | Method::HEAD if watches => "watch",
            Method::GET | Method::HEAD if one => "get",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if one => "delete",
            Method::DELETE => "deletecollection",
            _ => return None,
        };
        verb.clone_into(&mut target.verb);
        if !one {
            let selected = query.split('&').find_map(|pair| pair.strip_prefix("fieldSelector=metadata.name%3D"));
            selected.unwrap_or_default().clone_into(&mut target.name);
        }
        Some(target)
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            verb: &self.verb,
            group: &self.group,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
        }
    }
}
