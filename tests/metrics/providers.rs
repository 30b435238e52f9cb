//! Services that are no Prometheus, as they answer over HTTP.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tidegate_analysis::Analyzer;
use tidegate_api::{CheckStatus, Verdict};
use tidegate_endpoints::Endpoints;
use tokio::net::TcpListener;

use crate::support::CheckUnderTest;

/// What the service answers, and what it was asked.
#[derive(Clone)]
struct Service {
    answer: Arc<Mutex<(StatusCode, Value)>>,
    asked: Arc<Mutex<Vec<(Uri, HeaderMap)>>>,
}

impl Service {
    /// Starts one, and returns its URL.
    async fn start(answer: Value) -> (Self, String) {
        let service = Self { answer: Arc::new(Mutex::new((StatusCode::OK, answer))), asked: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer_to).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (service, url)
    }

    fn answers(&self, status: StatusCode, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }
}

async fn answer_to(State(service): State<Service>, uri: Uri, headers: HeaderMap) -> Response {
    service.asked.lock().unwrap().push((uri, headers));
    let (status, body) = service.answer.lock().unwrap().clone();
    (status, body.to_string()).into_response()
}

/// The one check of a Rollout, a minute after its stage began: nobody is asked sooner.
async fn judged(analyzer: &Analyzer, query: &Value) -> CheckStatus {
    // What was found in the same minute stands.
    analyzer.forget("uid");
    let mut subject = CheckUnderTest::new(&json!([{"name": "it", "query": query}]));
    subject.since -= jiff::SignedDuration::from_secs(61);
    subject.look(analyzer).await.checks.remove(0)
}

fn analyzer(endpoint: &str) -> Analyzer {
    Analyzer::new(&Endpoints::parse(&format!("endpoints: [{endpoint}]"), "endpoints.yaml").unwrap()).unwrap()
}

fn of_datadog(value: f64) -> Value {
    json!({"status": "ok", "series": [{"scope": "service:checkout", "pointlist": [[1_796_000_000_000_i64, value]]}]})
}

#[tokio::test]
async fn a_number_of_another_service_is_held_against_its_limit_without_any_prometheus() {
    let (service, url) = Service::start(of_datadog(0.2)).await;
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "a-key\n").unwrap();
    let analyzer = analyzer(&format!(
        "{{name: datadog, url: \"{url}\", provider: datadog, headerFiles: {{DD-API-KEY: {}}}}}",
        key.path().display()
    ));
    let expr = "sum:errors{service:{{service}},version:{{revision}}}";
    let query = json!({"provider": "datadog", "expr": expr, "max": 1});
    let passed = judged(&analyzer, &query).await;
    assert_eq!((passed.verdict, passed.value.as_deref()), (Verdict::Pass, Some("0.2")), "{passed:?}");
    let (uri, headers) = service.asked.lock().unwrap().last().cloned().unwrap();
    assert!(uri.to_string().ends_with("&query=sum%3Aerrors%7Bservice%3Acheckout%2Cversion%3Anew%7D"), "{uri}");
    assert_eq!(headers["dd-api-key"], "a-key");

    service.answers(StatusCode::OK, of_datadog(2.0));
    let failed = judged(&analyzer, &query).await;
    assert_eq!((failed.verdict, failed.reason.as_str()), (Verdict::Fail, "AboveLimit"), "{failed:?}");
}

/// A kind of service: how it is configured, what it is asked, where, and how it says 2.
struct Case {
    provider: &'static str,
    credentials: &'static str,
    expr: &'static str,
    asked: &'static str,
    header: (&'static str, &'static str),
    answer: Value,
}

