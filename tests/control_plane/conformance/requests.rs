//! The requests, by what they are about. Within a topic they build on each other.

use serde_json::json;

use super::step::{
    Step, apply, config_map, config_maps, delete, deployment, deployments, get, json_patch, labelled, merge, post, put,
    rollout, rollouts, services, strategic,
};

pub fn creations() -> Vec<Step> {
    let all = config_maps("");
    vec![
        post(&all, &config_map("a", &json!({"key": "value"}))),
        post(&all, &config_map("a", &json!({}))),
        post(&all, &json!({"metadata": {"name": "b"}, "data": {"key": "without kind"}})),
        post(&all, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})),
        post(&all, &config_map("Not_A_Name", &json!({}))),
        post(
            &all,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}),
        ),
        post(&all, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}})),
        post(&all, &json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "c"}})),
        post(
            &all,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "resourceVersion": "7"}}),
        ),
        post(
            &all,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": "d", "uid": "mine", "creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7,
                "deletionTimestamp": "2020-01-01T00:00:00Z",
            }}),
        ),
        post(&all, &labelled("e", &json!({"not a label": "x"}))),
        post(&all, &labelled("e", &json!({"label": "not a value!"}))),
        post(&all, &json!([])),
        post(&all, &json!(null)).raw("{"),
        post(&all, &json!(null)).raw(""),
        post(&all, &config_map("f", &json!({}))).of_type("text/plain"),
        post("/api/v1/namespaces/{ns}/configmaps?dryRun=All", &config_map("g", &json!({}))),
        get(&config_maps("g")),
        post("/api/v1/namespaces/{ns}/configmaps?dryRun=Some", &config_map("g", &json!({}))),
        post("/api/v1/namespaces/{ns}/configmaps?fieldManager=somebody", &config_map("h", &json!({"k": "v"}))),
        post("/api/v1/namespaces/no-such/configmaps", &config_map("i", &json!({}))),
        post("/api/v1/namespaces/{ns}/nothings", &config_map("i", &json!({}))),
        post("/apis/no.such.group/v1/namespaces/{ns}/configmaps", &config_map("i", &json!({}))),
        post(&config_maps("a"), &config_map("a", &json!({}))),
        post(
            &all,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j", "finalizers": ["unqualified"]}}),
        ),
        post(
            &all,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "k", "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "a"},
            ]}}),
        ),
        post("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "{ns}"}})),
        get("/api/v1/namespaces/{ns}/configmaps/a/nothing"),
    ]
}

