//! The kinds that every cluster has.

use super::resource::{Resource, ScalePaths};

/// One line for each kind: group, versions (the stored one first), kind, plural, and what is special about it.
const BUILT_IN: &[(&str, &str, &str, &str, &str)] = &[
    ("", "v1", "Namespace", "namespaces", "cluster status ns"),
    ("", "v1", "Node", "nodes", "cluster status no"),
    ("", "v1", "Pod", "pods", "status po +all"),
    ("", "v1", "Service", "services", "status svc +all"),
    ("", "v1", "Endpoints", "endpoints", "ep"),
    ("", "v1", "Event", "events", "ev"),
    ("", "v1", "ConfigMap", "configmaps", "cm"),
    ("", "v1", "Secret", "secrets", ""),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
    ("", "v1", "ResourceQuota", "resourcequotas", "status quota"),
    ("", "v1", "LimitRange", "limitranges", "limits"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "status pvc"),
    ("apps", "v1", "Deployment", "deployments", "status scale deploy +all"),
    ("apps", "v1", "ReplicaSet", "replicasets", "status scale rs +all"),
    ("apps", "v1", "StatefulSet", "statefulsets", "status scale sts +all"),
    ("apps", "v1", "DaemonSet", "daemonsets", "status ds +all"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", ""),
    ("batch", "v1", "Job", "jobs", "status +all"),
    ("batch", "v1", "CronJob", "cronjobs", "status cj +all"),
    ("autoscaling", "v2 v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "status hpa +all"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", ""),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "status ing"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "cluster pc"),
    ("coordination.k8s.io", "v1", "Lease", "leases", ""),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", ""),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "cluster"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "cluster"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "status pdb"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "cluster status crd crds"),
];

/// The kinds that every cluster has.
pub(super) fn built_in() -> impl Iterator<Item = Resource> {
    BUILT_IN.iter().map(|(group, versions, kind, plural, traits)| {
        let mut resource = Resource {
            group: (*group).to_owned(),
            versions: versions.split(' ').map(str::to_owned).collect(),
            version: versions.split(' ').next().unwrap_or_default().to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            singular: kind.to_lowercase(),
            namespaced: true,
            ..Resource::default()
        };
        for special in traits.split_whitespace() {
            match special {
                "cluster" => resource.namespaced = false,
                "status" => resource.status = true,
                "scale" => resource.scale = Some(replicas()),
                category if category.starts_with('+') => resource.categories.push(category.replace('+', "")),
                short => resource.short_names.push(short.to_owned()),
            }
        }
        resource
    })
}

/// Events under their newer name: the same objects as the core group's.
pub(super) fn events_v1() -> Resource {
    let [group, version, kind, plural] = ["events.k8s.io", "v1", "Event", "events"].map(str::to_owned);
    Resource {
        singular: kind.to_lowercase(),
        short_names: vec!["ev".to_owned()],
        versions: vec![version.clone()],
        namespaced: true,
        group,
        version,
        kind,
        plural,
        ..Resource::default()
    }
}

fn replicas() -> ScalePaths {
    let [spec, status, selector] = [".spec.replicas", ".status.replicas", ".spec.selector"].map(str::to_owned);
    ScalePaths { spec, status, selector }
}
