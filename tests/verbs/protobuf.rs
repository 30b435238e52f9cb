//! What a real server writes as protobuf is read as what it writes as JSON.

use http::{Request, header::ACCEPT};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tidegate_api::definitions;
use tidegate_apiserver::protobuf::{MEDIA_TYPE, object};

/// Creates an object of every form that fields have, and reads it back both ways.
pub async fn compare(client: &Client) {
    for (path, manifest) in manifests() {
        let created = Request::post(path).header("content-type", "application/json");
        let created = client.request_text(created.body(manifest.to_string().into_bytes()).unwrap()).await;
        assert!(created.is_ok(), "{path}: {created:?}");
        let path = format!("{path}/{}", manifest["metadata"]["name"].as_str().unwrap());
        // Somebody may write to it in between: then it is read again.
        let mut attempts = 0;
        loop {
            let before = read(client, &path, "application/json").await;
            let ours = object(&read(client, &path, MEDIA_TYPE).await).unwrap();
            let after = read(client, &path, "application/json").await;
            if before == after {
                let theirs: Value = serde_json::from_slice(&after).unwrap();
                assert_eq!(without_empty(ours), without_empty(theirs), "{path}");
                break;
            }
            attempts += 1;
            assert!(attempts < 100, "{path} never comes to rest");
        }
    }
}

async fn read(client: &Client, path: &str, media_type: &str) -> Vec<u8> {
    let request = Request::get(path).header(ACCEPT, media_type).body(Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

/// Without `{}` and `null`, of which an empty message on the wire is either.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_empty(value)));
            fields.filter(|(_, value)| *value != json!({}) && !value.is_null()).collect()
        }
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        other => other,
    }
}

fn pod_spec() -> Value {
    let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]});
    let probe = json!({"httpGet": {"path": "/ready", "port": "http", "httpHeaders": [{"name": "A", "value": "b"}]}, "periodSeconds": 5});
    json!({
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
        "nodeSelector": {"disk": "fast"}, "securityContext": {"runAsUser": 0, "fsGroup": 7},
        "tolerations": [{"key": "dark", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"labelSelector": selector, "topologyKey": "zone"}},
        ]}},
        "initContainers": [{"name": "first", "image": "shop:1", "restartPolicy": "Always"}],
        "containers": [{
            "name": "app", "image": "shop:1", "command": ["run"], "args": ["--fast"], "workingDir": "/srv",
            "ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe,
            "livenessProbe": {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 3},
            "startupProbe": {"exec": {"command": ["true"]}}, "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
            "env": [
                {"name": "A", "value": "b"},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "d", "optional": true}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}},
                {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            ],
            "envFrom": [{"prefix": "P", "configMapRef": {"name": "c", "optional": false}}, {"secretRef": {"name": "s"}}],
            "resources": {"limits": {"cpu": "250m", "memory": "1Gi"}, "requests": {"cpu": "0"}},
            "volumeMounts": [{"name": "work", "mountPath": "/work", "readOnly": true}],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
        "volumes": [
            {"name": "work", "emptyDir": {"sizeLimit": "1Mi"}}, {"name": "plain", "emptyDir": {}},
            {"name": "host", "hostPath": {"path": "/var", "type": ""}},
            {"name": "config", "configMap": {"name": "c", "items": [{"key": "a", "path": "b", "mode": 0}], "optional": true}},
            {"name": "secret", "secret": {"secretName": "s", "defaultMode": 256}},
            {"name": "all", "projected": {"sources": [
                {"configMap": {"name": "c"}}, {"secret": {"name": "s"}},
                {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            ]}},
        ],
    })
}

/// An object of that kind with the rest of its fields.
fn named(kind: &str, version: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = json!(version);
    rest["kind"] = json!(kind);
    rest["metadata"]["name"] = json!("web");
    rest
}

