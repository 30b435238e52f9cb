//! Configuration that is part of a version.

use serde_json::{Value, json};
use tidegate_api::{ConfigurationKind, Percent, Phase, Verdict, condition::kind};

use super::{
    cluster::Cluster,
    lab::Lab,
    specs::{by_pods, with},
};

fn tracking() -> Value {
    with(&json!({"track": [{"configMap": "settings"}]}))
}

/// Ten pods of `v1` that read the ConfigMap `settings`, and a Rollout that has not been looked at.
fn before(spec: &Value) -> Lab {
    let mut cluster = Cluster::serving(10);
    cluster.configure("settings", &json!({"mode": "old"}));
    cluster.mounted = Some("settings".to_owned());
    cluster.push("v1");
    while cluster.tick() {}
    cluster.create_rollout(spec);
    Lab::new(cluster)
}

/// The same, when what serves reads a copy.
fn adopted(spec: &Value) -> Lab {
    let mut lab = before(spec);
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab)), (Phase::Stable, json!({"mode": "old"})), "{}", lab.status().message);
    lab.log.clear();
    lab.steps.clear();
    lab
}

/// The same, with another content on its way.
fn configured(spec: &Value, stage: &str) -> Lab {
    let mut lab = adopted(spec);
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    lab.until(|lab| lab.status().stage.is_some_and(|status| status.name == stage && status.since.is_some()));
    lab
}

/// What the pods of the stable version read.
fn reads(lab: &Lab) -> Value {
    let stable = lab.status().stable.unwrap();
    lab.cluster.read_by(&stable.replica_set).cloned().unwrap_or_default()
}

#[test]
fn another_content_is_another_version_and_stable_keeps_its_own() {
    for spec in [tracking(), {
        let mut spec = by_pods();
        spec["track"] = tracking()["track"].clone();
        spec
    }] {
        let mut lab = configured(&spec, "canary");
        let canary = lab.status().canary.unwrap();
        assert_eq!(
            (reads(&lab), lab.cluster.read_by(&canary.replica_set)),
            (json!({"mode": "old"}), Some(&json!({"mode": "new"})))
        );
        lab.finish();
        assert_eq!((lab.phase(), reads(&lab), lab.told("Promoted")), (Phase::Stable, json!({"mode": "new"}), 1));
    }
}

#[test]
fn a_revert_brings_the_old_content_back_and_the_new_one_stays_off() {
    let mut lab = configured(&tracking(), "canary");
    let before = lab.cluster.ended.len();
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(
        (lab.phase(), reads(&lab), lab.cluster.canary_weight()),
        (Phase::Reverted, json!({"mode": "old"}), Percent::ZERO)
    );
    lab.verdicts.clear();
    lab.cluster.configure("settings", &json!({"mode": "old"}));
    lab.finish();
    assert_eq!((lab.phase(), lab.told("BackToStable")), (Phase::Stable, 1));
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    assert!(lab.cluster.ended.len() - before <= 10, "no pod of the stable version was restarted");
}

#[test]
fn a_content_that_was_stable_before_comes_back_at_once() {
    let mut spec = tracking();
    spec["rollbackWindow"] = json!({});
    let mut lab = configured(&spec, "canary");
    lab.finish();
    lab.cluster.configure("settings", &json!({"mode": "old"}));
    lab.finish();
    assert_eq!((reads(&lab), lab.told("RolledBack")), (json!({"mode": "old"}), 1));
}

#[test]
fn adoption_restarts_nothing_and_the_first_release_is_of_the_copies() {
    let mut lab = before(&tracking());
    let ended = lab.cluster.ended.len();
    lab.until(|lab| lab.told("Adopted") == 1);
    assert_eq!(lab.cluster.ended.len(), ended);
    lab.finish();
    assert_eq!((lab.told("RolloutStarted"), lab.told("Promoted"), lab.cluster.copies().len()), (1, 1, 1));
}

