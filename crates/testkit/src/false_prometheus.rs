//! A server in front of the real Prometheus that answers in its place, in every manner but the right one.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle, time::sleep};

/// How it answers. What the real Prometheus said is in the answer wherever it can be, so that whoever believes it
/// goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the real one does.
    Honest,
    /// 200, with a web page.
    WebPage,
    /// 500, with the real answer in it.
    Failing,
    /// The real answer in five mebibytes.
    Huge,
    /// Without an end.
    Endless,
    /// The real answer, and no number in it.
    NotANumber,
    /// The real answer, with a warning.
    Warning,
    /// A redirect to the real one.
    Redirect,
}

/// The server; gone when dropped.
#[derive(Debug)]
pub struct FalsePrometheus {
    /// Its address.
    pub url: String,
    manner: Arc<RwLock<Manner>>,
    task: AbortHandle,
}

#[derive(Clone)]
struct Front {
    real: String,
    manner: Arc<RwLock<Manner>>,
    http: reqwest::Client,
}

impl FalsePrometheus {
    /// Starts it in front of the Prometheus at `real`, honest for the time being.
    pub async fn start(real: &str, http: reqwest::Client) -> Result<Self> {
        let manner = Arc::new(RwLock::new(Manner::Honest));
        let front = Front { real: real.to_owned(), manner: Arc::clone(&manner), http };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().fallback(answer).with_state(front);
        let task = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Ok(Self { url, manner, task })
    }

    /// From now on, answers in this manner.
    pub fn answer(&self, manner: Manner) {
        *self.manner.write().unwrap_or_else(PoisonError::into_inner) = manner;
    }
}

impl Drop for FalsePrometheus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let manner = *front.manner.read().unwrap_or_else(PoisonError::into_inner);
    let Ok((location, real)) = front.ask(request).await else { return StatusCode::BAD_GATEWAY.into_response() };
    match manner {
        Manner::Honest => in_json(real),
        Manner::WebPage => Html("<html><body>Sign in</body></html>").into_response(),
        Manner::Failing => (StatusCode::INTERNAL_SERVER_ERROR, in_json(real)).into_response(),
        Manner::Huge => in_json(format!("{real}{}", " ".repeat(5 << 20))),
        Manner::Endless => in_json(Body::from_stream(stream::unfold(Some(real), |left| async move {
            // The whole answer first: only its end is missing.
            if left.is_none() {
                sleep(Duration::from_millis(100)).await;
            }
            Some((Ok::<_, Infallible>(Bytes::from(left.unwrap_or_else(|| " ".to_owned()))), None))
        }))),
        Manner::NotANumber => in_json(changed(&real, |answer| no_numbers(&mut answer["data"]["result"]))),
        Manner::Warning => in_json(changed(&real, |answer| answer["warnings"] = json!(["a store did not answer"]))),
        Manner::Redirect => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response(),
    }
}

impl Front {
    /// Where the request belongs, and what the real Prometheus answers it.
    async fn ask(&self, request: Request) -> Result<(String, String)> {
        let (head, body) = request.into_parts();
        let location = format!("{}{}", self.real, head.uri);
        let mut asking = self.http.request(head.method, &location);
        for (name, value) in head.headers.iter().filter(|(name, _)| *name == header::CONTENT_TYPE) {
            asking = asking.header(name, value);
        }
        let body = axum::body::to_bytes(body, 1 << 20).await?;
        Ok((location, asking.body(body).send().await?.text().await?))
    }
}

fn in_json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn changed(real: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut answer = serde_json::from_str(real).unwrap_or_default();
    change(&mut answer);
    answer.to_string()
}

/// Samples are pairs of a time and a number in quotes.
fn no_numbers(result: &mut Value) {
    for series in result.as_array_mut().into_iter().flatten() {
        if let Some(value) = series.get_mut("value") {
            value[1] = json!("NaN");
        }
        for value in series.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten() {
            value[1] = json!("NaN");
        }
    }
}
