//! The columns of the kinds that the server itself knows.

use serde_json::{Value, json};

use super::{Column, age, stored_only};

/// What is shown where there is nothing to show.
pub(super) const NONE: &str = "<none>";

/// The columns of a kind; name and age for one that has no others.
pub fn columns(plural: &str) -> Vec<Column> {
    let computed = Column::computed;
    let field = Column::field;
    let between = |mut columns: Vec<Column>| {
        columns.insert(0, Column::name());
        columns.push(Column::age());
        columns
    };
    match plural {
        "pods" => pods(),
        "deployments" | "replicasets" | "statefulsets" => workload(plural),
        "services" => {
            let mut columns = between(vec![
                computed("Type", 0, |object, _| text_or(object, "/spec/type", "ClusterIP")),
                computed("Cluster-IP", 0, |object, _| text_or(object, "/spec/clusterIP", NONE)),
                computed("External-IP", 0, |object, _| text_or(object, "/spec/externalIPs/0", NONE)),
                computed("Port(s)", 0, |object, _| service_ports(object)),
            ]);
            columns.push(computed("Selector", 1, |object, _| labels(object.pointer("/spec/selector"))));
            columns
        }
        "namespaces" => between(vec![computed("Status", 0, |object, _| text_or(object, "/status/phase", "Active"))]),
        "nodes" => {
            let mut columns = between(vec![
                computed("Status", 0, |object, _| node_status(object)),
                computed("Roles", 0, |_, _| json!(NONE)),
            ]);
            columns.push(field("Version", 0, ".status.nodeInfo.kubeletVersion"));
            columns
        }
        "endpoints" => between(vec![computed("Endpoints", 0, |object, _| endpoints(object))]),
        "endpointslices" => between(vec![
            field("AddressType", 0, ".addressType"),
            computed("Ports", 0, |object, _| joined(object, "/ports", |port| shown(port.get("port")))),
            computed("Endpoints", 0, |object, _| {
                joined(object, "/endpoints", |endpoint| shown(endpoint.pointer("/addresses/0")))
            }),
        ]),
        "events" => events(),
        "configmaps" => between(vec![computed("Data", 0, |object, _| entries(object).into())]),
        "secrets" => between(vec![
            computed("Type", 0, |object, _| text_or(object, "/type", "Opaque")),
            computed("Data", 0, |object, _| entries(object).into()),
        ]),
        "leases" => between(vec![field("Holder", 0, ".spec.holderIdentity")]),
        "horizontalpodautoscalers" => between(vec![
            computed("Reference", 0, |object, _| reference(object.pointer("/spec/scaleTargetRef"))),
            computed("Targets", 0, |object, _| targets(object)),
            computed("MinPods", 0, |object, _| object.pointer("/spec/minReplicas").cloned().unwrap_or(json!(1))),
            computed("MaxPods", 0, |object, _| count(object, "/spec/maxReplicas").into()),
            computed("Replicas", 0, |object, _| count(object, "/status/currentReplicas").into()),
        ]),
        "customresourcedefinitions" | "roles" | "clusterroles" => {
            vec![Column::name(), field("Created At", 0, ".metadata.creationTimestamp")]
        }
        _ => between(stored_only::columns(plural).unwrap_or_default()),
    }
}

/// What has a pod template.
fn workload(plural: &str) -> Vec<Column> {
    let computed = Column::computed;
    let counts = match plural {
        "deployments" => vec![
            computed("Ready", 0, |object, _| ready_of(object)),
            computed("Up-to-date", 0, |object, _| count(object, "/status/updatedReplicas").into()),
            computed("Available", 0, |object, _| count(object, "/status/availableReplicas").into()),
        ],
        "replicasets" => vec![
            computed("Desired", 0, |object, _| count(object, "/spec/replicas").into()),
            computed("Current", 0, |object, _| count(object, "/status/replicas").into()),
            computed("Ready", 0, |object, _| count(object, "/status/readyReplicas").into()),
        ],
        _ => vec![computed("Ready", 0, |object, _| ready_of(object))],
    };
    let mut columns = vec![Column::name()];
    columns.extend(counts);
    columns.extend([
        Column::age(),
        computed("Containers", 1, |object, _| containers(object, "name")),
        computed("Images", 1, |object, _| containers(object, "image")),
        computed("Selector", 1, |object, _| labels(object.pointer("/spec/selector/matchLabels"))),
    ]);
    columns
}

fn pods() -> Vec<Column> {
    vec![
        Column::name(),
        Column::computed("Ready", 0, |pod, _| {
            let ready = statuses(pod).filter(|status| status.get("ready") == Some(&Value::Bool(true))).count();
            let all = pod.pointer("/spec/containers").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{ready}/{all}").into()
        }),
        Column::computed("Status", 0, |pod, _| pod_status(pod).into()),
        Column::computed("Restarts", 0, |pod, _| {
            let restarts: i64 = statuses(pod).map(|status| count(status, "/restartCount")).sum();
            restarts.to_string().into()
        }),
        Column::age(),
        Column::computed("IP", 1, |pod, _| text_or(pod, "/status/podIP", NONE)),
        Column::computed("Node", 1, |pod, _| text_or(pod, "/spec/nodeName", NONE)),
    ]
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    pod.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten()
}

