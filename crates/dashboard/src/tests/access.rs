//! Who is shown what.

use super::*;

const JANE: (&str, &str) = ("authorization", "Bearer janes");
const BOB: (&str, &str) = ("authorization", "Bearer bobs");
const ROOT: (&str, &str) = ("authorization", "Bearer roots");

#[tokio::test]
async fn nobody_is_shown_nothing() {
    let scene = Scene::cluster();
    let strangers: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Basic amFuZTpqYW5lcw==")],
        &[("x-remote-user", "jane"), ("x-forwarded-user", "jane"), ("cookie", "token=janes")],
    ];
    for headers in strangers {
        for path in
            ["/api/me", "/api/rollouts", "/api/rollouts/shop/checkout", "/api/rollouts/shop/nothing", "/api/events"]
        {
            let (code, body) = scene.get(path, headers).await;
            assert_eq!(code, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
            assert!(!body.contains("checkout"), "{body}");
            assert!(serde_json::from_str::<Value>(&body).unwrap()["message"].is_string(), "{body}");
        }
    }
}

#[tokio::test]
async fn everybody_sees_what_the_cluster_lets_them_see() {
    let scene = Scene::cluster();
    assert_eq!(scene.names(&[JANE]).await, ["checkout", "search"]);
    assert_eq!(scene.names(&[BOB]).await, ["checkout", "search"]);
    assert_eq!(scene.names(&[ROOT]).await, ["ledger", "checkout", "search"]);
    scene.door.know("annas", "anna");
    assert_eq!(scene.names(&[("authorization", "Bearer annas")]).await, [""; 0]);
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_told_from_what_is_not_there() {
    let scene = Scene::cluster();
    let hidden = scene.get("/api/rollouts/bank/ledger", &[JANE]).await;
    let missing = scene.get("/api/rollouts/bank/nothing", &[JANE]).await;
    assert_eq!(hidden.0, StatusCode::NOT_FOUND);
    assert_eq!(hidden, missing);
    assert_eq!(scene.get("/api/rollouts/shop/nothing", &[JANE]).await, missing);
    assert_eq!(scene.get("/api/rollouts/bank/ledger", &[ROOT]).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_is_taken_for_a_minute_at_most() {
    let scene = Scene::cluster();
    assert_eq!(scene.names(&[JANE]).await.len(), 2);
    scene.door.expire("janes");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(scene.get("/api/rollouts", &[JANE]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_was_taken_back_lasts_ten_seconds_at_most() {
    let scene = Scene::cluster();
    assert_eq!(scene.names(&[BOB]).await.len(), 2);
    scene.door.shut_out("bob", "shop");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(scene.names(&[BOB]).await.len(), 0);
}

#[tokio::test]
async fn fifty_looks_ask_the_cluster_once() {
    let scene = Scene::cluster();
    for _ in 0..50 {
        scene.names(&[ROOT]).await;
    }
    assert_eq!(scene.door.questions(), ["who", "root list "]);
}

#[tokio::test]
async fn where_the_cluster_does_not_answer_who_may_see_what_nobody_sees_anything() {
    let scene = Scene::cluster();
    scene.door.silence(true);
    let (code, body) = scene.get("/api/rollouts", &[JANE]).await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!body.contains("checkout"), "{body}");
}

#[tokio::test]
async fn a_proxy_is_believed_when_it_shows_its_secret_and_nobody_else_is() {
    let file = std::env::temp_dir().join(format!("tidegate-proxy-secret-{}", std::process::id()));
    std::fs::write(&file, "s3cret\n").unwrap();
    let (user, groups) = ("x-user".parse().unwrap(), Some("x-groups".parse().unwrap()));
    let scene = Scene::behind(Proxy { user, groups, secret_file: file.clone() });
    let secret = ("x-tidegate-proxy-secret", "s3cret");
    assert_eq!(scene.names(&[secret, ("x-user", "jane")]).await, ["checkout", "search"]);
    assert_eq!(scene.names(&[secret, ("x-user", "anna"), ("x-groups", "system:masters, dev")]).await, [""; 0]);
    let strangers: [&[(&str, &str)]; 6] = [
        &[("x-user", "jane")],
        &[("x-user", "jane"), ("x-tidegate-proxy-secret", "")],
        &[("x-user", "jane"), ("x-tidegate-proxy-secret", "guessed")],
        &[secret],
        &[secret, ("x-user", "jane"), ("x-user", "root")],
        &[secret, ("x-user", "system:admin")],
    ];
    for headers in strangers {
        assert_eq!(scene.get("/api/rollouts", headers).await.0, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    // By the proxy's word one may look, and not act.
    let (_, me) = scene.get("/api/me", &[secret, ("x-user", "jane")]).await;
    assert!(me.contains("looking only"), "{me}");
    std::fs::remove_file(file).unwrap();
    assert_eq!(scene.get("/api/rollouts", &[secret, ("x-user", "jane")]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_laptop_answers_its_own_page_with_the_key_of_the_link_and_nobody_else() {
    let (scene, token) = Scene::laptop();
    let bearer = format!("Bearer {token}");
    let host = ("host", "127.0.0.1:4321");
    let key = ("authorization", bearer.as_str());
    assert_eq!(scene.names(&[host, key]).await.len(), 3);
    assert_eq!(scene.names(&[("host", "localhost:4321"), ("origin", "http://localhost:4321"), key]).await.len(), 3);
    assert_eq!(scene.get("/api/rollouts", &[host]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.get("/api/rollouts", &[host, JANE]).await.0, StatusCode::UNAUTHORIZED);
    let foreign: [&[(&str, &str)]; 4] = [
        &[key],
        &[("host", "evil.example:4321"), key],
        &[("host", "127.0.0.1:80"), key],
        &[host, ("origin", "http://evil.example"), key],
    ];
    for headers in foreign {
        assert_eq!(scene.get("/api/rollouts", headers).await.0, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(scene.get("/", headers).await.0, StatusCode::FORBIDDEN, "{headers:?}");
    }
}

#[tokio::test]
async fn the_page_is_for_everybody_says_nothing_and_may_run_nothing_but_itself() {
    let scene = Scene::cluster();
    for path in ["/", "/app.js", "/app.css", "/api/rollouts", "/nothing"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = scene.router().oneshot(request).await.unwrap();
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert!(
            header("content-security-policy").starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}"
        );
        assert!(!header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(
            (header("x-content-type-options"), header("referrer-policy"), header("set-cookie")),
            ("nosniff", "no-referrer", ""),
            "{path}"
        );
        let (is_data, cache) = (path.starts_with("/api"), header("cache-control"));
        assert_eq!(cache == "no-store", is_data || path == "/nothing", "{path}: {cache}");
    }
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let scene = Scene::cluster();
    let answer = scene.router().oneshot(Request::get("/app.js").body(Body::empty()).unwrap()).await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(scene.get("/app.js", &[("if-none-match", &tag)]).await, (StatusCode::NOT_MODIFIED, String::new()));
    assert_eq!(scene.get("/app.js", &[("if-none-match", "\"other\"")]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_rollout_is_shown_whole_and_what_is_not_understood_as_it_is() {
    let scene = Scene::cluster();
    let (_, body) = scene.get("/api/rollouts/shop/checkout", &[JANE]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["object"]["status"]["message"], "checkout is on its way");
    assert_eq!((&body["understood"], &body["explanation"][0]["lines"][0]), (&json!(true), &json!("so")));
    assert_eq!(body["series"]["rows"][0][1], 5.0);

    let mut newer = rollout("shop", "newer", 1);
    newer["status"]["phase"] = json!("Levitating");
    newer["status"]["aura"] = json!({"colour": "<img src=x onerror=alert(1)>"});
    scene.dashboard.store.put(newer, Timestamp::UNIX_EPOCH);
    let (code, body) = scene.get("/api/rollouts/shop/newer", &[JANE]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["understood"]), (StatusCode::OK, &json!(false)));
    assert_eq!(body["object"]["status"]["aura"]["colour"], "<img src=x onerror=alert(1)>");
}

#[tokio::test]
async fn pods_are_listed_by_the_rights_of_whoever_looks() {
    const PODS: &str = "/api/rollouts/shop/checkout/pods";
    let (scene, token) = Scene::laptop();
    scene.door.put(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "shop", "name": "checkout-7f9c-x", "labels": {"pod-template-hash": "7f9c"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "1"}],
        },
        "spec": {"containers": [{"name": "app", "image": "checkout:v2"}]},
    }));
    let bearer = format!("Bearer {token}");
    let (code, body) = scene.get(PODS, &[("host", "127.0.0.1:4321"), ("authorization", &bearer)]).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    let found: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(found["pods"][0]["name"], "checkout-7f9c-x");
    assert_eq!(found["pods"][0]["isReady"], false);

    assert_eq!(Scene::cluster().get(PODS, &[]).await.0, StatusCode::UNAUTHORIZED);
    let hidden = Scene::cluster().get("/api/rollouts/bank/ledger/pods", &[JANE]).await;
    assert_eq!(hidden.0, StatusCode::NOT_FOUND);
    let looking = Scene::new(|door| Access::Cluster(Box::new(Cluster::new(door.client(), None, None))));
    let (code, body) = looking.get(PODS, &[JANE]).await;
    assert_eq!(code, StatusCode::FORBIDDEN, "{body}");
    assert!(body.contains("for looking only"), "{body}");
}
