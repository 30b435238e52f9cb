//! What an endpoint is sent, and whom it is sent to.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, mpsc},
    thread,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use tidegate_analysis::Analyzer;
use tidegate_endpoints::Endpoints;

use crate::support::CheckUnderTest;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 63\r\nConnection: close\r\n\r\n\
                     {\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}";

/// Reads one request with its form, answers that there is nothing, and yields the request.
fn answer(mut stream: impl Read + Write) -> std::io::Result<String> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        if read == 0 || text.contains("query=") {
            stream.write_all(EMPTY.as_bytes())?;
            stream.flush()?;
            return Ok(text.into_owned());
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request
        .lines()
        .find_map(|line| line.to_lowercase().starts_with(&format!("{name}: ")).then(|| &line[name.len() + 2..]))
}

fn listen() -> (mpsc::Receiver<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream).map(|request| sender.send(request));
        }
    });
    (requests, url)
}

fn analyzer(endpoint: &str) -> Analyzer {
    let endpoints = Endpoints::parse(&format!("endpoints: [{{name: default, {endpoint}}}]"), "endpoints.yaml").unwrap();
    Analyzer::new(&endpoints).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_token_is_used_from_the_next_request_on() {
    let (requests, url) = listen();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let analyzer =
        analyzer(&format!("url: '{url}', bearerTokenFile: '{}', headers: {{X-Scope-OrgID: shop}}", file.display()));
    let check = CheckUnderTest::errors().look(&analyzer).await.checks.remove(0);
    assert_eq!(check.reason, "NoSeries", "{check:?}");
    let request = requests.recv().unwrap();
    assert_eq!(header(&request, "authorization"), Some("Bearer first"));
    assert_eq!(header(&request, "x-scope-orgid"), Some("shop"));
    // It also asked what there is instead.
    requests.try_iter().for_each(drop);

    std::fs::write(&file, "second\n").unwrap();
    CheckUnderTest::errors().look(&analyzer).await;
    assert_eq!(header(&requests.recv().unwrap(), "authorization"), Some("Bearer second"));

    std::fs::remove_file(&file).unwrap();
    let check = CheckUnderTest::errors().look(&analyzer).await.checks.remove(0);
    assert_eq!(check.reason, "PrometheusCredentialsUnusable");
    assert!(!format!("{analyzer:?}").contains("second"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_credentials_come_from_a_file() {
    let (requests, url) = listen();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "open sesame").unwrap();
    let analyzer = analyzer(&format!("url: '{url}', basicAuth: {{username: me, passwordFile: '{}'}}", file.display()));
    CheckUnderTest::errors().look(&analyzer).await;
    assert_eq!(header(&requests.recv().unwrap(), "authorization"), Some("Basic bWU6b3BlbiBzZXNhbWU="));
}

#[test]
fn a_credentials_file_that_is_missing_is_named_at_the_start() {
    let text = "endpoints: [{name: a, url: 'http://a', bearerTokenFile: /nowhere/token}]";
    let error = Analyzer::new(&Endpoints::parse(text, "endpoints.yaml").unwrap()).unwrap_err().to_string();
    assert!(error.contains("endpoints.yaml: endpoint \"a\"") && error.contains("/nowhere/token"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_configured_certificates_are_trusted() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [trusted, untrusted] = [("a.pem", cert.pem()), ("b.pem", other.cert.pem())].map(|(name, pem)| {
        let file = directory.path().join(name);
        std::fs::write(&file, pem).unwrap();
        file
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let _ = answer(StreamOwned::new(connection, stream));
        }
    });
    let mut reasons = Vec::new();
    for file in [trusted, untrusted] {
        let analyzer = analyzer(&format!("url: 'https://localhost:{port}', caFile: '{}'", file.display()));
        reasons.push(CheckUnderTest::errors().look(&analyzer).await.checks.remove(0).reason);
    }
    assert_eq!(reasons, ["NoSeries", "PrometheusUnreachable"]);
}
