//! What people may do, by their own credentials.

use super::*;

const PATH: &str = "/api/rollouts/shop/checkout";
const MARKED: [(&str, &str); 3] =
    [("content-type", "application/json"), ("x-tidegate", "1"), ("host", "tidegate.example")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&MARKED[..], more].concat()
}

fn scene() -> Scene {
    let scene = Scene::cluster();
    scene.door.put(rollout("shop", "checkout", 1));
    scene
}

fn annotation(scene: &Scene, name: &str) -> Option<String> {
    let rollout = scene.door.server.get("rollouts", "shop", "checkout").unwrap();
    rollout.value()["metadata"]["annotations"][name].as_str().map(str::to_owned)
}

#[tokio::test]
async fn what_is_asked_is_written_as_on_the_command_line_in_the_callers_name() {
    let scene = scene();
    let (code, body) = scene
        .post(&format!("{PATH}/abort"), &with(&[("authorization", "Bearer janes")]), &json!({"revision": "7f9c"}))
        .await;
    assert_eq!((code, body.as_str()), (StatusCode::OK, r#"{"message":"abort of 7f9c is asked for"}"#));
    let written = annotation(&scene, "tidegate.dev/abort").unwrap();
    assert!(written.starts_with("7f9c by jane at 20"), "{written}");
    let promote = json!({"revision": "7f9c", "stage": "canary"});
    let (code, _) = scene.post(&format!("{PATH}/promote"), &with(&[("authorization", "Bearer janes")]), &promote).await;
    assert_eq!(code, StatusCode::OK);
    assert!(annotation(&scene, "tidegate.dev/promote").unwrap().starts_with("7f9c/canary by jane"));
    let (code, _) = scene
        .post(&format!("{PATH}/pause"), &with(&[("authorization", "Bearer janes")]), &json!({"revision": "7f9c"}))
        .await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(scene.door.server.get("rollouts", "shop", "checkout").unwrap().value()["spec"]["paused"], true);
}

#[tokio::test]
async fn whoever_may_only_look_is_refused_by_the_cluster() {
    let scene = scene();
    let (code, body) = scene
        .post(&format!("{PATH}/abort"), &with(&[("authorization", "Bearer bobs")]), &json!({"revision": "7f9c"}))
        .await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(body.contains("bob may not patch"), "{body}");
    assert_eq!(annotation(&scene, "tidegate.dev/abort"), None);
}

#[tokio::test]
async fn what_was_meant_for_another_version_is_not_done() {
    let scene = scene();
    let late = [
        ("abort", json!({"revision": "6b54"})),
        ("promote", json!({"revision": "7f9c", "stage": "half"})),
        ("pause", json!({"revision": ""})),
    ];
    for (verb, body) in late {
        let (code, said) =
            scene.post(&format!("{PATH}/{verb}"), &with(&[("authorization", "Bearer janes")]), &body).await;
        assert_eq!(code, StatusCode::CONFLICT, "{verb}: {said}");
        assert!(said.contains("out of date"), "{said}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask_in_somebodys_name() {
    let scene = scene();
    let jane = ("authorization", "Bearer janes");
    let foreign: [Vec<(&str, &str)>; 5] = [
        vec![jane, ("content-type", "application/json"), ("host", "tidegate.example")],
        vec![jane, ("content-type", "text/plain"), ("x-tidegate", "1"), ("host", "tidegate.example")],
        with(&[jane, ("origin", "http://evil.example")]),
        with(&[jane, ("sec-fetch-site", "cross-site")]),
        with(&[jane, ("origin", "null")]),
    ];
    for headers in foreign {
        let (code, _) = scene.post(&format!("{PATH}/abort"), &headers, &json!({"revision": "7f9c"})).await;
        assert_eq!(code, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_eq!(annotation(&scene, "tidegate.dev/abort"), None);
    let own = with(&[jane, ("origin", "https://tidegate.example"), ("sec-fetch-site", "same-origin")]);
    assert_eq!(scene.post(&format!("{PATH}/abort"), &own, &json!({"revision": "7f9c"})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn nobody_acts_where_it_is_for_looking_only_or_on_what_they_may_not_see() {
    let scene = Scene::new(|door| Access::Cluster(Box::new(Cluster::new(door.client(), None, None))));
    scene.door.put(rollout("shop", "checkout", 1));
    let jane = with(&[("authorization", "Bearer janes")]);
    let (code, body) = scene.post(&format!("{PATH}/abort"), &jane, &json!({"revision": "7f9c"})).await;
    assert_eq!((code, body.contains("looking only")), (StatusCode::FORBIDDEN, true), "{body}");
    for path in [
        "/api/rollouts/bank/ledger/abort",
        "/api/rollouts/bank/nothing/abort",
        "/api/rollouts/shop/..%2Fcheckout/abort",
    ] {
        assert_eq!(scene.post(path, &jane, &json!({"revision": "7f9c"})).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(scene.post(&format!("{PATH}/abort"), &with(&[]), &json!({})).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn somebody_says_yes_to_a_gate_that_is_for_them() {
    let scene = Scene::cluster();
    let mut waiting = rollout("shop", "checkout", 2);
    waiting["spec"]["gates"] = json!({"promote": [{"name": "people", "approval": {"users": ["jane"]}}, {"name": "boss", "approval": {"users": ["bob"]}}]});
    let gate = |name: &str| json!({"name": name, "revision": "7f9c", "place": "promote", "state": "Waiting", "since": "2026-03-02T09:00:00Z", "message": "waits"});
    waiting["status"]["gates"] = json!([gate("people"), gate("boss")]);
    scene.door.put(waiting.clone());
    scene.dashboard.store.put(waiting, Timestamp::UNIX_EPOCH);
    let jane = with(&[("authorization", "Bearer janes")]);
    let (_, shown) = scene.get(PATH, &jane).await;
    assert!(shown.contains(r#"{"gate":"people","revision":"7f9c","verb":"approve"}"#), "{shown}");
    let (code, body) =
        scene.post(&format!("{PATH}/approve"), &jane, &json!({"revision": "7f9c", "gate": "people"})).await;
    assert_eq!((code, body.contains("given")), (StatusCode::OK, true), "{body}");
    assert!(annotation(&scene, "tidegate.dev/approve").unwrap().starts_with("7f9c/people by jane at 20"));
    let (code, _) = scene.post(&format!("{PATH}/approve"), &jane, &json!({"revision": "7f9c", "gate": "boss"})).await;
    assert_eq!(code, StatusCode::FORBIDDEN);
}
