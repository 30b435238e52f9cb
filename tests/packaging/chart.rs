//! The chart installs what `deploy/` does.

use std::fs;

use serde_json::{Value, json};
use tidegate_notify::Notifications;

use crate::{
    manifests::{rules, rules_of_a_namespace},
    render::{chart, file, find, has_kind, helm, kustomization, repository},
};

/// The pod's spec without what differs on purpose: labels of the release, the pull policy and the log format.
fn comparable(deployment: &Value) -> Value {
    let mut pod = deployment["spec"]["template"]["spec"].clone();
    pod["topologySpreadConstraints"][0]["labelSelector"].take();
    let container = pod["containers"][0].as_object_mut().unwrap();
    container.remove("imagePullPolicy");
    let arguments = container["args"].as_array_mut().unwrap();
    arguments.retain(|argument| !argument.as_str().unwrap().starts_with("--log-format="));
    pod
}

#[test]
fn the_chart_grants_the_same_rights_as_the_base() {
    for objects in chart(&[]) {
        for path in ["deploy/rbac.yaml", "deploy/user-roles.yaml"] {
            for object in file(path) {
                let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
                let rendered = find(&objects, kind, name);
                if kind.ends_with("Binding") {
                    assert_eq!(rendered["roleRef"], object["roleRef"]);
                    assert_eq!(rendered["subjects"], object["subjects"]);
                } else {
                    assert_eq!(rules(rendered), rules(&object), "{kind} {name}");
                }
            }
        }
    }
}

#[test]
fn the_chart_runs_the_same_pod_as_the_base() {
    for objects in chart(&[]) {
        let base = file("deploy/deployment.yaml").remove(0);
        assert_eq!(comparable(find(&objects, "Deployment", "tidegate")), comparable(&base));
    }
}

#[test]
fn the_chart_configures_the_same_endpoints_as_the_base() {
    for objects in chart(&[]) {
        let base = file("deploy/prometheus.yaml").remove(0);
        let endpoints = |config: &Value| -> Value {
            serde_saphyr::from_str(config["data"]["prometheus.yaml"].as_str().unwrap()).unwrap()
        };
        assert_eq!(endpoints(find(&objects, "ConfigMap", "tidegate-prometheus")), endpoints(&base));
    }
}

#[test]
fn a_watched_namespace_turns_the_cluster_role_into_a_role() {
    for objects in chart(&["watchNamespace=shop"]) {
        assert!(!has_kind(&objects, "ClusterRole") && !has_kind(&objects, "ClusterRoleBinding"));
        let role = find(&objects, "Role", "tidegate");
        assert_eq!(role["metadata"]["namespace"], "shop");
        assert_eq!(rules(role), rules_of_a_namespace(find(&file("deploy/rbac.yaml"), "ClusterRole", "tidegate")));
        assert_eq!(find(&objects, "RoleBinding", "tidegate")["subjects"][0]["namespace"], "tidegate-system");
        let deployment = find(&objects, "Deployment", "tidegate");
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        assert!(arguments.contains(&json!("--namespace=shop")), "{arguments:?}");
    }
}

#[test]
fn what_is_off_by_default_renders_when_it_is_on() {
    let values = ["serviceMonitor.enabled=true", "networkPolicy.enabled=true", "prometheus.secrets={token}"];
    for objects in chart(&values) {
        find(&objects, "NetworkPolicy", "tidegate");
        find(&objects, "ServiceMonitor", "tidegate");
        let pod = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][1]["secret"]["secretName"], "token");
        assert_eq!(pod["containers"][0]["volumeMounts"][1]["mountPath"], "/etc/tidegate-secrets/token");
    }
}

#[test]
fn webhooks_and_verified_approvals_reach_the_operator() {
    let values =
        ["webhooks.endpoints[0].name=board", "webhooks.endpoints[0].url=https://board", "approvals.verified=true"];
    for objects in chart(&values) {
        let config = find(&objects, "ConfigMap", "tidegate-webhooks")["data"]["webhooks.yaml"].as_str().unwrap();
        assert!(config.contains("https://board"), "{config}");
        find(&objects, "ValidatingAdmissionPolicyBinding", "tidegate-approvals");
        let pod = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        for argument in ["--webhooks-config=/etc/tidegate-webhooks/webhooks.yaml", "--approvals-verified"] {
            assert!(arguments.contains(&json!(argument)), "{arguments:?}");
        }
        assert_eq!(pod["volumes"][1]["configMap"]["name"], "tidegate-webhooks");
    }
}

