//! Labels in selectors that change with every version.

use serde_json::{Map, Value};

use super::finding::{Finding, LocatedDocument};

/// Labels that name a version, whatever their value.
const VERSIONS: [&str; 4] = ["version", "app.kubernetes.io/version", "helm.sh/chart", "pod-template-hash"];

/// The version labels in the selectors of a Deployment and its Service.
pub fn check(deployment: &LocatedDocument, service: Option<&LocatedDocument>) -> Vec<Finding> {
    let tags = tags(deployment);
    let mut findings = Vec::new();
    if let Some(service) = service {
        for label in labels(service, "/spec/selector", &tags) {
            let message = format!(
                "Service {} selects by {label}, which another version has otherwise: with it all requests move at once and past every check, or none do; leave it out of the selector",
                service.name()
            );
            findings.push(service.warning(format!("spec.selector.{label}"), message));
        }
    }
    for label in labels(deployment, "/spec/selector/matchLabels", &tags) {
        let message = format!(
            "Deployment {} selects by {label}, which another version has otherwise, and a selector can never be changed: leave it out of the selector",
            deployment.name()
        );
        findings.push(deployment.warning(format!("spec.selector.matchLabels.{label}"), message));
    }
    findings
}

/// The version labels of the selector at `pointer`.
fn labels<'a>(written: &'a LocatedDocument, pointer: &str, tags: &[&str]) -> Vec<&'a str> {
    let selector = written.document.value().pointer(pointer).and_then(Value::as_object);
    let names_a_version = |(key, value): &(&String, &Value)| {
        VERSIONS.contains(&key.as_str()) || value.as_str().is_some_and(|value| tags.contains(&value))
    };
    selector.into_iter().flat_map(Map::iter).filter(names_a_version).map(|(key, _)| key.as_str()).collect()
}

/// The tags of the images that look like versions: those with a digit.
fn tags(deployment: &LocatedDocument) -> Vec<&str> {
    let containers = deployment.document.value().pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let images = containers.into_iter().flatten().filter_map(|container| container.get("image")?.as_str());
    images.filter_map(tag).filter(|tag| tag.contains(|letter: char| letter.is_ascii_digit())).collect()
}

/// What stands behind the colon: `registry:5000/shop/web:v1@sha256:…` has `v1`.
fn tag(image: &str) -> Option<&str> {
    let name = image.rsplit('/').find(|part| !part.is_empty())?;
    name.split('@').next()?.split_once(':').map(|(_, tag)| tag)
}