pub fn reads() -> Vec<Step> {
    let all = config_maps("");
    let with = |query: &str| get(&config_maps(&format!("?{query}")));
    let mut steps = vec![
        post(&all, &labelled("a", &json!({"app": "shop", "tier": "front"}))),
        post(&all, &labelled("b", &json!({"app": "shop"}))),
        post(&all, &labelled("c", &json!({"app": "bank"}))),
        post(&all, &labelled("d", &json!({}))),
        get(&config_maps("a")),
        get(&config_maps("nobody")),
        get("/api/v1/namespaces/no-such/configmaps"),
        get("/api/v1/namespaces/no-such/configmaps/a"),
        get("/api/v1/namespaces/no-such"),
        get("/no/such/path"),
    ];
    let selectors = [
        "app=shop",
        "app==shop",
        "app!=shop",
        "app in (shop,bank)",
        "app notin (shop)",
        "tier",
        "!tier",
        "app=shop,tier",
        "app=shop,!tier",
        "app=",
        "app in (shop",
        "=shop",
        "app in ()",
        "app>3",
    ];
    let encoded = |text: &str| text.replace(' ', "%20").replace('=', "%3D").replace('!', "%21").replace('>', "%3E");
    steps.extend(selectors.map(|selector| with(&format!("labelSelector={}", encoded(selector)))));
    steps.extend([
        with("fieldSelector=metadata.name%3Da"),
        with("fieldSelector=metadata.name%21%3Da"),
        with("fieldSelector=metadata.namespace%3D{ns}"),
        with("fieldSelector=data.key%3Da"),
        with("fieldSelector=%3D%3D%3D"),
        with("limit=2"),
        with("limit=2&continue={continue}"),
        with("limit=2&continue=nonsense"),
        with("limit=-1"),
        with("resourceVersion=0"),
        with("resourceVersion=nonsense"),
        with("resourceVersion={version of a}&resourceVersionMatch=Exact"),
        with("resourceVersionMatch=Exact"),
        with("resourceVersion=0&resourceVersionMatch=Exact"),
        get("/api/v1/configmaps?fieldSelector=metadata.namespace%3D{ns}&labelSelector=tier"),
        get(&config_maps("a")).accepting("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
        with("labelSelector=tier").accepting("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
        get(&config_maps("a")).accepting("image/png"),
        get("/api/v1/namespaces/{ns}/configmaps/a/status"),
    ]);
    steps
}

pub fn updates() -> Vec<Step> {
    let version = |name: &str, version: &str| {
        let metadata = json!({"name": name, "resourceVersion": format!("{{{version} of {name}}}")});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"written": version.replace(' ', "-")}})
    };
    let mut renamed = config_map("b", &json!({}));
    renamed["metadata"]["resourceVersion"] = json!("{version of a}");
    let mut other_uid = config_map("a", &json!({}));
    other_uid["metadata"]["uid"] = json!("another");
    let mut elsewhere = config_map("a", &json!({}));
    elsewhere["metadata"]["namespace"] = json!("default");
    let mut garbled = config_map("a", &json!({}));
    garbled["metadata"]["resourceVersion"] = json!("garbled");
    let mut servers = config_map("a", &json!({"k": "v"}));
    servers["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    servers["metadata"]["generation"] = json!(7);
    vec![
        post(&config_maps(""), &config_map("a", &json!({"key": "value"}))),
        put(&config_maps("a"), &version("a", "version")),
        put(&config_maps("a"), &version("a", "first version")),
        put(&config_maps("a"), &version("a", "version")),
        put(&config_maps("a"), &config_map("a", &json!({"without": "version"}))),
        put(&config_maps("a"), &config_map("a", &json!({"without": "version"}))),
        put(&config_maps("a"), &renamed),
        put(&config_maps("a"), &other_uid),
        put(&config_maps("a"), &elsewhere),
        put(&config_maps("a"), &garbled),
        put(&config_maps("a"), &servers),
        put(&config_maps("nobody"), &config_map("nobody", &json!({}))),
        put(&config_maps("a"), &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})),
        put(&config_maps("a"), &json!(null)).raw("nonsense"),
        put(&config_maps(""), &config_map("a", &json!({}))),
        put("/api/v1/namespaces/{ns}/configmaps/a?dryRun=All", &config_map("a", &json!({"dry": "run"}))),
        get(&config_maps("a")),
    ]
}

pub fn custom_resources() -> Vec<Step> {
    let mut unknown = rollout("b");
    unknown["spec"]["unknown"] = json!({"is": "pruned"});
    unknown["status"] = json!({"phase": "Stable"});
    let mut incomplete = rollout("c");
    incomplete["spec"] = json!({"service": "none"});
    let mut mistyped = rollout("c");
    mistyped["spec"]["paused"] = json!("yes");
    mistyped["spec"]["workload"]["kind"] = json!("StatefulSet");
    let mut versioned = rollout("a");
    versioned["metadata"]["resourceVersion"] = json!("{version of a}");
    let mut paused = versioned.clone();
    paused["spec"]["paused"] = json!(true);
    let mut labelled = paused.clone();
    labelled["metadata"]["labels"] = json!({"app": "a"});
    let mut with_status = labelled.clone();
    with_status["status"] = json!({"phase": "Stable", "message": "written by the way"});
    let mut status = with_status.clone();
    status["spec"]["paused"] = json!(false);
    status["metadata"]["labels"] = json!({"app": "of the status"});
    let mut bad_status = with_status.clone();
    bad_status["status"]["phase"] = json!("Dancing");
    vec![
        post(&rollouts(""), &rollout("a")),
        post(&rollouts(""), &unknown),
        post(&rollouts(""), &incomplete),
        post(&rollouts(""), &mistyped),
        post(&rollouts(""), &json!({"metadata": {"name": "c"}})),
        put(&rollouts("a"), &rollout("a")),
        put(&rollouts("a"), &versioned),
        put(&rollouts("a"), &paused),
        put(&rollouts("a"), &labelled),
        put(&rollouts("a"), &with_status),
        put(&rollouts("a/status"), &status),
        put(&rollouts("a/status"), &bad_status),
        get(&rollouts("a/status")),
        merge(&rollouts("a/status"), &json!({"status": {"message": "merged"}, "spec": {"paused": false}})),
        merge(&rollouts("a"), &json!({"status": {"message": "ignored"}, "spec": {"paused": null}})),
        merge(&rollouts("a"), &json!({"spec": {"paused": "yes"}})),
        merge(&rollouts("a"), &json!({"spec": {"service": null}})),
        strategic(&rollouts("a"), &json!({"spec": {"paused": true}})),
        get("/apis/tidegate.dev/v1/namespaces/{ns}/rollouts/a"),
        get("/apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollout/a"),
        get(&rollouts("a/nothing")),
        get(&rollouts("?labelSelector=app%3Da")),
        get(&rollouts("?fieldSelector=metadata.name%3Da")),
        get(&rollouts("?fieldSelector=spec.service%3Dnone")),
    ]
}

