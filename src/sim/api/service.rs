//! The server as a service of HTTP requests, without a network.

use std::{sync::Arc, task};

use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, USER_AGENT},
    request::Parts,
};
use serde_json::Value;

use super::{
    ApiServer, Object, Refusal, Resource,
    discovery::document,
    read::{list_json, metadata_only},
    request::{Query, Target, Verb},
    state::Writer,
    watch::Watch,
};

impl tower::Service<Request<kube::client::Body>> for ApiServer {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            Ok(server.respond(&parts, &body))
        })
    }
}

impl ApiServer {
    /// Answers a request whose body has been read.
    #[must_use]
    pub fn respond(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        self.answer(parts, body).unwrap_or_else(|refusal| json_response(refusal.code, refusal.status().to_string()))
    }

    fn answer(&self, parts: &Parts, body: &Bytes) -> Result<Response<Body>, Refusal> {
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let Some(target) = Target::parse(parts.uri.path()) else {
            return self.discovery(parts).ok_or_else(Refusal::unknown_path);
        };
        let verb = target.verb(&parts.method, &query)?;
        let resource = self.lock().resource(&target)?;
        let answer = match verb {
            Verb::Watch => return Ok(streamed(Watch::begin(self, &resource, &target, &query)?.into_body())),
            Verb::List => {
                let page = self.lock().page(&resource, &target, &query)?;
                return Ok(json_response(200, list_json(&resource, &page)));
            }
            Verb::Get => {
                let state = self.lock();
                let found = state.object(&resource, &target.namespace, &target.name);
                found.ok_or_else(|| Refusal::not_found(&resource, &target.name))?
            }
            _ => self.write(verb, &resource, &target, &query, parts, body)?,
        };
        let code = if verb == Verb::Create { 201 } else { 200 };
        if wants_metadata(parts) {
            return Ok(json_response(code, metadata_only(answer.value()).to_string()));
        }
        Ok(json_response(code, answer.json().clone()))
    }

    fn write(
        &self,
        verb: Verb,
        resource: &Arc<Resource>,
        target: &Target,
        query: &Query,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Arc<Object>, Refusal> {
        let manager = query.manager.clone().unwrap_or_else(|| default_manager(parts));
        let writer = Writer { dry_run: query.dry_run, ..self.writer(&manager) };
        let value = if body.is_empty() { Value::Null } else { parse(body)? };
        let place = (target.namespace.as_str(), target.name.as_str(), target.subresource.as_str());
        let mut state = self.lock();
        match verb {
            Verb::Create => state.create(resource, &target.namespace, value, &writer),
            Verb::Update => state.replace(resource, place, value, &writer),
            Verb::Patch => state.merge(resource, place, &value, &writer),
            Verb::Delete => state.delete(resource, &target.namespace, &target.name, &writer),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn discovery(&self, parts: &Parts) -> Option<Response<Body>> {
        let accept = parts.headers.get(http::header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let state = self.lock();
        let resources = state.collections.values().map(|it| it.resource.as_ref());
        let document = document(resources, parts.uri.path(), accept)?;
        let mut response = Response::new(document.body.into());
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(document.content_type));
        Some(response)
    }
}

fn parse(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))
}

/// Who writes that does not say so: the program's name in the user agent.
fn default_manager(parts: &Parts) -> String {
    let agent = parts.headers.get(USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or("unknown");
    agent.split('/').next().unwrap_or(agent).to_owned()
}

fn wants_metadata(parts: &Parts) -> bool {
    let accept = parts.headers.get(http::header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    accept.contains("as=PartialObjectMetadata")
}

fn json_response(code: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn streamed(body: Body) -> Response<Body> {
    json_response(200, body)
}