/// One word for how a pod is: the reason of the first container that is stuck, or else its phase.
fn pod_status(pod: &Value) -> String {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return "Terminating".to_owned();
    }
    let stuck = statuses(pod).find_map(|status| {
        let reason = status.pointer("/state/waiting/reason").or_else(|| status.pointer("/state/terminated/reason"));
        reason.and_then(Value::as_str)
    });
    let of_pod = || pod.pointer("/status/reason").or_else(|| pod.pointer("/status/phase")).and_then(Value::as_str);
    stuck.or_else(of_pod).unwrap_or("Unknown").to_owned()
}

fn events() -> Vec<Column> {
    vec![
        Column::computed("Last Seen", 0, |event, now| {
            let last = ["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime"];
            let last = last.iter().find_map(|path| event.pointer(path)?.as_str());
            last.map_or_else(|| "<unknown>".to_owned(), |last| age::since(last, now)).into()
        }),
        Column::field("Type", 0, ".type"),
        Column::field("Reason", 0, ".reason"),
        Column::computed("Object", 0, |event, _| {
            let object = event.get("involvedObject").or_else(|| event.get("regarding"));
            reference(object).as_str().map_or(Value::Null, |text| text.to_lowercase().into())
        }),
        Column::computed("Message", 0, |event, _| {
            event.get("message").or_else(|| event.get("note")).cloned().unwrap_or_default()
        }),
        Column { priority: 1, ..Column::name() },
    ]
}

fn count(object: &Value, path: &str) -> i64 {
    object.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn ready_of(workload: &Value) -> Value {
    let wanted = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    format!("{}/{wanted}", count(workload, "/status/readyReplicas")).into()
}

pub(super) fn text_or(object: &Value, path: &str, otherwise: &str) -> Value {
    object.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).unwrap_or(otherwise).into()
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => NONE.to_owned(),
    }
}

fn containers(workload: &Value, field: &str) -> Value {
    joined(workload, "/spec/template/spec/containers", |container| shown(container.get(field)))
}

pub(super) fn joined(object: &Value, path: &str, text: impl Fn(&Value) -> String) -> Value {
    let elements = object.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if elements.is_empty() {
        return NONE.into();
    }
    elements.iter().map(text).collect::<Vec<_>>().join(",").into()
}

fn labels(labels: Option<&Value>) -> Value {
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> = labels.map(|(name, value)| format!("{name}={}", shown(Some(value)))).collect();
    if pairs.is_empty() { NONE.into() } else { pairs.join(",").into() }
}

fn service_ports(service: &Value) -> Value {
    joined(service, "/spec/ports", |port| {
        let node = port.get("nodePort").map_or_else(String::new, |node| format!(":{node}"));
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        format!("{}{node}/{protocol}", shown(port.get("port")))
    })
}

fn node_status(node: &Value) -> Value {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut ready = conditions.filter(|condition| condition.get("type").is_some_and(|it| it == "Ready"));
    let status = match ready.next().and_then(|condition| condition.get("status")).and_then(Value::as_str) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let is_cordoned = node.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    if is_cordoned { format!("{status},SchedulingDisabled").into() } else { status.into() }
}

fn endpoints(object: &Value) -> Value {
    let subsets = object.get("subsets").and_then(Value::as_array).into_iter().flatten();
    let pairs: Vec<String> = subsets
        .flat_map(|subset| {
            let port = shown(subset.pointer("/ports/0/port"));
            let addresses = subset.get("addresses").and_then(Value::as_array).into_iter().flatten();
            addresses.map(move |address| format!("{}:{port}", shown(address.get("ip")))).collect::<Vec<_>>()
        })
        .collect();
    if pairs.is_empty() { NONE.into() } else { pairs.join(",").into() }
}

fn entries(object: &Value) -> usize {
    let of = |field: &str| object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    of("data") + of("binaryData")
}

pub(super) fn reference(target: Option<&Value>) -> Value {
    let text = |field: &str| target.and_then(|target| target.get(field)).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", text("kind"), text("name")).into()
}

/// What each resource is used to, and is to be used to.
fn targets(autoscaler: &Value) -> Value {
    let listed = |path: &str| autoscaler.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let usage = |metric: &Value, what: &str| match metric.pointer(&format!("/resource/{what}/averageUtilization")) {
        Some(percent) => format!("{percent}%"),
        None => "<unknown>".to_owned(),
    };
    let name = |metric: &Value| shown(metric.pointer("/resource/name"));
    let told = listed("/spec/metrics").iter().map(|metric| {
        let current = listed("/status/currentMetrics").iter().find(|it| name(it) == name(metric));
        let current = current.map_or_else(|| "<unknown>".to_owned(), |current| usage(current, "current"));
        format!("{}: {current}/{}", name(metric), usage(metric, "target"))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { NONE.into() } else { told.join(", ").into() }
}