pub fn scales() -> Vec<Step> {
    let scale = |name: &str, replicas: i64| {
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": "{ns}"},
               "spec": {"replicas": replicas}})
    };
    vec![
        post(&rollouts(""), &rollout("a")),
        get(&rollouts("a/scale")),
        put(&rollouts("a/scale"), &scale("a", 3)),
        merge(&rollouts("a/scale"), &json!({"spec": {"replicas": 4}})),
        merge(&rollouts("a/scale"), &json!({"spec": {"replicas": -1}})),
        put(&rollouts("a/scale"), &scale("b", 3)),
        get(&rollouts("a")),
        get(&rollouts("nobody/scale")),
        post(&deployments(""), &deployment("d")),
        get(&deployments("d/scale")),
        merge(&deployments("d/scale"), &json!({"spec": {"replicas": -1}})),
        get(&config_maps("a/scale")),
    ]
}

pub fn patches() -> Vec<Step> {
    let a = config_maps("a");
    vec![
        post(&config_maps(""), &config_map("a", &json!({"one": "1", "two": "2"}))),
        merge(&a, &json!({"data": {"two": null, "three": "3"}, "metadata": {"labels": {"app": "a"}}})),
        merge(&a, &json!({"data": {"three": "3"}})),
        merge(&a, &json!({"data": null})),
        merge(&a, &json!({"data": {"one": "1"}, "metadata": {"resourceVersion": "{first version of a}"}})),
        merge(&a, &json!({"data": {"one": "1"}, "metadata": {"resourceVersion": "{version of a}"}})),
        merge(&a, &json!({"metadata": {"name": "b"}})),
        merge(&a, &json!({"metadata": {"uid": "another"}})),
        merge(&a, &json!({"metadata": {"namespace": "default"}})),
        merge(&a, &json!({"data": {"one": 1}})),
        merge(&a, &json!({"data": "no map"})),
        merge(&a, &json!({"kind": "Secret"})),
        merge(&a, &json!(null)).raw("{"),
        merge(&a, &json!(["list"])),
        merge(&a, &json!({})).of_type("application/json"),
        merge(&config_maps("nobody"), &json!({"data": {"one": "1"}})),
        json_patch(&a, &json!([{"op": "add", "path": "/data/four", "value": "4"}])),
        json_patch(&a, &json!([{"op": "test", "path": "/data/four", "value": "5"}])),
        json_patch(
            &a,
            &json!([{"op": "test", "path": "/data/four", "value": "4"}, {"op": "remove", "path": "/data/four"}]),
        ),
        json_patch(&a, &json!([{"op": "remove", "path": "/data/five"}])),
        json_patch(&a, &json!([{"op": "replace", "path": "/no/such/path", "value": 1}])),
        json_patch(&a, &json!([{"op": "dance", "path": "/data"}])),
        json_patch(&a, &json!({"op": "add"})),
        strategic(&a, &json!({"data": {"six": "6", "one": null}})),
        strategic(&a, &json!({"metadata": {"labels": {"$patch": "replace", "only": "this"}}})),
        strategic(&a, &json!({"metadata": {"finalizers": ["rig/one"]}})),
        strategic(&a, &json!({"metadata": {"finalizers": ["rig/two"]}})),
        strategic(&a, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["rig/one", "rig/two"]}})),
        merge("/api/v1/namespaces/{ns}/configmaps/a?dryRun=All", &json!({"data": {"dry": "run"}})),
        get(&a),
    ]
}

