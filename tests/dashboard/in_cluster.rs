//! The dashboard of `tidegate run`, before an API server that takes each token for its owner's name.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_apiserver::{ApiServer, http};
use tidegate_clock::Clock;
use tokio::runtime::{Builder, Runtime};

/// An operator with its dashboard, and the API server that it asks.
struct Operator {
    child: Child,
    address: String,
    server: ApiServer,
    /// Who has written Rollouts.
    writers: Arc<Mutex<Vec<String>>>,
    runtime: Runtime,
    _directory: TempDir,
}

impl Operator {
    fn start(arguments: &[&str]) -> Self {
        let server = ApiServer::new(Clock::System, 1);
        for definition in tidegate_api::definitions() {
            server.create(serde_json::to_value(definition).unwrap(), "test").unwrap();
        }
        let rollout = json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"namespace": "default", "name": "checkout"},
            "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
        });
        server.create(rollout, "test").unwrap();
        let writers = Arc::<Mutex<Vec<String>>>::default();
        let told = writers.clone();
        server.on_request(move |call| {
            if call.resource == "rollouts" && call.verb.is_write() && call.subresource.is_empty() {
                told.lock().unwrap().push(call.user.clone());
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let shown = server.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                http::serve(shown, listener, std::future::pending()).await.unwrap();
            });
        });
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        fs::write(&kubeconfig, http::kubeconfig("test", port)).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (listen, address) = (free(), free());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["run", "--no-leader-election", "--log", "warn", "--listen", &listen, "--dashboard", &address]);
        let child = command.args(arguments).env("KUBECONFIG", kubeconfig).spawn().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { child, address, server, writers, runtime, _directory: directory }
    }

    /// The code and the body of an answer; nothing while nobody listens.
    fn ask(&self, path: &str, token: Option<&str>, body: Option<&Value>) -> Option<(u16, String)> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/{path}", self.address);
        let request = match body {
            Some(body) => http
                .post(url)
                .header("x-tidegate", "1")
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => http.get(url),
        };
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        })
    }
}

/// Asks again and again: a process does not say when it listens.
fn until(what: &str, wanted: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !wanted() {
        assert!(Instant::now() < end, "waited for: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_operator_shows_its_rollouts_to_whom_the_cluster_knows_and_lets_them_act_in_their_own_name() {
    let operator = Operator::start(&["--dashboard-actions"]);
    let list = |token| operator.ask("api/rollouts", token, None);
    until("the Rollout", || list(Some("jane")).is_some_and(|(code, body)| code == 200 && body.contains("checkout")));
    let (code, body) = list(None).unwrap();
    assert_eq!((code, body.contains("checkout")), (401, false), "{body}");
    let pause = json!({"revision": ""});
    let path = "api/rollouts/default/checkout/pause";
    assert_eq!(operator.ask(path, None, Some(&pause)).unwrap().0, 401);
    assert_eq!(operator.ask(path, Some("jane"), Some(&pause)).unwrap().0, 200);
    let rollout = operator.server.get("rollouts", "default", "checkout").unwrap();
    assert_eq!(rollout.value()["spec"]["paused"], true);
    assert!(operator.writers.lock().unwrap().contains(&"jane".to_owned()));
}

#[test]
fn without_the_flag_for_actions_the_operator_lets_people_look() {
    let operator = Operator::start(&[]);
    until("the Rollout", || {
        operator.ask("api/rollouts", Some("jane"), None).is_some_and(|(_, body)| body.contains("checkout"))
    });
    let (code, body) =
        operator.ask("api/rollouts/default/checkout/pause", Some("jane"), Some(&json!({"revision": ""}))).unwrap();
    assert_eq!((code, body.contains("looking only")), (403, true), "{body}");
}
