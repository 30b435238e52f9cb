//! The server over HTTP, for kubectl.

use std::{convert::Infallible, io};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use futures::{StreamExt, stream};
use http::{
    HeaderValue, Method, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, DATE},
    request::Parts,
};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::net::TcpListener;

use super::{
    ApiServer, Refusal, event_times, here,
    request::Target,
    table::{Columns, Include},
};

/// A request with a longer body is refused; Kubernetes takes 3 MiB.
const LONGEST_BODY: usize = 3 * 1024 * 1024;

/// Answers HTTP requests of programs on this machine on `listener` until `shutdown`, and what has been asked by then.
///
/// # Errors
/// If the listener breaks down.
pub async fn serve(
    server: ApiServer,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(server);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// The text of a kubeconfig for the server that listens on `port` of this machine. Its context is called `name`.
#[must_use]
pub fn kubeconfig(name: &str, port: u16) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "users": [{"name": name, "user": {}}],
    });
    // JSON is YAML.
    format!("{config:#}\n")
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = here::admit(&parts) {
        return refused(&refusal);
    }
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return refused(&Refusal {
            code: 413,
            reason: "RequestEntityTooLarge",
            message: format!("the body of the request is longer than {LONGEST_BODY} bytes"),
            details: Value::Null,
        });
    };
    respond(&server, &parts, &body).await
}

/// The answer to a request whose body has been read; as a table, where that is asked for. It is dated by the server's clock.
pub async fn respond(server: &ApiServer, parts: &Parts, body: &Bytes) -> Response {
    let mut response = shown(server, parts, body).await;
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&server.now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn shown(server: &ApiServer, parts: &Parts, body: &Bytes) -> Response {
    let response = server.respond(parts, body);
    if response.status() != StatusCode::OK {
        return response;
    }
    if let Some(view) = wanted_table(server, parts) {
        return view.of(response, is_watch(parts)).await;
    }
    match time_to_shift(server, parts) {
        Some(by) => shifted(response, by, is_watch(parts)).await,
        None => response,
    }
}

/// How far the times in the answer are to be moved, if it tells events to programs in another time.
fn time_to_shift(server: &ApiServer, parts: &Parts) -> Option<SignedDuration> {
    let target = Target::parse(parts.uri.path()).filter(|target| target.plural == "events")?;
    let by = Timestamp::now().duration_since(server.now());
    let is_another = by.abs() > SignedDuration::from_secs(1);
    (parts.method == Method::GET && target.subresource.is_empty() && is_another).then_some(by)
}

async fn shifted(response: Response, by: SignedDuration, is_watch: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let shifted = move |text: &[u8]| {
        serde_json::from_slice(text).map(|mut answer: Value| {
            let event = if is_watch { answer.get_mut("object") } else { Some(&mut answer) };
            if let Some(event) = event {
                event_times::shift(event, by);
            }
            answer.to_string()
        })
    };
    let body = if is_watch {
        Body::from_stream(body.into_data_stream().map(move |lines| {
            let lines = lines.unwrap_or_default();
            let lines = lines.split(|byte| *byte == b'\n').filter_map(|line| shifted(line).ok());
            Ok::<_, Infallible>(Bytes::from(lines.map(|line| line + "\n").collect::<String>()))
        }))
    } else {
        let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
        shifted(&whole).map_or_else(|_| Body::from(whole), Body::from)
    };
    Response::from_parts(parts, body)
}

fn refused(refusal: &Refusal) -> Response {
    let mut response = Response::new(Body::from(refusal.status().to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An answer shown as a table.
struct View {
    server: ApiServer,
    columns: Columns,
    include: Include,
}

/// The table that a request asks for, if it does and if the path names objects.
fn wanted_table(server: &ApiServer, parts: &Parts) -> Option<View> {
    let accept = parts.headers.get(ACCEPT)?.to_str().ok()?;
    if parts.method != Method::GET || !accept.split(',').next()?.contains("as=Table") {
        return None;
    }
    let target = Target::parse(parts.uri.path()).filter(|target| target.subresource.is_empty())?;
    let name = format!("{}.{}", target.plural, target.group);
    let columns = match server.get("customresourcedefinitions", "", &name) {
        Some(definition) => Columns::of_definition(definition.value(), &target.version),
        None => Columns::built_in(&target.plural),
    };
    let include = match parameter(parts, "includeObject").as_deref() {
        Some("Object") => Include::Object,
        Some("None") => Include::None,
        _ => Include::Metadata,
    };
    Some(View { server: server.clone(), columns, include })
}

fn is_watch(parts: &Parts) -> bool {
    parameter(parts, "watch").is_some_and(|watch| matches!(watch.as_str(), "true" | "1"))
}

fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

impl View {
    async fn of(self, response: Response, is_watch: bool) -> Response {
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        let body = if is_watch { self.of_watch(body) } else { self.of_answer(body).await };
        Response::from_parts(parts, body)
    }

    async fn of_answer(&self, body: Body) -> Body {
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let table = serde_json::from_slice::<Answer<'_>>(&bytes).and_then(|answer| match answer.items {
            Some(items) => self.table(items, &answer.metadata, true),
            None => self.row(serde_json::from_slice(&bytes)?, &answer.metadata, true),
        });
        table.map_or_else(|_| Body::from(bytes), |table| Body::from(String::from(Box::<str>::from(table))))
    }

    /// One table for each line of a watch; the first tells the columns.
    fn of_watch(self, body: Body) -> Body {
        let begin = (self, body.into_data_stream(), true);
        Body::from_stream(stream::unfold(begin, |(view, mut lines, mut is_first)| async move {
            let lines_now = lines.next().await?.ok()?;
            let tables = view.tables(&lines_now, &mut is_first);
            Some((Ok::<_, Infallible>(Bytes::from(tables)), (view, lines, is_first)))
        }))
    }

    fn tables(&self, lines: &[u8], is_first: &mut bool) -> Vec<u8> {
        let mut tables = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else { continue };
            let Ok(answer) = serde_json::from_str::<Answer<'_>>(event.object.get()) else { continue };
            let table = match event.kind {
                "ERROR" => Ok(event.object.to_owned()),
                // It tells how far the watch has come, and is no row.
                "BOOKMARK" => self.table(Vec::new(), &answer.metadata, false),
                _ => self.row(event.object, &answer.metadata, std::mem::take(is_first)),
            };
            let Ok(table) = table else { continue };
            let event = json!({"type": event.kind, "object": table});
            tables.extend_from_slice(event.to_string().as_bytes());
            tables.push(b'\n');
        }
        tables
    }

    /// One object as a table of its own.
    fn row(&self, object: &RawValue, metadata: &Value, with_heads: bool) -> serde_json::Result<Box<RawValue>> {
        let metadata = json!({"resourceVersion": metadata.get("resourceVersion")});
        self.table(vec![object], &metadata, with_heads)
    }

    fn table(&self, objects: Vec<&RawValue>, metadata: &Value, with_heads: bool) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(&self.columns.table(objects, metadata, with_heads, self.include, self.server.now()))
    }
}

/// An object, or a list of them.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    metadata: Value,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// A line of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}