pub fn strategic_patches() -> Vec<Step> {
    let containers = |containers| json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": "s"}, "ports": [{"name": "http", "port": 80}, {"name": "grpc", "port": 90}]},
    });
    vec![
        post(&deployments(""), &deployment("d")),
        strategic(&deployments("d"), &containers(json!([{"name": "app", "image": "app:v2"}]))),
        strategic(
            &deployments("d"),
            &containers(json!([{"name": "app", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}])),
        ),
        strategic(&deployments("d"), &containers(json!([{"name": "proxy", "$patch": "delete"}]))),
        strategic(
            &deployments("d"),
            &containers(json!([{"$patch": "replace"}, {"name": "other", "image": "other:v1"}])),
        ),
        strategic(
            &deployments("d"),
            &json!({"spec": {"template": {"metadata": {"annotations": {"a": "1", "b": null}}}}}),
        ),
        strategic(&deployments("d"), &json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}})),
        strategic(&deployments("d"), &json!({"spec": {"replicas": "many"}})),
        post(&services(""), &service),
        strategic(
            &services("s"),
            &json!({"spec": {"ports": [{"port": 90, "name": "h2c"}, {"port": 100, "name": "admin"}]}}),
        ),
        strategic(&services("s"), &json!({"spec": {"selector": {"tier": "front", "app": null}}})),
        strategic(&services("s"), &json!({"spec": {"ports": [{"port": 90, "$patch": "delete"}]}})),
        merge(&services("s"), &json!({"spec": {"ports": []}})),
    ]
}

pub fn applied() -> Vec<Step> {
    let a = config_maps("a");
    let r = rollouts("r");
    let with_owner = |owner: &str| json!([{"manager": owner, "operation": "Apply", "apiVersion": "v1"}]);
    let mut managed = config_map("a", &json!({}));
    managed["metadata"]["managedFields"] = with_owner("me");
    let mut stale = config_map("a", &json!({"one": "1"}));
    stale["metadata"]["resourceVersion"] = json!("{first version of a}");
    let rollout_with = |checks: serde_json::Value| {
        let mut rollout = rollout("r");
        rollout["spec"]["analysis"] = json!({"checks": checks});
        rollout
    };
    let errors = |max: &str| json!({"name": "errors", "errorRate": {"preset": "pod-http", "max": max}});
    let slow = json!({"name": "slow", "latency": {"preset": "pod-http", "quantile": 0.9, "max": "1s"}});
    vec![
        apply(&a, "one", &config_map("a", &json!({"one": "1", "both": "x"}))),
        apply(&a, "one", &config_map("a", &json!({"one": "1", "both": "x"}))),
        apply(&a, "two", &config_map("a", &json!({"two": "2", "both": "x"}))),
        apply(&a, "two", &config_map("a", &json!({"two": "2", "both": "y"}))),
        apply(&format!("{a}?force=true"), "two", &config_map("a", &json!({"two": "2", "both": "y"}))),
        apply(&a, "one", &config_map("a", &json!({"one": "1"}))),
        apply(&a, "two", &config_map("a", &json!({}))),
        apply(&a, "one", &stale),
        apply(&a, "one", &managed),
        apply(&a, "one", &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}})),
        apply(&a, "one", &json!({"data": {"one": "1"}})),
        apply(&a, "one", &json!(null)).raw("{]"),
        merge(&format!("{a}?fieldManager=three"), &json!({"data": {"one": "3"}})),
        apply(&a, "one", &config_map("a", &json!({"one": "1"}))),
        strategic(&a, &json!({"data": {"one": "1"}})).of_type("application/apply-patch+yaml"),
        apply(&format!("{a}?force=true"), "one", &config_map("a", &json!({"one": "1"}))),
        get(&a),
        apply(&r, "one", &rollout_with(json!([errors("1%"), slow]))),
        apply(&r, "two", &rollout_with(json!([{"name": "errors", "errorRate": {"preset": "pod-http", "max": "2%"}}]))),
        apply(&format!("{r}?force=true"), "two", &rollout_with(json!([errors("2%")]))),
        apply(&r, "one", &rollout("r")),
        apply(
            &rollouts("r/status"),
            "three",
            &json!({
                "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "r"},
                "status": {"phase": "Pending"},
            }),
        ),
        get(&r),
    ]
}