#[test]
fn a_replica_set_has_no_pods_before_its_copies_and_each_is_made_once() {
    let mut lab = configured(&tracking(), "canary");
    lab.log.retain(|write| write.starts_with("copy") || write.contains("v1 to") || write.starts_with("create v1"));
    let begun: Vec<_> = lab.log.iter().take(3).map(|write| write.split('-').next().unwrap()).collect();
    assert_eq!(begun, ["create v1 with 0", "copy settings", "v1 to 1"]);
}

#[test]
fn nothing_moves_before_a_copy_can_be_made_and_all_goes_on_when_it_can() {
    let mut lab = adopted(&tracking());
    lab.cluster.forbids_copies = true;
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    for _ in 0..10 {
        lab.decide();
        lab.cluster.tick();
    }
    assert_eq!(
        (lab.cluster.canary_weight(), lab.cluster.pods_of("v1"), reads(&lab)),
        (Percent::ZERO, 10, json!({"mode": "old"}))
    );
    assert!(lab.status().message.contains("configmaps is forbidden"), "{}", lab.status().message);
    lab.cluster.forbids_copies = false;
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab)), (Phase::Stable, json!({"mode": "new"})));
}

#[test]
fn a_copy_that_may_not_be_made_is_told_at_once_and_never_held_against_the_version() {
    let mut lab = adopted(&tracking());
    lab.cluster.forbids_copies = true;
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    for _ in 0..10 {
        lab.decide();
        lab.cluster.tick();
    }
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("ConfigurationUnusable"), "{}", lab.status().message);
    for told in ["ConfigMap settings cannot be copied", "configmaps is forbidden", "track.configMaps=true"] {
        assert!(lab.status().message.contains(told), "{}", lab.status().message);
    }
    for _ in 0..30 {
        lab.cluster.pass(60);
        lab.decide();
        lab.cluster.tick();
    }
    assert_eq!((lab.phase(), lab.status().failed.len()), (Phase::Held, 0), "{}", lab.status().message);
    lab.cluster.forbids_copies = false;
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab)), (Phase::Stable, json!({"mode": "new"})));
}

#[test]
fn what_may_be_missing_and_is_called_nearly_like_a_copy_keeps_no_pod_from_starting() {
    let mut cluster = before(&tracking()).cluster;
    let reads = |cluster: &mut Cluster| {
        let deployment = cluster.deployment.as_mut().unwrap();
        let overrides = json!({"name": "more", "configMap": {"name": "settings-production", "optional": true}});
        deployment.spec.template["spec"]["volumes"].as_array_mut().unwrap().push(overrides);
    };
    reads(&mut cluster);
    let mut lab = Lab::new(cluster);
    lab.until(|lab| lab.told("RolloutStarted") == 1 && lab.status().canary.is_some());
    for _ in 0..10 {
        lab.decide();
        lab.cluster.tick();
    }
    let set = lab.status().canary.map(|canary| canary.replica_set).unwrap_or_default();
    assert!(lab.cluster.replica_sets.get(&set).is_none_or(|set| set.replicas() > 0), "{}", lab.status().message);
}

#[test]
fn what_is_missing_or_may_not_be_read_holds_and_tells_and_moves_nothing() {
    let id = (ConfigurationKind::ConfigMap, "settings".to_owned());
    for (is_there, reason) in [(false, "ConfigurationNotFound"), (true, "ConfigurationUnusable")] {
        let mut lab = adopted(&tracking());
        if is_there {
            lab.cluster.unreadable.insert(id.0);
        } else {
            lab.cluster.configuration.remove(&id);
        }
        lab.settle();
        lab.cluster.push("v2");
        lab.settle();
        assert_eq!(lab.condition(kind::STALLED).as_deref(), Some(reason), "{}", lab.status().message);
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2"), lab.log.len()), (10, 0, 0));
        lab.cluster.unreadable.clear();
        lab.cluster.configure("settings", &json!({"mode": "old"}));
        lab.finish();
        assert_eq!((lab.cluster.pods_of("v2"), lab.phase()), (10, Phase::Stable));
    }
}

