//! `apply`, `patch`, `scale`, `annotate`, `label`, `replace`, `delete`.

use serde_json::{Value, json};

use crate::front::{Front, config_map, deployment};

#[tokio::test(flavor = "multi_thread")]
async fn apply_creates_configures_and_leaves_alone() {
    let Some(front) = Front::start().await else { return };
    let mut manifest = deployment();
    assert!(front.kubectl_with("apply -f -", &manifest).await.contains("created"));
    assert!(front.kubectl_with("apply -f -", &manifest).await.contains("unchanged"));
    manifest["spec"]["template"]["spec"]["containers"] = json!([{"name": "app", "image": "shop:2"}]);
    assert!(front.kubectl_with("apply -f -", &manifest).await.contains("configured"));
    let containers = &front.object("deployments", "checkout")["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().unwrap().len(), 1, "{containers}");
    assert_eq!(containers[0]["image"], "shop:2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let Some(front) = Front::start().await else { return };
    let told = front.kubectl_with("apply --dry-run=server -f -", &deployment()).await;
    assert!(told.contains("created (server dry run)"), "{told}");
    assert!(front.server.get("deployments", "default", "checkout").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_patch_changes_what_it_says() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    let images = |front: &Front| {
        let deployment = front.object("deployments", "checkout");
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
        containers.iter().map(|container| container["image"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "log:2"}]}}}});
    front.kubectl(&format!("patch deployment checkout -p {strategic}")).await;
    assert_eq!(images(&front), ["shop:1", "log:2"]);
    let merge = json!({"spec": {"paused": true, "replicas": 3}});
    front.kubectl(&format!("patch deployment checkout --type=merge -p {merge}")).await;
    assert_eq!(front.object("deployments", "checkout")["spec"]["paused"], true);
    let operations = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop:3"}]);
    front.kubectl(&format!("patch deployment checkout --type=json -p {operations}")).await;
    assert_eq!(images(&front), ["shop:3", "log:2"]);
    front.kubectl("set image deployment/checkout app=shop:4").await;
    assert_eq!(images(&front), ["shop:4", "log:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_makes_up_itself_is_taken_as_it_sends_it() {
    let Some(front) = Front::start().await else { return };
    for typed in [
        "create namespace shop",
        "create deployment web --image=shop:1 --replicas=0",
        "create configmap colours --from-literal=one=red",
        "create secret generic word --from-literal=is=swordfish",
        "create serviceaccount clerk",
        "create role reader --verb=get --resource=pods",
        "create rolebinding reads --role=reader --serviceaccount=default:clerk",
        "create clusterrole reader --verb=get --resource=pods",
        "create clusterrolebinding reads --clusterrole=reader --user=clerk",
        "create quota few --hard=pods=3,limits.cpu=1500m",
        "create poddisruptionbudget web --selector=app=web --min-available=50%",
        "create job once --image=shop:1",
        "create cronjob nightly --image=shop:1 --schedule=@daily",
        "create ingress web --rule=shop.example/cart=web:80",
        "create priorityclass high --value=1000",
        "expose deployment web --port=80 --target-port=http",
        "run single --image=shop:1 --env=COLOUR=red",
        "autoscale deployment web --max=5 --cpu=50%",
    ] {
        front.kubectl(typed).await;
    }
    assert_eq!(front.object("deployments", "web")["spec"]["replicas"], 0);
    assert_eq!(front.object("secrets", "word")["data"], json!({"is": "c3dvcmRmaXNo"}));
    assert_eq!(front.object("resourcequotas", "few")["spec"]["hard"], json!({"pods": "3", "limits.cpu": "1500m"}));
    assert_eq!(front.object("poddisruptionbudgets", "web")["spec"]["minAvailable"], "50%");
    assert_eq!(front.object("services", "web")["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(front.object("pods", "single")["spec"]["containers"][0]["env"][0]["value"], "red");
    assert_eq!(front.object("horizontalpodautoscalers", "web")["spec"]["maxReplicas"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained() {
    let Some(front) = Front::start().await else { return };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}});
    front.server.create(node, "test").unwrap();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "single"},
        "spec": {"nodeName": "one", "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "shop:1"}]},
    });
    front.kubectl_with("create -f -", &pod).await;
    let told = front.kubectl("drain one --force").await;
    assert!(told.contains("node/one drained"), "{told}");
    assert!(front.server.get("pods", "default", "single").is_none());
    assert_eq!(front.server.get("nodes", "", "one").unwrap().value()["spec"]["unschedulable"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_scale_annotate_and_label() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    front.kubectl("scale deployment checkout --replicas=5").await;
    front.kubectl("annotate deployment checkout note=hello").await;
    front.kubectl("label deployment checkout tier=web app-").await;
    let live = front.object("deployments", "checkout");
    assert_eq!(live["spec"]["replicas"], 5);
    assert_eq!(live["metadata"]["annotations"]["note"], "hello");
    assert_eq!(live["metadata"]["labels"], json!({"tier": "web"}));
    assert_eq!(live["metadata"]["generation"], 3, "the scale and, as everywhere for Deployments, the annotation");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_edited_meanwhile_is_not_replaced() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("create -f -", &config_map("a")).await;
    let old = front.object("configmaps", "a");
    front.kubectl("annotate cm a note=hello").await;
    let refusal = front.refused("replace -f -", &old).await;
    assert!(refusal.contains("the object has been modified"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_replaced_keeps_its_address() {
    let Some(front) = Front::start().await else { return };
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    front.kubectl_with("create -f -", &service).await;
    let address = front.object("services", "web")["spec"]["clusterIP"].clone();
    service["spec"]["ports"][0]["port"] = json!(81);
    front.kubectl_with("replace -f -", &service).await;
    let replaced = front.object("services", "web");
    assert_eq!(replaced["spec"]["ports"][0]["port"], 81);
    assert_eq!([&replaced["spec"]["clusterIP"], &replaced["spec"]["clusterIPs"][0]], [&address, &address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_leaves_nothing_behind() {
    let Some(front) = Front::start().await else { return };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    front.kubectl_with("create -f -", &namespace).await;
    // It says nothing of the finalizers that the server gave it.
    front.kubectl_with("replace -f -", &namespace).await;
    for typed in ["configmap colours", "serviceaccount clerk", "deployment web --image=shop:1"] {
        front.kubectl(&format!("create {typed} --namespace=shop")).await;
    }
    front.kubectl("delete namespace shop").await;
    assert!(front.server.get("namespaces", "", "shop").is_none());
    for kind in ["configmaps", "serviceaccounts", "deployments"] {
        assert!(front.server.list(kind, Some("shop")).is_empty(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_waits_until_the_finalizers_are_gone() {
    let Some(front) = Front::start().await else { return };
    let mut guarded = config_map("a");
    guarded["metadata"]["finalizers"] = json!(["example.com/guard"]);
    front.kubectl_with("create -f -", &guarded).await;
    let waiting = front.running("delete cm a");
    let mut changes = front.server.changes();
    let is_deleting = || front.server.get("configmaps", "default", "a").is_some_and(|object| object.is_deleting());
    while !is_deleting() {
        changes.ready().await;
        changes.drain();
    }
    let merge = json!({"metadata": {"finalizers": null}});
    front.kubectl(&format!("patch cm a --type=merge -p {merge}")).await;
    assert!(waiting.wait_with_output().await.unwrap().status.success());
    assert!(front.server.get("configmaps", "default", "a").is_none());
}

/// A child that goes with the Deployment, or stays as an orphan.
fn child(owner: &Value) -> Value {
    let mut child = config_map("child");
    let uid = &owner["metadata"]["uid"];
    child["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": uid, "blockOwnerDeletion": true}]);
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_owns_goes_with_it_unless_it_is_orphaned() {
    let Some(front) = Front::start().await else { return };
    for (cascade, stays) in [("background", false), ("foreground", false), ("orphan", true)] {
        front.kubectl_with("apply -f -", &deployment()).await;
        front.kubectl_with("create -f -", &child(&front.object("deployments", "checkout"))).await;
        front.kubectl(&format!("delete deployment checkout --cascade={cascade}")).await;
        if !stays {
            front.kubectl("wait --for=delete cm/child --timeout=30s").await;
        }
        let child = front.server.get("configmaps", "default", "child");
        assert_eq!(child.is_some(), stays, "{cascade}");
        if let Some(child) = child {
            assert_eq!(child.value()["metadata"].get("ownerReferences"), None, "{cascade}");
        }
    }
}
