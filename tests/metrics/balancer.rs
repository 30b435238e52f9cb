//! A load balancer in front of several Prometheus servers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use tokio::net::TcpListener;

/// Starts one that asks `replicas` by turns, and returns its URL.
pub async fn start(replicas: &[&str]) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let replicas: Vec<_> = replicas.iter().map(|url| (*url).to_owned()).collect();
    let state = Arc::new((replicas, AtomicUsize::new(0), reqwest::Client::new()));
    let app = Router::new().fallback(forward).with_state(state);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

type Replicas = Arc<(Vec<String>, AtomicUsize, reqwest::Client)>;

async fn forward(State(replicas): State<Replicas>, request: Request) -> Result<Response, StatusCode> {
    let (urls, turn, http) = &*replicas;
    let url = &urls[turn.fetch_add(1, Ordering::Relaxed) % urls.len()];
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let asked = http.request(head.method, format!("{url}{}", head.uri)).headers(head.headers).body(body);
    let answer = asked.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let mut response = Response::builder().status(answer.status());
    for name in ["content-type", "content-encoding"] {
        if let Some(value) = answer.headers().get(name) {
            response = response.header(name, value);
        }
    }
    let body = answer.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    response.body(Body::from(body)).map_err(|_| StatusCode::BAD_GATEWAY)
}
