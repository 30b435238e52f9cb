//! What the server serves, as clients ask for it before anything else.
//!
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Resource;

/// The version of Kubernetes whose API this is.
const VERSION: (&str, &str) = ("1", "37");

/// An answer that is not about objects.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    /// What goes into `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Document {
    fn json(body: &Value) -> Self {
        Self { content_type: "application/json", body: body.to_string() }
    }

    fn text(body: &str) -> Self {
        Self { content_type: "text/plain; charset=utf-8", body: body.to_owned() }
    }
}

/// The answer to a path that names no objects; nothing if the path means nothing here. `accept` is the header.
pub(super) fn document<'a>(
    resources: impl Iterator<Item = &'a Resource>,
    path: &str,
    accept: &str,
) -> Option<Document> {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match steps.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => Some(Document::text("ok")),
        ["version"] => Some(Document::json(&version())),
        // Nothing in it: whoever wants to check an object beforehand leaves that to the server.
        ["openapi", "v2"] if accept.contains("protobuf") => Some(Document {
            content_type: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            body: String::new(),
        }),
        ["openapi", "v2"] => Some(Document::json(
            &json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": {}}),
        )),
        ["api"] => Some(Document::json(&json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
        }))),
        ["apis"] => Some(Document::json(&groups(resources))),
        ["api", "v1"] => Some(Document::json(&resource_list(resources, "", "v1")?)),
        ["apis", group] => group_of(&groups(resources), group).map(|group| Document::json(&group)),
        ["apis", group, version] => Some(Document::json(&resource_list(resources, group, version)?)),
        _ => None,
    }
}

fn version() -> Value {
    let (major, minor) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": format!("v{major}.{minor}.0+tidegate"),
        "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    })
}

fn groups<'a>(resources: impl Iterator<Item = &'a Resource>) -> Value {
    let mut versions = BTreeMap::<&str, Vec<&str>>::new();
    for resource in resources.filter(|resource| !resource.group.is_empty()) {
        let known = versions.entry(&resource.group).or_default();
        for version in &resource.versions {
            if !known.contains(&version.as_str()) {
                known.push(version);
            }
        }
    }
    let groups: Vec<Value> = versions
        .into_iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
                .collect();
            json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_of(groups: &Value, name: &str) -> Option<Value> {
    let mut group =
        groups.get("groups")?.as_array()?.iter().find(|group| group.get("name").is_some_and(|it| it == name))?.clone();
    let fields = group.as_object_mut()?;
    fields.insert("kind".to_owned(), "APIGroup".into());
    fields.insert("apiVersion".to_owned(), "v1".into());
    Some(group)
}

/// Nothing if the version serves nothing.
fn resource_list<'a>(resources: impl Iterator<Item = &'a Resource>, group: &str, version: &str) -> Option<Value> {
    let served: Vec<Value> = resources
        .filter(|resource| resource.group == group && resource.versions.iter().any(|known| known == version))
        .flat_map(entries)
        .collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!served.is_empty()).then(
        || json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": served}),
    )
}

/// A kind and its subresources.
fn entries(resource: &Resource) -> Vec<Value> {
    let Resource { plural, kind, namespaced, .. } = resource;
    let verbs: &[&str] = if resource.transient {
        &["create"]
    } else {
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    };
    let mut entries = vec![json!({
        "name": plural, "singularName": resource.singular, "namespaced": namespaced, "kind": kind, "verbs": verbs,
        "shortNames": resource.short_names, "categories": resource.categories,
    })];
    let verbs = ["get", "patch", "update"];
    if resource.status {
        entries.push(json!({
            "name": format!("{plural}/status"), "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs,
        }));
    }
    if resource.scale.is_some() {
        entries.push(json!({
            "name": format!("{plural}/scale"), "singularName": "", "namespaced": namespaced,
            "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": verbs,
        }));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScalePaths;

    fn resources() -> Vec<Resource> {
        let rollouts = Resource {
            group: "example.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            versions: vec!["v1alpha1".to_owned()],
            kind: "Rollout".to_owned(),
            plural: "rollouts".to_owned(),
            singular: "rollout".to_owned(),
            short_names: vec!["ro".to_owned()],
            namespaced: true,
            status: true,
            scale: Some(ScalePaths::default()),
            custom: true,
            ..Resource::default()
        };
        vec![rollouts]
    }

    fn asked(path: &str) -> Option<Value> {
        let document = document(resources().iter(), path, "application/json")?;
        serde_json::from_str(&document.body).ok()
    }

    #[test]
    fn a_group_tells_its_versions_and_a_version_its_kinds() {
        assert_eq!(asked("/apis").unwrap()["groups"][0]["name"], "example.dev");
        assert_eq!(asked("/apis/example.dev").unwrap()["preferredVersion"]["version"], "v1alpha1");
        let listed = asked("/apis/example.dev/v1alpha1").unwrap();
        assert_eq!(listed["resources"][0]["shortNames"][0], "ro");
        assert_eq!(listed["resources"][1]["name"], "rollouts/status");
        assert_eq!(listed["resources"][2]["kind"], "Scale");
        assert_eq!(asked("/apis/example.dev/v2"), None);
    }

    #[test]
    fn health_is_plain_text() {
        assert_eq!(document(resources().iter(), "/readyz", "*/*").unwrap().body, "ok");
    }
}