pub fn deletions() -> Vec<Step> {
    let finalized = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "finalizers": ["rig/hold"]}});
    let preconditions = |field: &str, value: &str| json!({"preconditions": {field: value}});
    let mut steps: Vec<_> =
        ["a", "b", "c", "d"].map(|name| post(&config_maps(""), &config_map(name, &json!({})))).into();
    steps.extend([
        post(&config_maps(""), &finalized("held")),
        delete(&config_maps("nobody"), &json!(null)),
        delete(&config_maps("a"), &preconditions("uid", "another")),
        delete(&config_maps("a"), &preconditions("resourceVersion", "1")),
        delete("/api/v1/namespaces/{ns}/configmaps/a?dryRun=All", &json!(null)),
        delete(&config_maps("a"), &json!({"propagationPolicy": "Sideways"})),
        delete(&config_maps("a"), &json!({"propagationPolicy": "Orphan", "orphanDependents": true})),
        delete(&config_maps("a"), &json!({"kind": "DeleteOptions", "apiVersion": "v1"})),
        delete(&config_maps("a"), &json!(null)),
        delete(&config_maps("b"), &preconditions("uid", "{uid of b}")),
        delete(&config_maps("c"), &json!(null)).raw("nonsense"),
        delete(&config_maps("held"), &json!(null)),
        delete(&config_maps("held"), &json!(null)),
        get(&config_maps("held")),
        merge(&config_maps("held"), &json!({"data": {"still": "there"}})),
        merge(&config_maps("held"), &json!({"metadata": {"finalizers": ["rig/hold", "rig/more"]}})),
        merge(&config_maps("held"), &json!({"metadata": {"deletionTimestamp": null}})),
        merge(&config_maps("held"), &json!({"metadata": {"finalizers": null}})),
        get(&config_maps("held")),
        post(&rollouts(""), &rollout("r")),
        delete(&rollouts("r"), &json!(null)),
        get(&rollouts("r")),
        post(&config_maps(""), &labelled("e", &json!({"app": "shop"}))),
        post(&config_maps(""), &labelled("f", &json!({"app": "shop"}))),
        delete(&config_maps("?labelSelector=app%3Dshop"), &json!(null)),
        get(&config_maps("")),
        delete(&config_maps(""), &json!(null)),
        get(&config_maps("")),
        delete("/api/v1/namespaces/{ns}/nothings/a", &json!(null)),
    ]);
    steps
}

pub fn watches() -> Vec<Step> {
    let watch = |query: &str| get(&config_maps(&format!("?watch=true&timeoutSeconds=1&{query}")));
    vec![
        post(&config_maps(""), &labelled("first", &json!({"app": "shop"}))),
        post(&config_maps(""), &labelled("a", &json!({"app": "shop"}))),
        merge(&config_maps("a"), &json!({"data": {"one": "1"}})),
        merge(&config_maps("a"), &json!({"metadata": {"labels": {"app": "bank"}}})),
        merge(&config_maps("a"), &json!({"data": {"two": "2"}})),
        merge(&config_maps("a"), &json!({"metadata": {"labels": {"app": "shop"}}})),
        delete(&config_maps("a"), &json!(null)),
        watch("resourceVersion={first version of first}"),
        watch("resourceVersion={first version of a}"),
        watch("resourceVersion={first version of first}&labelSelector=app%3Dshop"),
        watch("resourceVersion={first version of first}&labelSelector=app%3Dbank"),
        watch("resourceVersion={first version of first}&fieldSelector=metadata.name%3Da"),
        watch("resourceVersion={first version of first}&fieldSelector=metadata.name%3Dnobody"),
        watch("resourceVersion=0"),
        watch(""),
        watch("resourceVersion=nonsense"),
        watch("resourceVersion=1"),
        get("/api/v1/namespaces/no-such/configmaps?watch=true&timeoutSeconds=1&resourceVersion=0"),
        get(&config_maps("first?watch=true&timeoutSeconds=1&resourceVersion=0")),
    ]
}