fn manifests() -> Vec<(&'static str, Value)> {
    let definitions = definitions().into_iter().map(|it| serde_json::to_value(it).unwrap());
    let definitions = definitions.map(|it| ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", it));
    workloads().into_iter().chain(contents()).chain(surroundings()).chain(definitions).collect()
}

fn workloads() -> Vec<(&'static str, Value)> {
    let labels = json!({"app": "web", "tier": "front"});
    let template = json!({"metadata": {"labels": labels, "annotations": {"a": ""}}, "spec": pod_spec()});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    once["spec"]["initContainers"] = json!([]);
    let selector = json!({"matchLabels": {"app": "web"}});
    vec![
        (
            "/api/v1/namespaces/default/pods",
            named("Pod", "v1", json!({"metadata": {"labels": labels}, "spec": pod_spec()})),
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            named(
                "Deployment",
                "apps/v1",
                json!({"spec": {
                    "replicas": 0, "selector": selector, "template": template, "paused": false,
                    "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}},
                }}),
            ),
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            named(
                "CronJob",
                "batch/v1",
                json!({"spec": {
                    "schedule": "@daily", "suspend": true, "startingDeadlineSeconds": 0, "jobTemplate": {"spec": {"template": once}},
                }}),
            ),
        ),
        (
            "/api/v1/namespaces/default/services",
            named(
                "Service",
                "v1",
                json!({"spec": {
                    "selector": {"app": "web"}, "sessionAffinity": "ClientIP", "trafficDistribution": "PreferClose",
                    "ports": [{"name": "http", "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"}, {"name": "b", "port": 81}],
                }}),
            ),
        ),
    ]
}

fn contents() -> Vec<(&'static str, Value)> {
    let selector = json!({"matchLabels": {"app": "web"}});
    vec![
        (
            "/api/v1/namespaces/default/secrets",
            named("Secret", "v1", json!({"data": {"a": "/wA=", "b": ""}, "immutable": false})),
        ),
        (
            "/api/v1/namespaces/default/configmaps",
            named("ConfigMap", "v1", json!({"data": {"a": ""}, "binaryData": {"b": "/wA="}})),
        ),
        (
            "/apis/coordination.k8s.io/v1/namespaces/default/leases",
            named(
                "Lease",
                "coordination.k8s.io/v1",
                json!({"spec": {
                    "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-03-02T09:00:00.000005Z", "leaseTransitions": 0,
                }}),
            ),
        ),
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            named(
                "HorizontalPodAutoscaler",
                "autoscaling/v2",
                json!({"spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}, "maxReplicas": 5,
                    "metrics": [
                        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                        {"type": "Pods", "pods": {"metric": {"name": "r", "selector": selector}, "target": {"type": "AverageValue", "averageValue": "1500m"}}},
                    ],
                    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]}},
                }}),
            ),
        ),
    ]
}

fn surroundings() -> Vec<(&'static str, Value)> {
    let selector = json!({"matchLabels": {"app": "web"}});
    vec![
        (
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            named(
                "EndpointSlice",
                "discovery.k8s.io/v1",
                json!({
                    "addressType": "IPv4", "ports": [{"name": "", "port": 80}],
                    "endpoints": [{"addresses": ["10.1.0.7"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "web"}}],
                }),
            ),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            named(
                "Role",
                "rbac.authorization.k8s.io/v1",
                json!({
                    "rules": [{"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["web"]}],
                }),
            ),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            named(
                "RoleBinding",
                "rbac.authorization.k8s.io/v1",
                json!({
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"},
                    "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "default"}],
                }),
            ),
        ),
        (
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            named("PodDisruptionBudget", "policy/v1", json!({"spec": {"selector": selector, "maxUnavailable": 0}})),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            named(
                "Ingress",
                "networking.k8s.io/v1",
                json!({"spec": {
                    "rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Exact", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}],
                }}),
            ),
        ),
        (
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            named("PriorityClass", "scheduling.k8s.io/v1", json!({"value": -7})),
        ),
    ]
}
