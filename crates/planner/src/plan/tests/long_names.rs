//! Deployments whose names Kubernetes cuts in the names of their pods.

use tidegate_api::Phase;

use super::{cluster::Cluster, lab::Lab, specs::with};
use serde_json::json;

fn serving(length: usize) -> Lab {
    let name = "a".repeat(length);
    let mut cluster = Cluster::serving_as(&name, 10);
    cluster.create_rollout(&with(&json!({"workload": {"kind": "Deployment", "name": name}})));
    Lab::new(cluster)
}

#[test]
fn a_deployment_with_a_long_name_is_released_like_any_other() {
    for length in [46, 47, 52, 56, 57, 58, 63] {
        let mut lab = serving(length);
        let pods = lab.cluster.all_pods();
        lab.settle();
        assert_eq!(lab.phase(), Phase::Stable, "{length}: {}", lab.status().message);
        assert_eq!(lab.cluster.all_pods(), pods);
        for version in ["v2", "v3", "v1", "v2"] {
            lab.cluster.push(version);
            lab.finish();
            assert_eq!((lab.phase(), lab.cluster.pods_of(version)), (Phase::Stable, 10), "{length}: {version}");
            assert_eq!(lab.cluster.all_pods().len(), 10);
        }
    }
}

#[test]
fn pods_of_two_revisions_whose_names_look_alike_never_serve_at_once() {
    let mut lab = serving(63);
    // The Deployment has a history: an empty ReplicaSet whose pods would look like those that serve.
    lab.cluster.push("v2");
    while lab.cluster.tick() {}
    lab.settle();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
    let adopted = lab.status().stable.unwrap().replica_set;
    lab.cluster.push("v1");
    lab.until(|lab| lab.phase() == Phase::Progressing);
    let canary = lab.status().canary.unwrap().replica_set;
    assert!(canary.len() < adopted.len(), "{canary} was made anew, with a name that stays whole");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1"), lab.cluster.all_pods().len()), (Phase::Stable, 10, 10));
}