#[test]
fn notifications_reach_the_operator_with_the_right_to_their_record_and_no_other() {
    let values = [
        "notifications.receivers[0].name=chat",
        "notifications.receivers[0].slack.urlFile=/etc/tidegate-secrets/slack/url",
        "notifications.routes[0].receivers[0]=chat",
        "watchNamespace=shop",
    ];
    for objects in chart(&values) {
        let config = &find(&objects, "ConfigMap", "tidegate-notifications-config")["data"]["notifications.yaml"];
        let read = Notifications::parse(config.as_str().unwrap(), "notifications.yaml").unwrap();
        assert_eq!((read.receivers.len(), read.unreached().count()), (1, 0));
        let pod = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        for argument in [
            "--notifications=/etc/tidegate-notifications/notifications.yaml",
            "--notifications-record=tidegate-notifications",
        ] {
            assert!(arguments.contains(&json!(argument)), "{arguments:?}");
        }
        assert_eq!(pod["volumes"][1]["configMap"]["name"], "tidegate-notifications-config");
        let role = find(&objects, "Role", "tidegate-notifications");
        assert_eq!(role["metadata"]["namespace"], "tidegate-system");
        let rules = role["rules"].as_array().unwrap();
        assert_eq!(rules[0]["verbs"], json!(["create"]));
        assert_eq!(
            (&rules[1]["resourceNames"], &rules[1]["verbs"]),
            (&json!(["tidegate-notifications"]), &json!(["get", "update"]))
        );
        assert_eq!(rules[2]["resources"], json!(["events"]), "beside the record, outside of what is watched");
    }
    for objects in chart(&[]) {
        let is_named = |object: &Value| object["metadata"]["name"].as_str().unwrap().contains("notifications");
        assert!(!objects.iter().any(is_named), "nothing is there that nobody uses");
    }
}

#[test]
fn the_dashboard_gets_a_service_of_its_own_and_the_right_to_ask_who_may_see_what_and_no_other() {
    for objects in chart(&[]) {
        assert!(objects.iter().all(|it| it["metadata"]["name"] != "tidegate-dashboard"));
    }
    let proxy = ["dashboard.proxy.userHeader=X-User", "dashboard.proxy.groupsHeader=X-Groups"];
    let values =
        [&["dashboard.enabled=true", "dashboard.actions=true", "dashboard.proxy.secretName=proxy"], &proxy[..]];
    for objects in chart(&values.concat()) {
        assert_eq!(find(&objects, "Service", "tidegate-dashboard")["spec"]["ports"][0]["targetPort"], "dashboard");
        let rights = rules(find(&objects, "ClusterRole", "tidegate-dashboard"));
        let expected = [("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews")];
        let rule =
            |(group, kind): (&str, &str)| json!({"apiGroups": [group], "resources": [kind], "verbs": ["create"]});
        assert_eq!(rights, expected.map(|it| rule(it).to_string()));
        let pod = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        for argument in [
            "--dashboard=0.0.0.0:8081",
            "--dashboard-actions",
            "--dashboard-user-header=X-User",
            "--dashboard-groups-header=X-Groups",
            "--dashboard-proxy-secret-file=/etc/tidegate-dashboard/secret",
        ] {
            assert!(arguments.contains(&json!(argument)), "{arguments:?}");
        }
        assert_eq!(pod["volumes"][1]["secret"]["secretName"], "proxy");
        assert_eq!(pod["containers"][0]["ports"][1]["containerPort"], 8081);
    }
    for objects in chart(&["dashboard.enabled=true", "networkPolicy.enabled=true"]) {
        let pod = &find(&objects, "Deployment", "tidegate")["spec"]["template"]["spec"];
        assert!(!pod["containers"][0]["args"].as_array().unwrap().contains(&json!("--dashboard-actions")));
        let ingress = &find(&objects, "NetworkPolicy", "tidegate")["spec"]["ingress"][0]["ports"];
        assert_eq!(ingress[1]["port"], "dashboard");
    }
}

