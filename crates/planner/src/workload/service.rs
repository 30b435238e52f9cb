//! The Services that tell two revisions apart while a rollout lasts.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Value, json};
use tidegate_api::POD_TEMPLATE_HASH;

use super::{Ownership, steering};

/// The Service `name`: the user's Service, narrowed to the pods of `revision`, with the labels and annotations that
/// [steer](steering) its traffic.
#[must_use]
pub fn revision_service(user: &Service, name: &str, revision: &str, owner: Ownership) -> Service {
    let mut labels = user.metadata.labels.as_ref().map(steering::labels).unwrap_or_default();
    labels.extend(owner.labels);
    let annotations = user.metadata.annotations.as_ref().map(steering::annotations);
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: user.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: annotations.filter(|annotations| !annotations.is_empty()),
            owner_references: Some(owner.references),
            ..ObjectMeta::default()
        },
        spec: Some(revision_service_spec(user, revision)),
        status: None,
    }
}

/// All of the user's Service that says how traffic goes inside of the cluster; its selector narrowed to `revision`. Node
/// ports, addresses and whatever a load balancer reads stay with the user's Service, which keeps its clients.
#[must_use]
pub fn revision_service_spec(user: &Service, revision: &str) -> ServiceSpec {
    let spec = user.spec.clone().unwrap_or_default();
    let mut selector = spec.selector.unwrap_or_default();
    selector.insert(POD_TEMPLATE_HASH.to_owned(), revision.to_owned());
    let ports = spec.ports.unwrap_or_default();
    ServiceSpec {
        ports: Some(ports.into_iter().map(|port| ServicePort { node_port: None, ..port }).collect()),
        selector: Some(selector),
        cluster_ip: spec.cluster_ip.filter(|address| address == "None"),
        ip_families: spec.ip_families,
        ip_family_policy: spec.ip_family_policy,
        session_affinity: spec.session_affinity,
        session_affinity_config: spec.session_affinity_config,
        internal_traffic_policy: spec.internal_traffic_policy,
        traffic_distribution: spec.traffic_distribution,
        publish_not_ready_addresses: spec.publish_not_ready_addresses,
        ..ServiceSpec::default()
    }
}

/// The merge patch that turns the spec of a revision's Service into `wanted`; nothing where it is so. What no Service can
/// change, its addresses and their families, stays.
#[must_use]
pub fn changed_spec(existing: &ServiceSpec, wanted: &ServiceSpec) -> Option<Value> {
    let fields = |spec: &ServiceSpec| {
        json!({
            "selector": spec.selector,
            "ports": spec.ports,
            "sessionAffinity": spec.session_affinity,
            "sessionAffinityConfig": spec.session_affinity_config,
            "internalTrafficPolicy": spec.internal_traffic_policy,
            "trafficDistribution": spec.traffic_distribution,
            "publishNotReadyAddresses": spec.publish_not_ready_addresses,
        })
    };
    let (Value::Object(existing), Value::Object(wanted)) = (fields(existing), fields(wanted)) else { return None };
    let changed: serde_json::Map<_, _> =
        wanted.into_iter().filter(|(field, value)| existing.get(field) != Some(value)).collect();
    (!changed.is_empty()).then(|| json!({"spec": changed}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Service {
        serde_json::from_value(json!({
            "metadata": {
                "name": "checkout", "namespace": "shop",
                "labels": {"app": "checkout", "istio.io/use-waypoint": "shop", "argocd.argoproj.io/instance": "shop"},
                "annotations": {
                    "service.kubernetes.io/topology-mode": "Auto",
                    "traefik.ingress.kubernetes.io/service.serversscheme": "https",
                    "external-dns.alpha.kubernetes.io/hostname": "shop.example.com",
                    "prometheus.io/scrape": "true",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
            },
            "spec": {
                "type": "NodePort", "clusterIP": "10.0.0.7", "selector": {"app": "checkout"},
                "ports": [{"port": 80, "nodePort": 30080, "appProtocol": "kubernetes.io/h2c"}],
                "trafficDistribution": "PreferSameZone", "internalTrafficPolicy": "Local",
                "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack", "publishNotReadyAddresses": true,
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_revisions_service_has_all_that_steers_the_traffic_of_the_users() {
        let owner =
            Ownership { references: Vec::new(), labels: [("tidegate.dev/rollout".into(), "checkout".into())].into() };
        let service = serde_json::to_value(revision_service(&user(), "checkout-stable", "7f9c", owner)).unwrap();
        assert_eq!(
            service["spec"],
            json!({
                "selector": {"app": "checkout", "pod-template-hash": "7f9c"},
                "ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}],
                "trafficDistribution": "PreferSameZone", "internalTrafficPolicy": "Local",
                "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
                "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack", "publishNotReadyAddresses": true,
            })
        );
        let labels = json!({"istio.io/use-waypoint": "shop", "tidegate.dev/rollout": "checkout"});
        assert_eq!(service["metadata"]["labels"], labels);
        assert_eq!(
            service["metadata"]["annotations"],
            json!({
                "service.kubernetes.io/topology-mode": "Auto",
                "traefik.ingress.kubernetes.io/service.serversscheme": "https",
            })
        );
    }

    #[test]
    fn what_the_user_changes_meanwhile_is_changed_there_too_and_nothing_else() {
        let (mut user, before) = (user(), revision_service_spec(&user(), "7f9c"));
        assert_eq!(changed_spec(&before, &revision_service_spec(&user, "7f9c")), None);
        let spec = user.spec.as_mut().unwrap();
        (spec.traffic_distribution, spec.ip_families) = (None, None);
        let patch = changed_spec(&before, &revision_service_spec(&user, "7f9c")).unwrap();
        assert_eq!(patch, json!({"spec": {"trafficDistribution": null}}));
    }
}
