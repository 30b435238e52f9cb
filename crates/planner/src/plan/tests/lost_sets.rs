//! The stable version's ReplicaSet is deleted, or loses its owner, and the Deployment has one of that name.

use tidegate_api::Phase;

use super::{
    cluster::{image_of, user_route},
    lab::Lab,
    specs::{by_pods, routed},
};

fn stable(lab: &Lab) -> String {
    lab.status().stable.map(|stable| stable.replica_set).unwrap_or_default()
}

/// What happens while no operator is there: every ReplicaSet of the stable version is deleted, also the empty one that
/// the Deployment has made since adoption, and the version is pushed again.
fn recreated_by_the_deployment(lab: &mut Lab) {
    let lost = stable(lab);
    let of_stable = lab.cluster.replica_sets.values().filter(|set| image_of(set) == "v1");
    for name in of_stable.map(|set| set.name().to_owned()).collect::<Vec<_>>() {
        lab.cluster.remove_replica_set(&name);
    }
    lab.cluster.push("v1");
    while lab.cluster.tick() {}
    assert!(lab.cluster.replica_sets.contains_key(&lost), "{:?}", lab.cluster.replica_sets.keys());
}

#[test]
fn a_stable_replica_set_that_the_deployment_made_anew_is_taken_over_and_serves() {
    for spec in [routed(), by_pods()] {
        for stage in ["canary", "quarter", "full"] {
            let mut lab = Lab::in_stage(&spec, stage);
            recreated_by_the_deployment(&mut lab);
            lab.finish();
            assert_eq!(lab.phase(), Phase::Stable, "{stage}: {}", lab.status().message);
            assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0), "{stage}");
        }
    }
}

#[test]
fn a_version_that_is_pushed_after_it_starts_from_there() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    recreated_by_the_deployment(&mut lab);
    lab.cluster.push("v4");
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2"), lab.cluster.pods_of("v4")), (0, 0, 10));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}

#[test]
fn at_rest_a_replica_set_that_the_deployment_made_anew_is_taken_over_and_serves() {
    let mut lab = Lab::adopted(&routed());
    recreated_by_the_deployment(&mut lab);
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v1")), (Phase::Stable, 10));
}

#[test]
fn a_replica_set_whose_owner_and_labels_somebody_took_off_comes_back_from_the_deployment() {
    for mut lab in [Lab::adopted(&routed()), Lab::in_stage(&routed(), "quarter")] {
        let name = stable(&lab);
        if let Some(set) = lab.cluster.replica_sets.get_mut(&name) {
            set.metadata.owner_references = None;
            let labels = set.spec.template.pointer("/metadata/labels").cloned().unwrap_or_default();
            set.metadata.labels = serde_json::from_value(labels).unwrap_or_default();
        }
        while lab.cluster.tick() {}
        lab.finish();
        assert_eq!(lab.phase(), Phase::Stable, "{}", lab.status().message);
        let serving = lab.cluster.pods_of("v1") + lab.cluster.pods_of("v2");
        assert_eq!(serving, 10, "{}", lab.status().message);
    }
}