#[test]
fn a_version_that_is_worse_goes_back_although_its_configuration_is_gone() {
    let mut lab = configured(&tracking(), "quarter");
    lab.cluster.configuration.remove(&(ConfigurationKind::ConfigMap, "settings".to_owned()));
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(
        (lab.told("Reverted"), reads(&lab), lab.cluster.canary_weight()),
        (1, json!({"mode": "old"}), Percent::ZERO)
    );
}

#[test]
fn nobody_is_taken_over_before_what_is_tracked_can_be_read() {
    let mut lab = before(&with(&json!({"track": [{"secret": "token"}]})));
    lab.settle();
    assert_eq!((lab.phase(), lab.log.len()), (Phase::Pending, 0));
    assert_eq!(
        lab.status().message,
        "Secret token does not exist, and spec.track names it: create it, or leave it out of spec.track"
    );
    lab.cluster.unreadable.insert(ConfigurationKind::Secret);
    lab.settle();
    assert!(lab.status().message.contains("install the chart with track.secrets=true"), "{}", lab.status().message);
}

#[test]
fn keys_that_rotate_make_no_version() {
    let mut lab = adopted(&with(&json!({"track": [{"configMap": "settings", "ignore": ["banner"]}]})));
    lab.cluster.configure("settings", &json!({"mode": "old", "banner": "spring"}));
    lab.finish();
    assert_eq!((lab.log.len(), lab.steps.len(), lab.phase()), (0, 0, Phase::Stable));
}

#[test]
fn what_the_template_does_not_refer_to_makes_no_version_and_is_told() {
    let mut spec = tracking();
    spec["track"] = json!([{"configMap": "settings"}, {"configMap": "banner"}]);
    let mut cluster = before(&spec).cluster;
    cluster.configure("banner", &json!({"text": "spring"}));
    let mut lab = Lab::new(cluster);
    lab.finish();
    lab.log.clear();
    lab.cluster.configure("banner", &json!({"text": "summer"}));
    lab.finish();
    assert_eq!((lab.log.len(), lab.cluster.copies().len()), (0, 1));
    let warning = lab.warning().unwrap();
    assert!(warning.starts_with("spec.track names ConfigMap banner, which"), "{warning}");
}

#[test]
fn copies_go_with_the_last_replica_set_that_reads_them() {
    let mut spec = tracking();
    spec["revisionHistoryLimit"] = json!(0);
    let mut lab = adopted(&spec);
    lab.cluster.push("v2");
    lab.finish();
    let copies = lab.cluster.copies();
    assert_eq!(copies.len(), 1, "two versions with the same content read the same copy");
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab)), (Phase::Stable, json!({"mode": "new"})));
    assert!(lab.cluster.copies().iter().all(|copy| *copy != copies[0]), "{:?}", lab.cluster.copies());
}

#[test]
fn a_name_that_is_somebody_elses_is_told_and_nothing_is_written_over() {
    let lab = configured(&tracking(), "canary");
    let taken = lab.cluster.copies().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let mut lab = adopted(&tracking());
    let new = taken.into_iter().find(|name| lab.cluster.copies().iter().all(|(known, _)| known != name)).unwrap();
    lab.cluster.configure(&new, &json!({"somebody": "else"}));
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    lab.settle();
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some("ConfigurationUnusable"), "{}", lab.status().message);
    assert!(lab.log.is_empty());
}

#[test]
fn a_copy_that_somebody_deletes_is_made_again_as_long_as_its_content_is_known() {
    let mut lab = adopted(&tracking());
    let (copy, _) = lab.cluster.copies().remove(0);
    lab.cluster.configuration.remove(&(ConfigurationKind::ConfigMap, copy.clone()));
    lab.finish();
    assert_eq!(lab.log, [format!("copy {copy}")]);
}

