//! What `kubectl apply -k` would send.

use serde_json::{Value, json};

use crate::render::{find, has_kind, kustomization};

#[test]
fn the_base_brings_everything_that_it_refers_to() {
    let Some(objects) = kustomization("deploy") else { return };
    find(&objects, "CustomResourceDefinition", "rollouts.tidegate.dev");
    let deployment = find(&objects, "Deployment", "tidegate");
    let pod = &deployment["spec"]["template"];
    find(&objects, "ServiceAccount", pod["spec"]["serviceAccountName"].as_str().unwrap());
    find(&objects, "ConfigMap", pod["spec"]["volumes"][0]["configMap"]["name"].as_str().unwrap());
    for (kind, selector) in [
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("Deployment", "/spec/selector/matchLabels"),
    ] {
        assert_selects(find(&objects, kind, "tidegate").pointer(selector).unwrap(), &pod["metadata"]["labels"]);
    }
    for object in objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding")) {
        find(&objects, object["roleRef"]["kind"].as_str().unwrap(), object["roleRef"]["name"].as_str().unwrap());
        assert_eq!(object["subjects"][0]["name"], "tidegate");
    }
}

fn assert_selects(selector: &Value, labels: &Value) {
    for (name, value) in selector.as_object().unwrap() {
        assert_eq!(&labels[name], value, "{selector} does not select {labels}");
    }
}

#[test]
fn one_namespace_needs_nothing_outside_of_it() {
    let Some(objects) = kustomization("tests/packaging/overlays/namespaced") else { return };
    for kind in ["ClusterRole", "ClusterRoleBinding", "Namespace"] {
        assert!(!has_kind(&objects, kind), "there is a {kind}");
    }
    for object in objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        assert_eq!(object["metadata"]["namespace"], "shop", "{object}");
    }
    assert_eq!(find(&objects, "RoleBinding", "tidegate")["subjects"][0]["namespace"], "shop");
    let deployment = find(&objects, "Deployment", "tidegate");
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&json!("--namespace=$(POD_NAMESPACE)")), "{arguments:?}");
}

#[test]
fn the_network_policy_is_for_the_operator_s_pods() {
    let Some(objects) = kustomization("tests/packaging/overlays/network-policy") else { return };
    let policy = find(&objects, "NetworkPolicy", "tidegate");
    let labels = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["metadata"]["labels"];
    assert_selects(&policy["spec"]["podSelector"]["matchLabels"], labels);
}
