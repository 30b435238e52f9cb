//! The server as a service of HTTP requests, without a network.

use std::{sync::Arc, task};

use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use http::{
    HeaderValue, Request, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT, WARNING},
    request::Parts,
};
use serde_json::Value;

use super::{
    ApiServer, Object, Refusal,
    answer::{Form, done, gone, respond},
    discovery::document,
    openapi,
    place::Place,
    protobuf::{self, known},
    request::{Call, Query, Target, Verb},
    reviews,
    watch::Watch,
    write::{
        Writer,
        delete::{DeleteOptions, Deletion},
        patch::Patch,
        scale_of,
    },
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
        let query = match Query::parse(parts.uri.query().unwrap_or_default()) {
            Ok(query) => query,
            Err(refusal) => return refused(&refusal),
        };
        let Some(target) = Target::parse(parts.uri.path()) else {
            return self.discovery(parts).unwrap_or_else(|| refused(&Refusal::unknown_path()));
        };
        let verb = match target.verb(&parts.method, &query) {
            Ok(verb) => verb,
            Err(refusal) => return refused(&refusal),
        };
        let answer = in_json(parts, body).and_then(|body| self.answer(verb, &target, &query, parts, &body));
        let response = answer.unwrap_or_else(|refusal| refused(&refusal));
        self.tell(|| call(verb, target, &query, parts, response.status().as_u16()));
        response
    }

    fn answer(
        &self,
        verb: Verb,
        target: &Target,
        query: &Query,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response<Body>, Refusal> {
        if verb == Verb::Create
            && let Some(answer) = review(target, parts, body)
        {
            return answer.map(|answer| respond(201, answer.to_string()));
        }
        self.in_containers(target)?;
        let place = self.lock().place(target.clone())?;
        let form = Form::of(parts);
        match verb {
            Verb::Watch => Ok(respond(200, Watch::begin(self, place, form, query)?.into_body())),
            Verb::List => {
                let page = self.lock().page(&place, query)?;
                Ok(respond(200, form.list(&place, &page)))
            }
            Verb::Get => {
                let object = self.read(&place)?;
                Ok(respond(200, form.object(&object)))
            }
            Verb::Delete => self.delete_one(&place, query, body, &self.writer_of(query, parts)),
            Verb::DeleteCollection => self.delete_many(&place, query, body, &self.writer_of(query, parts)),
            Verb::Create | Verb::Update | Verb::Patch => {
                let writer = self.writer_of(query, parts);
                let (object, created) = self.write(verb, &place, query, parts, body, &writer)?;
                let shown = if place.subresource == "scale" { object } else { place.view.show(object) };
                let mut response = respond(if created { 201 } else { 200 }, form.object(&shown));
                if query.field_validation.as_deref().is_none_or(|asked| asked == "Warn") {
                    response.headers_mut().extend(self.warnings(&place, body).map(|it| (WARNING, it)));
                }
                Ok(response)
            }
        }
    }

    /// Refuses what goes on within containers: there are none.
    fn in_containers(&self, target: &Target) -> Result<(), Refusal> {
        let within = ["log", "exec", "attach", "portforward", "proxy"].contains(&target.subresource.as_str());
        if target.plural != "pods" || !within {
            return Ok(());
        }
        let place = self.lock().place(Target { subresource: String::new(), ..target.clone() })?;
        self.read(&place)?;
        let Target { name, subresource, .. } = target;
        Err(Refusal::not_implemented(format!(
            "pods \"{name}\": this cluster is a simulation, in which pods have a state and no containers that run, so \
             that there is no {subresource} of them"
        )))
    }

    fn read(&self, place: &Place) -> Result<Arc<Object>, Refusal> {
        let found = self.lock().object(&place.resource, &place.namespace, &place.name);
        let found = found.ok_or_else(|| Refusal::not_found(&place.resource, &place.name))?;
        match place.subresource.as_str() {
            "scale" => Ok(Arc::new(Object::new(scale_of(&place.resource, found.value())))),
            "" | "status" => Ok(place.view.show(found)),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// The object after the write, and whether it is new.
    fn write(
        &self,
        verb: Verb,
        place: &Place,
        query: &Query,
        parts: &Parts,
        body: &Bytes,
        writer: &Writer,
    ) -> Result<(Arc<Object>, bool), Refusal> {
        let mut state = self.lock();
        match (verb, place.subresource.as_str()) {
            (Verb::Create, "") => state.create(place, parse(body)?, writer).map(|object| (object, true)),
            (Verb::Create, "binding") => {
                state.bind(place, &parse(body)?, writer)?;
                Ok((Arc::new(Object::new(done(201))), true))
            }
            (Verb::Create, "eviction") => {
                let eviction = parse(body)?;
                let options = eviction.get("deleteOptions").cloned().unwrap_or_default();
                let options = DeleteOptions::parse(&options, DeleteOptions::default(), None)?;
                state.delete(place, &options, writer)?;
                Ok((Arc::new(Object::new(done(201))), true))
            }
            (Verb::Update, "" | "status" | "scale" | "finalize") => {
                state.replace(place, parse(body)?, writer).map(|object| (object, false))
            }
            (Verb::Patch, "" | "status" | "scale") => {
                let patch = Patch::parse(header(parts, &CONTENT_TYPE), body, query.force)?;
                state.patch(place, patch, writer)
            }
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn delete_one(
        &self,
        place: &Place,
        query: &Query,
        body: &Bytes,
        writer: &Writer,
    ) -> Result<Response<Body>, Refusal> {
        let options = delete_options(query, body)?;
        let writer = Writer { dry_run: options.dry_run, ..writer.clone() };
        let returns_object = ["pods", "services", "serviceaccounts"].contains(&place.resource.full_name().as_str());
        match self.lock().delete(place, &options, &writer)? {
            Deletion::Gone(object) if !returns_object => Ok(respond(200, gone(place, &object).to_string())),
            Deletion::Gone(object) | Deletion::Waiting(object) => {
                Ok(respond(200, place.view.show(object).json().clone()))
            }
        }
    }

    /// Deletes what the query selects, and answers with it.
    fn delete_many(
        &self,
        place: &Place,
        query: &Query,
        body: &Bytes,
        writer: &Writer,
    ) -> Result<Response<Body>, Refusal> {
        if place.resource.namespaced && place.namespace.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let options = delete_options(query, body)?;
        let writer = Writer { dry_run: options.dry_run, ..writer.clone() };
        let mut state = self.lock();
        let page = state.page(place, query)?;
        for object in &page.objects {
            let place = Place { name: object.name().to_owned(), ..place.clone() };
            state.delete(&place, &options, &writer)?;
        }
        Ok(respond(200, Form::Whole.list(place, &page)))
    }

    fn writer_of(&self, query: &Query, parts: &Parts) -> Writer {
        let manager = query.manager.as_deref().unwrap_or_else(|| program(parts));
        let strict = query.field_validation.as_deref() == Some("Strict");
        Writer { dry_run: query.dry_run, strict, is_client: true, ..self.writer(manager) }
    }

    /// One warning for each field in the body that the kind does not have.
    fn warnings(&self, place: &Place, body: &Bytes) -> impl Iterator<Item = HeaderValue> {
        let schema = self.lock().schema(&place.resource);
        let body = serde_json::from_slice(body).ok().filter(|_| ["", "status"].contains(&place.subresource.as_str()));
        let api_version = place.view.api_version().map_or_else(|| place.resource.api_version(), str::to_owned);
        let unknown = body.map(|mut body| match schema {
            Some(schema) => schema.prune(&mut body),
            None => known::prune(&api_version, &place.resource.kind, &mut body),
        });
        let quoted = |path: String| HeaderValue::try_from(format!("299 - \"unknown field \\\"{path}\\\"\""));
        unknown.into_iter().flatten().filter_map(move |path| quoted(path).ok())
    }

    fn discovery(&self, parts: &Parts) -> Option<Response<Body>> {
        let state = self.lock();
        if let Some(path) = parts.uri.path().strip_prefix("/openapi/v3") {
            return openapi::document(&state, path.trim_matches('/')).map(|it| respond(200, it.to_string()));
        }
        let served = state.served();
        let document = document(served.iter().map(AsRef::as_ref), parts.uri.path(), header(parts, &ACCEPT))?;
        let mut response = Response::new(document.body.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(document.content_type));
        Some(response)
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    respond(refusal.code, refusal.status().to_string())
}

/// The answer to a question, if the request asks one.
fn review(target: &Target, parts: &Parts, body: &Bytes) -> Option<Result<Value, Refusal>> {
    let asked = reviews::kinds().any(|it| it.group == target.group && it.plural == target.plural);
    asked.then(|| parse(body)).and_then(|body| match body {
        Ok(body) => reviews::answer(&target.group, &target.plural, body, user(parts)),
        Err(refusal) => Some(Err(refusal)),
    })
}

/// The body in JSON, whatever it came in.
fn in_json(parts: &Parts, body: &Bytes) -> Result<Bytes, Refusal> {
    if header(parts, &CONTENT_TYPE).starts_with(protobuf::MEDIA_TYPE) {
        return Ok(protobuf::object(body)?.to_string().into());
    }
    Ok(body.clone())
}

fn parse(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the object provided is unrecognized: {error}")))
}

fn delete_options(query: &Query, body: &Bytes) -> Result<DeleteOptions, Refusal> {
    let body = if body.is_empty() { Value::Null } else { parse(body)? };
    let from_query =
        DeleteOptions { grace_seconds: query.grace_seconds, dry_run: query.dry_run, ..DeleteOptions::default() };
    DeleteOptions::parse(&body, from_query, query.propagation.as_deref())
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Who asks: the bearer token, which is the user's name here; empty without one.
fn user(parts: &Parts) -> &str {
    header(parts, &AUTHORIZATION).trim_start_matches("Bearer ")
}

/// The program that asks, which is the manager of the fields unless another is named.
fn program(parts: &Parts) -> &str {
    let agent = header(parts, &USER_AGENT);
    let name = agent.split('/').next().unwrap_or(agent);
    if name.is_empty() { "unknown" } else { name }
}

fn call(verb: Verb, target: Target, query: &Query, parts: &Parts, code: u16) -> Call {
    let manager = query.manager.as_deref().unwrap_or_else(|| program(parts));
    Call {
        user: user(parts).to_owned(),
        manager: manager.to_owned(),
        verb,
        group: target.group,
        resource: target.plural,
        subresource: target.subresource,
        namespace: target.namespace,
        name: target.name,
        code,
    }
}