#[test]
fn a_copy_that_nobody_can_make_again_is_told_and_comes_back_with_its_content() {
    let mut lab = configured(&tracking(), "canary");
    let copy = lab.status().stable.and_then(|stable| {
        let template = &lab.cluster.replica_sets[&stable.replica_set].spec.template;
        template.pointer("/spec/volumes/0/configMap/name").and_then(Value::as_str).map(str::to_owned)
    });
    let id = (ConfigurationKind::ConfigMap, copy.unwrap());
    lab.cluster.configuration.remove(&id);
    lab.settle();
    assert!(lab.warning().unwrap().starts_with(&format!("ConfigMap {}, the copy that", id.1)), "{:?}", lab.warning());
    lab.cluster.configure("settings", &json!({"mode": "old"}));
    lab.finish();
    assert_eq!((reads(&lab), lab.warning()), (json!({"mode": "old"}), None));
}

#[test]
fn a_content_that_changes_before_its_copy_is_made_starts_no_pod_without_one() {
    let mut lab = adopted(&tracking());
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    lab.until(|lab| lab.cluster.replica_sets.len() > 2);
    lab.cluster.configure("settings", &json!({"mode": "newer"}));
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab)), (Phase::Stable, json!({"mode": "newer"})));
}

#[test]
fn whoever_comes_to_read_a_copy_by_its_name_keeps_it() {
    let mut spec = tracking();
    spec["revisionHistoryLimit"] = json!(0);
    let mut lab = adopted(&spec);
    let (copy, _) = lab.cluster.copies().remove(0);
    // As after `tidegate undo`, which writes the template of a version into the Deployment.
    lab.cluster.mounted = Some(copy.clone());
    lab.cluster.configure("settings", &json!({"mode": "new"}));
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!((lab.phase(), reads(&lab), lab.told("RolloutStarted")), (Phase::Stable, json!({"mode": "old"}), 0));
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v2"), reads(&lab), lab.cluster.copies().len()), (10, json!({"mode": "old"}), 1));
}

#[test]
fn a_rollout_that_tracks_no_more_releases_the_template_as_it_is_written() {
    let mut lab = adopted(&tracking());
    lab.cluster.edit(&json!({"track": null}));
    lab.finish();
    let stable = lab.status().stable.unwrap();
    let template = &lab.cluster.replica_sets[&stable.replica_set].spec.template;
    assert_eq!(
        (template.pointer("/spec/volumes/0/configMap/name"), lab.told("Promoted")),
        (Some(&json!("settings")), 1)
    );
}

#[test]
fn the_deployment_keeps_the_copies_of_a_rollout_that_tracks_no_more_before_that_is_released() {
    let mut lab = configured(&tracking(), "quarter");
    lab.cluster.edit(&json!({"track": null}));
    lab.settle();
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    while lab.cluster.tick() {}
    let deployment = lab.cluster.deployment.clone().unwrap();
    let copy = deployment.spec.template.pointer("/spec/volumes/0/configMap/name").unwrap().as_str().unwrap();
    assert_ne!(copy, "settings", "the pods that served read it still");
    for set in lab.cluster.replica_sets.keys().cloned().collect::<Vec<_>>() {
        lab.cluster.remove_replica_set(&set);
    }
    assert!(lab.cluster.copies().iter().any(|(name, _)| name == copy), "{:?}", lab.cluster.copies());
}

#[test]
fn the_deployment_gets_its_pods_back_without_a_restart_and_keeps_their_copies() {
    let mut lab = adopted(&tracking());
    let (pods, ended) = (lab.cluster.all_pods(), lab.cluster.ended.len());
    lab.cluster.delete();
    lab.until(|lab| lab.cluster.rollout.is_none());
    while lab.cluster.tick() {}
    assert_eq!((lab.cluster.all_pods(), lab.cluster.ended.len()), (pods, ended));
    // Its own next version refers to the same copies, and outlives the ReplicaSet of the Rollout.
    let deployment = lab.cluster.deployment.clone().unwrap();
    let copy = deployment.spec.template.pointer("/spec/volumes/0/configMap/name").unwrap().as_str().unwrap();
    for set in lab.cluster.replica_sets.keys().cloned().collect::<Vec<_>>() {
        lab.cluster.remove_replica_set(&set);
    }
    assert_eq!(lab.cluster.copies(), [(copy.to_owned(), 2)]);
}
