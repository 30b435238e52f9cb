//! A receiver over HTTP, which answers as it is told to and remembers what it got.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tempfile::TempDir;
use tidegate_notify::Notifications;
use tokio::net::TcpListener;

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: serde_json::Value,
    pub at: std::time::Instant,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What it answers with, one after the other; at the end 200 for ever.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Said(u16, &'static str),
    Redirect(String),
    Never,
}

#[derive(Clone, Default)]
struct Shared {
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

pub struct Receiver {
    pub url: String,
    shared: Shared,
    files: TempDir,
}

impl Receiver {
    pub async fn start(answers: &[Answer]) -> Self {
        let shared = Shared::default();
        shared.answers.lock().unwrap().extend(answers.iter().cloned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared, files: TempDir::new().unwrap() }
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// All requests, as soon as there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Got> {
        let arrived = async {
            while self.got().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrived).await.expect("nothing comes");
        self.got()
    }

    /// A file with that content.
    pub fn file(&self, content: &str) -> PathBuf {
        let path =
            self.files.path().join(format!("{:x}", content.len()) + &content.replace(['/', ':', '?', '\n'], "_"));
        std::fs::write(&path, format!("{content}\n")).unwrap();
        path
    }

    /// The configuration of one receiver `it` of that kind, which gets everything.
    pub fn config(kind: &str) -> Notifications {
        let text = format!("receivers: [{{name: it, {kind}}}]\nroutes: [{{receivers: [it]}}]");
        Notifications::parse(&text, "n.yaml").unwrap()
    }
}

async fn answer(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let got = Got { path: uri.to_string(), headers, body, at: std::time::Instant::now() };
    shared.got.lock().unwrap().push(got);
    let answer = shared.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    let status = |status: u16| StatusCode::from_u16(status).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::RetryAfter(code, after) => (status(code), [("retry-after", after)]).into_response(),
        Answer::Said(code, said) => (status(code), said).into_response(),
        Answer::Redirect(to) => (status(307), [("location", to)]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}
