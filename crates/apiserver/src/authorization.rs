//! Role-based access control: what the Roles and bindings in the server allow to whom.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>
//!
//! The server itself asks nobody who they are. Whoever puts it behind a door asks here.

use serde_json::Value;

use super::{ApiServer, Object};

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The user's name, such as `system:serviceaccount:shop:default`.
    pub name: &'a str,
    /// The groups that the user belongs to.
    pub groups: &'a [&'a str],
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The resource, in the plural.
    pub resource: &'a str,
    /// The subresource, or nothing.
    pub subresource: &'a str,
    /// The namespace; empty for objects of the whole cluster, and for all namespaces.
    pub namespace: &'a str,
    /// The name; empty where the request is not for one object.
    pub name: &'a str,
}

/// Whether any binding in `server` gives `user` a role that allows it.
#[must_use]
pub fn allows(server: &ApiServer, user: &User<'_>, wanted: &Attributes<'_>) -> bool {
    if user.groups.contains(&MASTERS) {
        return true;
    }
    let everywhere = server.list("clusterrolebindings", None);
    let here =
        if wanted.namespace.is_empty() { Vec::new() } else { server.list("rolebindings", Some(wanted.namespace)) };
    everywhere.iter().chain(&here).any(|binding| {
        list(binding.value(), "subjects").any(|subject| is(subject, user, binding.namespace()))
            && role(server, binding).is_some_and(|role| list(role.value(), "rules").any(|rule| covers(rule, wanted)))
    })
}

/// Whether a binding's subject is that user.
fn is(subject: &Value, user: &User<'_>, binding_namespace: &str) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => name == user.name,
        "Group" => user.groups.contains(&name),
        "ServiceAccount" => {
            let namespace = Some(text(subject, "namespace")).filter(|namespace| !namespace.is_empty());
            let account = format!("system:serviceaccount:{}:{name}", namespace.unwrap_or(binding_namespace));
            account == user.name
        }
        _ => false,
    }
}

/// The role that a binding refers to.
fn role(server: &ApiServer, binding: &Object) -> Option<std::sync::Arc<Object>> {
    let reference = binding.value().get("roleRef")?;
    match text(reference, "kind") {
        "Role" => server.get("roles", binding.namespace(), text(reference, "name")),
        "ClusterRole" => server.get("clusterroles", "", text(reference, "name")),
        _ => None,
    }
}

fn covers(rule: &Value, wanted: &Attributes<'_>) -> bool {
    let any = |field: &str, matches: &dyn Fn(&str) -> bool| list(rule, field).filter_map(Value::as_str).any(matches);
    any("verbs", &|verb| verb == "*" || verb == wanted.verb)
        && any("apiGroups", &|group| group == "*" || group == wanted.group)
        && any("resources", &|resource| covers_resource(resource, wanted))
        && (list(rule, "resourceNames").next().is_none() || any("resourceNames", &|name| name == wanted.name))
}

/// `*` is everything, `*/scale` that subresource of everything, `deployments` no subresource of Deployments.
fn covers_resource(granted: &str, wanted: &Attributes<'_>) -> bool {
    let (resource, subresource) = granted.split_once('/').unwrap_or((granted, ""));
    granted == "*" || ((resource == "*" || resource == wanted.resource) && subresource == wanted.subresource)
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WANTED: Attributes<'_> = Attributes {
        verb: "update",
        group: "apps",
        resource: "deployments",
        subresource: "",
        namespace: "shop",
        name: "checkout",
    };

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Value {
        json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
    }

    #[test]
    fn a_rule_covers_its_verbs_groups_resources_and_names() {
        assert!(covers(&rule(&["update"], &["apps"], &["deployments"], &[]), &WANTED));
        assert!(covers(&rule(&["*"], &["*"], &["*"], &[]), &WANTED));
        assert!(covers(&rule(&["update"], &["apps"], &["deployments"], &["checkout"]), &WANTED));
        assert!(!covers(&rule(&["get"], &["apps"], &["deployments"], &[]), &WANTED));
        assert!(!covers(&rule(&["update"], &[""], &["deployments"], &[]), &WANTED));
        assert!(!covers(&rule(&["update"], &["apps"], &["deployments"], &["basket"]), &WANTED));
    }

    #[test]
    fn a_resource_does_not_cover_its_subresources() {
        let scale = Attributes { subresource: "scale", ..WANTED };
        assert!(!covers_resource("deployments", &scale));
        assert!(covers_resource("deployments/scale", &scale) && covers_resource("*/scale", &scale));
        assert!(!covers_resource("deployments/scale", &WANTED));
    }

    #[test]
    fn a_creation_is_not_covered_by_a_rule_for_names() {
        let create = Attributes { verb: "create", name: "", ..WANTED };
        assert!(!covers(&rule(&["create"], &["apps"], &["deployments"], &["checkout"]), &create));
    }

    #[test]
    fn a_subject_is_a_user_a_group_or_a_service_account() {
        let user = User { name: "system:serviceaccount:shop:default", groups: &["system:authenticated"] };
        assert!(is(&json!({"kind": "ServiceAccount", "name": "default", "namespace": "shop"}), &user, "other"));
        assert!(is(&json!({"kind": "ServiceAccount", "name": "default"}), &user, "shop"));
        assert!(is(&json!({"kind": "Group", "name": "system:authenticated"}), &user, ""));
        assert!(!is(&json!({"kind": "User", "name": "default"}), &user, ""));
    }
}