#[test]
fn the_rights_for_jobs_can_be_taken_away_and_those_for_their_last_words_given() {
    let rights_to = |objects: &[Value], resource: &str| {
        let rules = find(objects, "ClusterRole", "tidegate")["rules"].as_array().unwrap().clone();
        let of = |rule: &&Value| rule["resources"].as_array().unwrap().contains(&json!(resource));
        rules.iter().filter(of).flat_map(|rule| rule["verbs"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    for objects in chart(&["jobs.enabled=false"]) {
        assert_eq!((rights_to(&objects, "jobs"), rights_to(&objects, "cronjobs")), (vec![], vec![]));
    }
    for objects in chart(&["jobs.logs=true"]) {
        assert_eq!(rights_to(&objects, "pods"), [json!("delete"), json!("list")]);
    }
}

#[test]
fn the_rights_to_what_is_tracked_are_given_by_kind_everywhere_or_in_some_namespaces() {
    let tracked = |object: &Value| {
        let rules = object["rules"].as_array().into_iter().flatten();
        let resources = rules.flat_map(|rule| rule["resources"].as_array().unwrap().clone());
        resources.filter(|it| *it == "configmaps" || *it == "secrets").collect::<Vec<_>>()
    };
    for objects in chart(&[]) {
        assert_eq!(objects.iter().flat_map(tracked).collect::<Vec<_>>(), Vec::<Value>::new());
    }
    for objects in chart(&["track.configMaps=true"]) {
        assert_eq!(tracked(find(&objects, "ClusterRole", "tidegate")), [json!("configmaps")]);
    }
    for objects in chart(&["track.secrets=true", "track.namespaces={shop,other}"]) {
        assert_eq!(tracked(find(&objects, "ClusterRole", "tidegate")), Vec::<Value>::new());
        let roles: Vec<_> = objects.iter().filter(|it| it["kind"] == "Role" && !tracked(it).is_empty()).collect();
        let places: Vec<_> = roles.iter().map(|role| role["metadata"]["namespace"].clone()).collect();
        assert_eq!((places, tracked(roles[0])), (vec![json!("shop"), json!("other")], vec![json!("secrets")]));
        assert_eq!(find(&objects, "RoleBinding", "tidegate-track")["subjects"][0]["name"], "tidegate");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for value in [
        "replcas=3",
        "replicas=0",
        "replicas=null",
        "image=null",
        "logging.format=xml",
        "logging=null",
        "prometheus=null",
        "prometheus.endpoints=null",
        "prometheus.endpoints[0].url=prometheus:9090",
        "prometheus.secrets={a/b}",
        "webhooks.endpoints[0].url=board:443",
        "notifications.receivers[0].name=a b",
        "notifications.routes[0].severity={Panic}",
        "approvals.verified=perhaps",
        "dashboard.proxy.userHeader=X-User",
        "dashboard.proxy.groupsHeader=X-Groups",
        "dashboard.actions=perhaps",
        "jobs.enabled=null",
        "track.secrets=perhaps",
        "track.namespaces={Shop}",
        "watchNamespace=Shop_1",
        "serviceMonitor=null",
        "networkPolicy=null",
    ] {
        for result in helm(&["template", "tidegate", "tidegate", "--set", value]) {
            let error = result.expect_err(value);
            // The schema says so, and names the field; a template that fails names a line of its own.
            let field = value.split(['=', '.', '[']).next().unwrap();
            assert!(error.contains("schema") && error.contains(field), "{value}: {error}");
        }
    }
}

/// Helm 4 applies on the server, where older ones know a port by its number and its protocol.
#[test]
fn every_port_says_its_protocol() {
    let mut objects: Vec<Value> = chart(&["serviceMonitor.enabled=true"]).into_iter().flatten().collect();
    objects.extend(
        ["deploy/service.yaml", "deploy/deployment.yaml", "examples/minimal/checkout.yaml"].into_iter().flat_map(file),
    );
    let mut count = 0;
    for object in objects {
        let of_pods = object.pointer("/spec/template/spec/containers/0/ports");
        let of_service = object.pointer("/spec/ports").filter(|_| object["kind"] == "Service");
        for port in of_pods.into_iter().chain(of_service).flat_map(|ports| ports.as_array().unwrap()) {
            assert_eq!(port["protocol"], "TCP", "{object}");
            count += 1;
        }
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn the_notes_name_a_command_that_kubectl_takes() {
    let notes = fs::read_to_string(repository("charts/tidegate/templates/NOTES.txt")).unwrap();
    assert!(notes.ends_with("  kubectl apply --server-side --force-conflicts -k crds\n"), "{notes}");
    assert!(notes.contains("CustomResourceDefinitions, but never upgrades or removes them"), "{notes}");
    let Some(definitions) = kustomization("crds") else { return };
    assert_eq!(definitions.len(), 3);
}

#[test]
fn helm_lints_the_chart() {
    let on = "serviceMonitor.enabled=true,networkPolicy.enabled=true,prometheus.secrets={token},watchNamespace=shop,dashboard.enabled=true";
    for values in ["", on] {
        for result in helm(&["lint", "tidegate", "--strict", "--set", values]) {
            assert!(result.is_ok(), "{values:?}: {result:?}");
        }
    }
}
