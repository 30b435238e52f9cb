//! Pods, their containers and volumes.

use serde_json::{Map, Value, json};

use super::{each, set, within};

/// Fills in the spec of a pod or of a pod template.
pub(super) fn spec(spec: &mut Map<String, Value>) {
    set(spec, "restartPolicy", "Always");
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "securityContext", json!({}));
    for name in ["initContainers", "containers"] {
        each(spec, name).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
    // The two names of one field follow each other.
    if let Some(account) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let (_, name) = image.rsplit_once('/').unwrap_or(("", image));
    let is_moving = !name.contains('@') && name.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest");
    set(container, "imagePullPolicy", if is_moving { "Always" } else { "IfNotPresent" });
    set(container, "resources", json!({}));
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    each(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, name).into_iter().for_each(probe);
    }
    for variable in each(container, "env") {
        if let Some(field) = within(variable, "valueFrom").and_then(|it| within(it, "fieldRef")) {
            set(field, "apiVersion", "v1");
        }
    }
}

/// What the containers of a pod, and not yet of a template, are limited in and do not request, they request up to the
/// limit.
pub(super) fn requests(spec: &mut Map<String, Value>) {
    for name in ["initContainers", "containers"] {
        each(spec, name).filter_map(|container| within(container, "resources")).for_each(up_to_the_limits);
    }
}

fn up_to_the_limits(resources: &mut Map<String, Value>) {
    let limits = within(resources, "limits").cloned().unwrap_or_default();
    if limits.is_empty() {
        return;
    }
    set(resources, "requests", json!({}));
    if let Some(requests) = within(resources, "requests") {
        limits.into_iter().for_each(|(name, limit)| set(requests, &name, limit));
    }
}

fn probe(probe: &mut Map<String, Value>) {
    set(probe, "timeoutSeconds", 1);
    set(probe, "periodSeconds", 10);
    set(probe, "successThreshold", 1);
    set(probe, "failureThreshold", 3);
    if let Some(get) = within(probe, "httpGet") {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    }
    if let Some(call) = within(probe, "grpc") {
        set(call, "service", "");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    for name in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = within(volume, name) {
            set(source, "defaultMode", 420);
        }
    }
}
