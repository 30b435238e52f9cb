//! Creating and changing objects.

use serde_json::{Value, json};

use super::{ask, ask_as, config_map, deployment, server};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/a";

#[tokio::test(start_paused = true)]
async fn a_deployment_gets_what_it_does_not_say() {
    let made = server().create(deployment("a"), "me").unwrap();
    let spec = &made.value()["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["rollingUpdate"]["maxSurge"]), (&json!(1), &json!("25%")));
    let pod = &spec["template"]["spec"];
    assert_eq!(
        (&pod["restartPolicy"], &pod["containers"][0]["imagePullPolicy"]),
        (&json!("Always"), &json!("IfNotPresent"))
    );
    assert_eq!(pod["containers"][0]["ports"][0]["protocol"], "TCP");
}

#[tokio::test(start_paused = true)]
async fn a_selector_must_match_its_template_and_stays() {
    let server = server();
    let mut wrong = deployment("a");
    wrong["spec"]["selector"]["matchLabels"]["app"] = json!("b");
    let refusal = server.create(wrong, "me").unwrap_err();
    assert_eq!(
        refusal.message,
        "Deployment.apps \"a\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does \
         not match template `labels`"
    );
    server.create(deployment("a"), "me").unwrap();
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "c"}}, "template": {"metadata": {"labels": {"app": "c"}}}}});
    let refusal = server.merge("deployments", "default", "a", "", other, "me").unwrap_err();
    assert!(refusal.message.contains("field is immutable"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_is_none() {
    let server = server();
    let made = server.create(deployment("a"), "me").unwrap();
    let mut changes = server.changes();
    server.update(made.value().clone(), "me").unwrap();
    server.merge("deployments", "default", "a", "", json!({"spec": {"replicas": 1}}), "other").unwrap();
    assert!(changes.drain().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_generation_counts_what_is_asked_for_and_not_what_is_told() {
    let server = server();
    server.create(deployment("a"), "me").unwrap();
    let generation = |patch: Value, subresource: &str| {
        let object = server.merge("deployments", "default", "a", subresource, patch, "me").unwrap();
        object.value()["metadata"]["generation"].as_i64().unwrap()
    };
    assert_eq!(generation(json!({"status": {"replicas": 1}}), "status"), 1);
    assert_eq!(generation(json!({"metadata": {"labels": {"a": "b"}}}), ""), 1);
    assert_eq!(generation(json!({"spec": {"replicas": 2}}), ""), 2);
    assert_eq!(generation(json!({"metadata": {"annotations": {"a": "b"}}}), ""), 3);
    let scale = server.merge("deployments", "default", "a", "scale", json!({"spec": {"replicas": 5}}), "me").unwrap();
    assert_eq!(
        (&scale.value()["spec"]["replicas"], &scale.value()["status"]["selector"]),
        (&json!(5), &json!("app=a"))
    );
    assert_eq!(server.get("deployments", "default", "a").unwrap().value()["metadata"]["generation"], 4);
}

#[tokio::test(start_paused = true)]
async fn an_outdated_write_is_refused_in_the_words_of_kubernetes() {
    let server = server();
    let made = server.create(deployment("a"), "me").unwrap();
    server.merge("deployments", "default", "a", "", json!({"spec": {"replicas": 2}}), "me").unwrap();
    let refusal = server.update(made.value().clone(), "me").unwrap_err();
    assert_eq!(
        refusal.message,
        "Operation cannot be fulfilled on deployments.apps \"a\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
    assert_eq!(refusal.details, json!({"name": "a", "group": "apps", "kind": "deployments"}));
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_leaves_nothing_behind() {
    let server = server();
    let version = server.version();
    let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
    let (code, made) = ask(&server, "POST", path, &config_map("a"));
    assert_eq!((code, &made["data"]["a"]), (201, &json!("1")));
    assert!(server.get("configmaps", "default", "a").is_none() && server.version() == version);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_patch_changes_a_deployment() {
    let server = server();
    server.create(deployment("a"), "me").unwrap();
    let json_patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
    let (code, object) = ask_as(&server, "PATCH", DEPLOYMENT, "application/json-patch+json", &json_patch);
    assert_eq!((code, &object["spec"]["replicas"]), (200, &json!(2)), "{object}");
    let containers = json!([{"name": "app", "image": "shop:2"}]);
    let strategic = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let (_, object) = ask_as(&server, "PATCH", DEPLOYMENT, "application/strategic-merge-patch+json", &strategic);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["image"], &container["ports"][0]["containerPort"]), (&json!("shop:2"), &json!(80)));
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}});
    let path = format!("{DEPLOYMENT}?fieldManager=scaler");
    let (code, status) = ask_as(&server, "PATCH", &path, "application/apply-patch+yaml", &applied);
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")), "{status}");
    let path = format!("{path}&force=true");
    let (code, object) = ask_as(&server, "PATCH", &path, "application/apply-patch+yaml", &applied);
    assert_eq!((code, &object["spec"]["replicas"]), (200, &json!(3)), "{object}");
    let (code, status) = ask_as(&server, "PATCH", DEPLOYMENT, "text/plain", &json!({}));
    assert_eq!((code, &status["reason"]), (415, &json!("UnsupportedMediaType")));
}

#[tokio::test(start_paused = true)]
async fn each_request_is_told_to_who_listens() {
    let server = server();
    let (sender, calls) = std::sync::mpsc::channel();
    server.on_request(move |call| sender.send(call.clone()).unwrap());
    ask(&server, "GET", "/apis/apps/v1/namespaces/default/deployments/gone/scale", &Value::Null);
    let call = calls.try_recv().unwrap();
    assert_eq!((call.verb.name(), call.code, call.manager.as_str()), ("get", 404, "tester"));
    assert_eq!([call.resource, call.subresource, call.name].map(|it| it), ["deployments", "scale", "gone"]);
}
