//! What a store is sent with each question, besides it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use form_urlencoded::parse;
use serde_json::{Value, json};
use tidegate_analysis::Analyzer;
use tidegate_endpoints::Endpoints;
use tokio::net::TcpListener;

use crate::support::CheckUnderTest;

/// What a store was asked: the parameters of each question, by its path.
type Asked = Arc<Mutex<Vec<(&'static str, HashMap<String, String>)>>>;

/// A store that says this of itself, and has nothing.
async fn start(build_information: Value) -> (Asked, String) {
    let asked = Asked::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let question = |path: &'static str| {
        post(async move |State(asked): State<Asked>, body: String| {
            asked.lock().unwrap().push((path, parse(body.as_bytes()).into_owned().collect()));
            json!({"status": "success", "data": {"resultType": "matrix", "result": []}}).to_string()
        })
    };
    let app = Router::new()
        .route("/api/v1/status/buildinfo", get(async move || build_information.to_string()))
        .route("/api/v1/query", question("query"))
        .route("/api/v1/query_range", question("query_range"))
        .with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (asked, url)
}

/// What each question was sent under that name, after a look at a stage that has lasted for ten minutes.
async fn sent(build_information: &Value, params: &str, name: &str) -> Vec<(&'static str, Option<String>)> {
    let (asked, url) = start(json!({"status": "success", "data": build_information})).await;
    let endpoints = format!("endpoints: [{{name: default, url: \"{url}\", params: {params}}}]");
    let analyzer = Analyzer::new(&Endpoints::parse(&endpoints, "endpoints.yaml").unwrap()).unwrap();
    let query = json!({"expr": "queue_length", "max": 1, "for": "5m"});
    let mut subject = CheckUnderTest::new(&json!([{"name": "queue", "query": query}]));
    subject.since -= jiff::SignedDuration::from_mins(10);
    subject.look(&analyzer).await;
    let asked = asked.lock().unwrap();
    asked.iter().map(|(path, sent)| (*path, sent.get(name).cloned())).collect()
}

#[tokio::test]
async fn a_thanos_is_told_with_each_question_to_give_what_is_not_downsampled() {
    let thanos = json!({"version": "0.39.2", "revision": "a", "branch": "HEAD", "goVersion": "go1.24"});
    let name = "max_source_resolution";
    let asked = sent(&thanos, "{}", name).await;
    assert!(asked.iter().any(|(path, _)| *path == "query"), "{asked:?}");
    assert!(asked.iter().any(|(path, _)| *path == "query_range"), "{asked:?}");
    assert!(asked.iter().all(|(_, value)| value.as_deref() == Some("0s")), "{asked:?}");
    let prometheus = json!({"version": "3.5.3", "revision": "a", "branch": "HEAD", "goVersion": "go1.24"});
    assert!(sent(&prometheus, "{}", name).await.iter().all(|(_, value)| value.is_none()));
}

#[tokio::test]
async fn what_the_platform_team_writes_is_sent_and_goes_before_what_a_store_is_told_otherwise() {
    let thanos = json!({"version": "0.39.2", "revision": "a", "branch": "HEAD", "goVersion": "go1.24"});
    let all = |asked: &[(&str, Option<String>)], wanted: &str| {
        !asked.is_empty() && asked.iter().all(|(_, value)| value.as_deref() == Some(wanted))
    };
    let asked = sent(&thanos, "{dedup: \"true\"}", "dedup").await;
    assert!(all(&asked, "true"), "{asked:?}");
    let asked = sent(&thanos, "{max_source_resolution: 5m}", "max_source_resolution").await;
    assert!(all(&asked, "5m"), "{asked:?}");
}