fn cases() -> Vec<Case> {
    let by_basic_auth = ("authorization", "Basic c2hvcDphLWtleQ==");
    vec![
        Case {
            provider: "datadog",
            credentials: "headerFiles: {DD-API-KEY: FILE}",
            expr: "sum:errors{*}",
            asked: "/api/v1/query?",
            header: ("dd-api-key", "a-key"),
            answer: of_datadog(2.0),
        },
        Case {
            provider: "{cloudWatch: {region: eu-west-1, accessKeyFile: FILE, secretKeyFile: FILE}}",
            credentials: "timeout: 5s",
            expr: "SELECT MAX(Age) FROM \"AWS/SQS\"",
            asked: "/",
            header: ("authorization", "AWS4-HMAC-SHA256 Credential=a-key/"),
            answer: json!({"MetricDataResults": [{"StatusCode": "Complete", "Values": [2.0, 1.0]}]}),
        },
        Case {
            provider: "{newRelic: {account: 7}}",
            credentials: "headerFiles: {API-Key: FILE}",
            expr: "SELECT count(*) FROM Transaction",
            asked: "/graphql",
            header: ("api-key", "a-key"),
            answer: json!({"data": {"actor": {"account": {"nrql": {"results": [{"count": 2}]}}}}}),
        },
        Case {
            provider: "graphite",
            credentials: "basicAuth: {username: shop, passwordFile: FILE}",
            expr: "shop.errors",
            asked: "/render?target=shop.errors&",
            header: by_basic_auth,
            answer: json!([{"target": "shop.errors", "datapoints": [[1.0, 60], [2.0, 120]]}]),
        },
        Case {
            provider: "{influxDb: {database: shop}}",
            credentials: "basicAuth: {username: shop, passwordFile: FILE}",
            expr: "SELECT mean(load) FROM cpu",
            asked: "/query?db=shop&",
            header: by_basic_auth,
            answer: json!({"results": [{"series": [{"columns": ["time", "mean"], "values": [[60, 2.0]]}]}]}),
        },
        Case {
            provider: "openSearch",
            credentials: "basicAuth: {username: shop, passwordFile: FILE}",
            expr: "SELECT COUNT(*) FROM logs",
            asked: "/_plugins/_sql",
            header: by_basic_auth,
            answer: json!({"schema": [{"name": "COUNT(*)"}], "datarows": [[2]]}),
        },
        Case {
            provider: "{web: {value: /burn}}",
            credentials: "bearerTokenFile: FILE",
            expr: "/slo/checkout?version={{revision}}",
            asked: "/slo/checkout?version=new",
            header: ("authorization", "Bearer a-key"),
            answer: json!({"burn": 2}),
        },
    ]
}

#[tokio::test]
async fn each_kind_of_service_is_asked_in_its_own_way_and_says_its_number() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "a-key\n").unwrap();
    for Case { provider, credentials, expr, asked, header: (name, begins), answer } in cases() {
        let (service, url) = Service::start(answer).await;
        let endpoint = format!("{{name: it, url: \"{url}\", provider: {provider}, {credentials}}}");
        let analyzer = analyzer(&endpoint.replace("FILE", &key.path().display().to_string()));
        let check = judged(&analyzer, &json!({"provider": "it", "expr": expr, "max": 1})).await;
        assert_eq!((check.verdict, check.value.as_deref()), (Verdict::Fail, Some("2")), "{provider}: {check:?}");
        let (uri, headers) = service.asked.lock().unwrap().last().cloned().unwrap();
        assert!(uri.to_string().starts_with(asked), "{provider}: {uri}");
        let sent = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(sent.starts_with(begins), "{provider}: {sent}");
    }
}

#[tokio::test]
async fn each_way_in_which_it_does_not_answer_has_a_reason_of_its_own() {
    let (service, url) = Service::start(Value::Null).await;
    let analyzer = analyzer(&format!("{{name: datadog, url: \"{url}\", provider: datadog}}"));
    let query = json!({"provider": "datadog", "expr": "sum:errors{*}", "max": 1});
    let two = json!({"status": "ok", "series": [{"pointlist": [[1, 1]]}, {"pointlist": [[1, 2]]}]});
    for (status, body, reason) in [
        (StatusCode::FORBIDDEN, json!({"errors": ["Forbidden"]}), "PrometheusUnauthorized"),
        (StatusCode::TOO_MANY_REQUESTS, json!({"errors": ["Rate limit"]}), "PrometheusFails"),
        (StatusCode::BAD_REQUEST, json!({"errors": ["syntax"]}), "QueryRefused"),
        (StatusCode::OK, json!({"status": "error", "error": "syntax"}), "QueryRefused"),
        (StatusCode::OK, json!({"status": "ok"}), "UnexpectedAnswer"),
        (StatusCode::OK, json!({"status": "ok", "series": []}), "NoSeries"),
        (StatusCode::OK, two, "SeveralSeries"),
    ] {
        service.answers(status, body.clone());
        let check = judged(&analyzer, &query).await;
        assert_eq!((check.verdict, check.reason.as_str()), (Verdict::NoData, reason), "{body}: {}", check.message);
    }
}

#[tokio::test]
async fn a_provider_that_nobody_configured_is_named() {
    let analyzer = analyzer("{name: default, url: 'http://localhost:9'}");
    let check = judged(&analyzer, &json!({"provider": "datadog", "expr": "a", "max": 1})).await;
    assert_eq!(check.reason, "ProviderNotFound");
    assert!(check.message.contains("no endpoint called \"datadog\""), "{}", check.message);
}
