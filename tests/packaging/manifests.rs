//! The files in `deploy/`, as they stand: rights and pod security.

use serde_json::{Value, json};
use tidegate_planner::traffic::KINDS;

use crate::render::{file, find};

/// The rules of a role, in an order of their own, so that two lists can be compared.
pub fn rules(role: &Value) -> Vec<String> {
    let mut rules: Vec<_> = role["rules"].as_array().unwrap().iter().map(Value::to_string).collect();
    rules.sort();
    rules
}

/// Those of them that a Role can grant.
pub fn rules_of_a_namespace(role: &Value) -> Vec<String> {
    let mut rules = rules(role);
    rules.retain(|rule| {
        !["clusterchecktemplates", "gatewayclasses", "referencegrants"].iter().any(|cluster| rule.contains(cluster))
    });
    rules
}

#[test]
fn the_operator_may_not_read_secrets_or_pods_nor_widen_its_rights() {
    for role in file("deploy/rbac.yaml").iter().chain(&file("deploy/namespaced/role.yaml")) {
        for rule in role["rules"].as_array().into_iter().flatten() {
            let all = ["apiGroups", "resources", "verbs"].map(|part| rule[part].as_array().unwrap().clone()).concat();
            for forbidden in ["*", "secrets", "configmaps", "pods/exec", "escalate", "bind", "impersonate"] {
                assert!(!all.contains(&json!(forbidden)), "{rule}");
            }
            // Who may delete their ReplicaSets may delete pods as it is.
            let is_of_pods = all.contains(&json!("pods"));
            assert!(!is_of_pods || rule["verbs"] == json!(["delete"]), "{rule}");
        }
    }
}

#[test]
fn one_namespace_needs_the_rules_of_the_cluster_but_for_what_is_in_no_namespace() {
    let cluster = file("deploy/rbac.yaml");
    let namespaced = file("deploy/namespaced/role.yaml");
    let role = find(&cluster, "ClusterRole", "tidegate");
    assert_eq!(rules_of_a_namespace(role), rules(find(&namespaced, "Role", "tidegate")));
}

#[test]
fn the_role_lets_every_kind_of_route_be_written() {
    let cluster = file("deploy/rbac.yaml");
    let rules = find(&cluster, "ClusterRole", "tidegate")["rules"].as_array().unwrap().clone();
    let has = |rule: &Value, field: &str, name: &str| rule[field].as_array().unwrap().contains(&json!(name));
    for kind in KINDS {
        let is_granted = |rule: &Value| {
            has(rule, "apiGroups", kind.group)
                && has(rule, "resources", kind.plural)
                && ["get", "list", "watch", "update"].iter().all(|verb| has(rule, "verbs", verb))
        };
        assert!(rules.iter().any(is_granted), "{} of {}", kind.plural, kind.group);
    }
}

#[test]
fn the_pod_meets_the_restricted_standard() {
    let deployment = file("deploy/deployment.yaml").remove(0);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for container in pod["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    }
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(volume.get("hostPath").is_none(), "{volume}");
    }
}

#[test]
fn the_image_has_the_version_of_the_package() {
    let deployment = file("deploy/deployment.yaml").remove(0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], format!("tidegate:{version}"));
    let chart = file("charts/tidegate/Chart.yaml").remove(0);
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(version), &json!(version)));
}
