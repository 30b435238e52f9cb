//! Servers that answer, but not as Prometheus does. None of them may pass a check, and none may hold a look up.

use std::time::Duration;

use tidegate_api::{CheckStatus, Verdict};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::support::{CheckUnderTest, analyzer};

const SECRET: &str = "a-secret-in-the-body";

async fn serve<F: Future<Output = ()> + Send>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            answer(stream).await;
        }
    });
    url
}

/// What the errors check says when each request is answered with this.
async fn asked(head: &str, body: impl Into<Vec<u8>>) -> CheckStatus {
    look(&always(head, body).await, CheckUnderTest::errors()).await
}

/// Where each request is answered with this.
async fn always(head: &str, body: impl Into<Vec<u8>>) -> String {
    let body: Vec<u8> = body.into();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    serve(move |mut stream| {
        let (head, body) = (head.clone(), body.clone());
        async move {
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

async fn look(url: &str, subject: CheckUnderTest) -> CheckStatus {
    let check = subject.look(&analyzer(url)).await.checks.remove(0);
    assert_eq!(check.verdict, Verdict::NoData, "{check:?}");
    assert!(!check.message.contains(SECRET), "{}", check.message);
    check
}

fn json(data: &str) -> String {
    format!(r#"{{"status":"success","data":{data}}}"#)
}

const JSON: &str = "200 OK\r\nContent-Type: application/json";

#[tokio::test]
async fn a_web_page_is_not_prometheus() {
    let page = format!("<html>{SECRET}</html>");
    assert_eq!(asked("200 OK\r\nContent-Type: text/html", page.clone()).await.reason, "NotPrometheus");
    assert_eq!(asked(JSON, page).await.reason, "NotPrometheus");
    assert_eq!(asked(JSON, SECRET).await.reason, "NotPrometheus");
}

/// What a latency check says when each request is answered with a native histogram like this.
async fn measured(histogram: &str) -> CheckStatus {
    let metric = r#"{"__name__":"http_request_duration_seconds","namespace":"shop","pod":"checkout-new-abcde"}"#;
    let now = jiff::Timestamp::now().as_second();
    let series = format!(r#"{{"metric":{metric},"histograms":[[{},{histogram}],[{now},{histogram}]]}}"#, now - 1);
    let body = json(&format!(r#"{{"resultType":"matrix","result":[{series}]}}"#));
    let url = always(JSON, body).await;
    let latency = serde_json::json!({"preset": "pod-http", "quantile": 0.95, "max": "500ms"});
    look(&url, CheckUnderTest::new(&serde_json::json!([{"name": "p95", "latency": latency}]))).await
}

#[tokio::test]
async fn a_native_histogram_that_contradicts_itself_is_no_data() {
    for (histogram, told) in [
        (r#"{"count":"NaN","sum":"1","buckets":[]}"#, "holds what is negative or not a number where it counts"),
        (r#"{"count":"9","sum":"1","buckets":[[0,"0.1","0.2","-1"]]}"#, "holds what is negative or not a number"),
        (r#"{"count":"9","sum":"1","buckets":[[0,"1","2","1"],[0,"0.1","0.2","1"]]}"#, "out of order or overlap"),
        (r#"{"count":"9","sum":"1","buckets":[[1,"-2","-1","1"]]}"#, "holds durations below zero"),
        (r#"{"count":"9","sum":"1","buckets":[[0,"0.1","0.2","10"]]}"#, "has more in its buckets than it counted"),
    ] {
        let check = measured(histogram).await;
        assert_eq!(check.reason, "BrokenHistogram", "{check:?}");
        assert!(check.message.contains(told), "{check:?}");
    }
    for histogram in [r#"{"sum":"1"}"#, r#"{"count":"9","buckets":[[0,"0.1"]]}"#, r#""histogram""#, "null"] {
        assert_eq!(measured(histogram).await.reason, "NotPrometheus", "{histogram}");
    }
}

#[tokio::test]
async fn an_http_error_is_named_by_its_status_alone() {
    let failing = asked("500 Internal Server Error", SECRET).await;
    assert_eq!(
        (failing.reason.as_str(), failing.message.as_str()),
        ("PrometheusFails", "endpoint \"default\" fails (HTTP 500)")
    );
    assert_eq!(asked("401 Unauthorized", SECRET).await.reason, "PrometheusUnauthorized");
    let refused = format!(r#"{{"status":"error","errorType":"bad_data","error":"{SECRET}"}}"#);
    assert_eq!(asked("400 Bad Request", refused).await.reason, "QueryRefused");
}

#[tokio::test]
async fn a_proxy_that_lets_no_post_through_is_told_with_what_to_let_through() {
    let forbidden = asked("403 Forbidden", SECRET).await;
    assert_eq!(forbidden.reason, "PrometheusUnauthorized");
    assert!(
        forbidden.message.contains("check its credentials, and that a proxy in between lets POST to /api/v1/query")
    );
    for status in ["405 Method Not Allowed", "501 Not Implemented"] {
        let refused = asked(status, SECRET).await;
        assert_eq!(refused.reason, "PrometheusRefusesPost");
        assert!(refused.message.contains("let POST to /api/v1/query and /api/v1/query_range through"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_path_without_the_api_is_told_with_what_is_added_to_it() {
    // As Prometheus and VictoriaMetrics answer to a path that they do not know.
    for (head, body) in [("404 Not Found", "404 page not found\n"), ("400 Bad Request", "unsupported path requested\n")]
    {
        let lost = asked(head, body).await;
        assert_eq!(lost.reason, "NotPrometheus");
        assert!(lost.message.ends_with("check the path of its URL, to which /api/v1/query is added"), "{lost:?}");
    }
}

#[tokio::test]
async fn a_query_that_victoria_metrics_cannot_evaluate_is_the_querys_fault() {
    let refused = format!(r#"{{"status":"error","errorType":"422","error":"{SECRET}"}}"#);
    let refused = asked("422 Unprocessable Entity", refused).await;
    assert_eq!(refused.reason, "QueryRefused");
    assert!(refused.message.contains("(HTTP 422, it cannot be evaluated); check the PromQL"), "{refused:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let visited = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = visited.clone();
    let elsewhere = serve(move |_| {
        seen.store(true, std::sync::atomic::Ordering::SeqCst);
        async {}
    })
    .await;
    assert_eq!(
        asked(&format!("307 Temporary Redirect\r\nLocation: {elsewhere}/"), "").await.reason,
        "PrometheusRedirects"
    );
    assert!(!visited.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    assert_eq!(asked(JSON, vec![b' '; 5 << 20]).await.reason, "AnswerTooLarge");
    let url = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let chunk = [b"10000\r\n".as_slice(), vec![b' '; 0x10000].as_slice(), b"\r\n"].concat();
        while stream.write_all(&chunk).await.is_ok() {}
    })
    .await;
    assert_eq!(look(&url, CheckUnderTest::errors()).await.reason, "AnswerTooLarge");
}

/// Series of one sample each, as an answer goes on with them.
fn series(count: usize) -> String {
    let one = r#"{"metric":{"pod":"checkout-new-abcde","code":"200"},"values":[[1.0,"1"]]}"#;
    vec![one; count].join(",")
}

const BEGUN: &str = r#"{"status":"success","data":{"resultType":"matrix","result":["#;

#[tokio::test]
async fn series_that_never_end_are_not_read_on() {
    let url = serve(|mut stream| async move {
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{BEGUN}");
        let _ = stream.write_all(head.as_bytes()).await;
        let more = series(1000) + ",";
        while stream.write_all(more.as_bytes()).await.is_ok() {}
    })
    .await;
    let check = look(&url, CheckUnderTest::errors()).await;
    assert_eq!(check.reason, "AnswerTooLarge");
    let told =
        "endpoint \"default\" answers with more than 100000 series; select fewer, or set maxSeries on the endpoint";
    assert_eq!(check.message, told);
}

#[tokio::test]
async fn one_series_that_never_ends_is_not_read_on() {
    let url = serve(|mut stream| async move {
        let head =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{BEGUN}{{\"metric\":{{}},\"values\":[[1,\"1\"]");
        let _ = stream.write_all(head.as_bytes()).await;
        let more = ",[1,\"1\"]".repeat(1000);
        while stream.write_all(more.as_bytes()).await.is_ok() {}
    })
    .await;
    let check = look(&url, CheckUnderTest::errors()).await;
    assert_eq!(
        check.message,
        "endpoint \"default\" answers with more than 1024 KiB for one series; see what writes it"
    );
}

#[tokio::test]
async fn an_endpoint_says_how_many_series_are_read() {
    let answer = format!("{BEGUN}{}]}}}}", series(3));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    let url = serve(move |mut stream| {
        let answer = format!("{head}{answer}");
        async move {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    for (most, reason) in [(2, "AnswerTooLarge"), (3, "StaleSamples")] {
        let text = format!("endpoints: [{{name: default, url: \"{url}\", maxSeries: {most}}}]");
        let endpoints = tidegate_endpoints::Endpoints::parse(&text, "endpoints.yaml").unwrap();
        let analyzer = tidegate_analysis::Analyzer::new(&endpoints).unwrap();
        let check = CheckUnderTest::errors().look(&analyzer).await.checks.remove(0);
        assert_eq!((check.verdict, check.reason.as_str()), (Verdict::NoData, reason), "{}", check.message);
    }
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_read_and_one_that_would_become_huge_is_not() {
    let gzip = format!("{JSON}\r\nContent-Encoding: gzip");
    let empty = json(r#"{"resultType":"matrix","result":[]}"#);
    assert_eq!(asked(&gzip, compressed(empty.as_bytes())).await.reason, "NoSeries");
    assert_eq!(asked(JSON, compressed(empty.as_bytes())).await.reason, "NoSeries", "a proxy does not say that it is");
    let bomb = compressed(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 17);
    assert_eq!(asked(&gzip, bomb).await.reason, "AnswerTooLarge");
    let many = format!("{BEGUN}{}]}}}}", series(200_000));
    assert_eq!(asked(&gzip, compressed(many.as_bytes())).await.reason, "AnswerTooLarge");
    let page = compressed(format!("<html>{SECRET}</html>").as_bytes());
    assert_eq!(asked(&gzip, page).await.reason, "NotPrometheus");
    let mut torn = compressed(many.as_bytes());
    torn.truncate(300);
    for text in [torn, SECRET.into(), compressed(SECRET.as_bytes())] {
        assert_eq!(asked(&gzip, text).await.reason, "NotPrometheus");
    }
    assert_eq!(asked(&format!("{JSON}\r\nContent-Encoding: zstd"), SECRET).await.reason, "NotPrometheus");
}

#[tokio::test]
async fn a_long_error_page_is_told_by_what_it_is() {
    let page = format!("<html>{}</html>", SECRET.repeat(50_000));
    assert_eq!(asked(JSON, page.clone()).await.reason, "NotPrometheus");
    assert_eq!(asked("502 Bad Gateway", page).await.reason, "PrometheusFails");
}

#[tokio::test]
async fn an_answer_that_drips_is_cut_off_at_the_timeout() {
    let url = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while stream.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let text = format!("endpoints: [{{name: default, url: \"{url}\", timeout: 2s}}]");
    let endpoints = tidegate_endpoints::Endpoints::parse(&text, "endpoints.yaml").unwrap();
    let analyzer = tidegate_analysis::Analyzer::new(&endpoints).unwrap();
    let start = Instant::now();
    let check = CheckUnderTest::errors().look(&analyzer).await.checks.remove(0);
    assert_eq!(check.message, "endpoint \"default\" did not answer within 2s");
    assert_eq!((check.verdict, check.reason.as_str()), (Verdict::NoData, "PrometheusTimeout"));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let check = look(&url, CheckUnderTest::errors()).await;
    assert_eq!(check.reason, "PrometheusUnreachable");
    assert!(check.message.contains("Connection refused"), "{}", check.message);
}

#[tokio::test]
async fn warnings_mean_that_the_answer_may_be_incomplete() {
    let partial =
        r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a-secret-in-the-body"]}"#;
    assert_eq!(asked(JSON, partial).await.reason, "AnswerIncomplete");
}

#[tokio::test]
async fn an_answer_that_says_it_is_partial_is_not_believed() {
    let with = |partial: &str| {
        format!(r#"{{"status":"success","isPartial":{partial},"data":{{"resultType":"matrix","result":[]}}}}"#)
    };
    assert_eq!(asked(JSON, with("true")).await.reason, "AnswerIncomplete");
    assert_eq!(asked(JSON, with("false")).await.reason, "NoSeries");
}

#[tokio::test]
async fn numbers_that_are_none_never_count() {
    let matrix = |value: &str, labels: &str| {
        json(&format!(
            r#"{{"resultType":"matrix","result":[{{"metric":{{"pod":"checkout-new-abcde"{labels}}},"values":[[1.0,"{value}"]]}}]}}"#
        ))
    };
    let code = r#","code":"200""#;
    for value in ["+Inf", "-Inf", "-1", r#"NaN"],[2.0,"NaN"],[3.0,"NaN"#] {
        assert_eq!(asked(JSON, matrix(value, code)).await.reason, "NotACounter");
    }
    assert_eq!(asked(JSON, matrix("NaN", code)).await.reason, "NoSeries", "it ended before");
    assert_eq!(asked(JSON, matrix("1", "")).await.reason, "NoStatusLabel");
    assert_eq!(asked(JSON, json(r#"{"resultType":"matrix","result":[]}"#)).await.reason, "NoSeries");
    assert_eq!(asked(JSON, json(r#"{"resultType":"scalar","result":[1,"1"]}"#)).await.reason, "WrongResultType");
    assert_eq!(asked(JSON, json(r#"{"resultType":"string","result":[1,"x"]}"#)).await.reason, "WrongResultType");
}

#[tokio::test]
async fn an_endpoint_that_is_not_configured_is_named() {
    let endpoints = tidegate_endpoints::Endpoints::default();
    let analyzer = tidegate_analysis::Analyzer::new(&endpoints).unwrap();
    let check = CheckUnderTest::errors().look(&analyzer).await.checks.remove(0);
    assert_eq!(check.reason, "PrometheusEndpointNotFound");
    assert!(!analyzer.knows(None));
}
