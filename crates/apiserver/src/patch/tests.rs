//! Who owns what after which writes.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + second).unwrap()
}

fn writer(manager: &str, second: i64) -> Writer<'_> {
    Writer { manager, subresource: "", now: at(second) }
}

fn deployment(spec: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": spec})
}

fn applied(live: Option<&Value>, spec: &Value, manager: &str, second: i64) -> Value {
    apply(live, &deployment(spec), &writer(manager, second), false, Structure::built_in()).unwrap()
}

fn entry<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"].as_array()?.iter().find(|entry| entry["manager"] == manager)
}

fn template(containers: &Value) -> Value {
    json!({"template": {"spec": {"containers": containers}}})
}

#[test]
fn an_apply_that_changes_nothing_returns_the_live_object_as_it_is() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    assert_eq!(applied(Some(&live), &json!({"replicas": 2}), "git", 60), live);
}

#[test]
fn a_field_that_is_applied_no_longer_goes() {
    let live = applied(None, &json!({"replicas": 2, "paused": true}), "git", 0);
    let next = applied(Some(&live), &json!({"replicas": 2}), "git", 60);
    assert_eq!(next["spec"], json!({"replicas": 2}));
    let entry = entry(&next, "git").unwrap();
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(entry["time"], "2026-02-02T02:41:00Z");
}

#[test]
fn a_field_that_somebody_else_applies_too_stays() {
    let live = applied(None, &json!({"replicas": 2, "paused": true}), "git", 0);
    let live = applied(Some(&live), &json!({"paused": true}), "pauser", 30);
    let next = applied(Some(&live), &json!({"replicas": 2}), "git", 60);
    assert_eq!(next["spec"], json!({"replicas": 2, "paused": true}));
    let last = applied(Some(&next), &Value::Null, "pauser", 90);
    assert_eq!(last["spec"], json!({"replicas": 2}));
    assert_eq!(entry(&last, "pauser"), None, "an entry without fields goes");
}

#[test]
fn a_container_that_is_applied_no_longer_goes_and_that_of_another_stays() {
    let both = template(&json!([{"name": "app", "image": "a:1"}, {"name": "log", "image": "l:1"}]));
    let live = applied(None, &both, "git", 0);
    let live = applied(Some(&live), &template(&json!([{"name": "proxy", "image": "p:1"}])), "mesh", 30);
    let next = applied(Some(&live), &template(&json!([{"name": "app", "image": "a:2"}])), "git", 60);
    let containers = json!([{"name": "app", "image": "a:2"}, {"name": "proxy", "image": "p:1"}]);
    assert_eq!(next["spec"], template(&containers));
}

#[test]
fn a_conflict_names_the_manager_and_the_field() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let refused = |live: &Value, spec: &Value| {
        apply(Some(live), &deployment(spec), &writer("other", 60), false, Structure::built_in()).unwrap_err()
    };
    let refusal = refused(&live, &json!({"replicas": 3}));
    assert_eq!(refusal.message, "Apply failed with 1 conflict: conflict with \"git\": .spec.replicas");
    assert_eq!((refusal.code, refusal.reason), (409, "Conflict"));
    let cause =
        json!({"reason": "FieldManagerConflict", "message": "conflict with \"git\"", "field": ".spec.replicas"});
    assert_eq!(refusal.details, json!({"causes": [cause]}));

    let mut edited = live.clone();
    edited["spec"] = json!({"replicas": 4, "paused": true});
    let editor = Writer { subresource: "scale", ..writer("kubectl", 30) };
    track(Some(&live), &mut edited, &editor, Structure::built_in());
    let refusal = refused(&edited, &json!({"replicas": 3, "paused": false}));
    let sentence = "Apply failed with 2 conflicts: conflicts with \"kubectl\" with subresource \"scale\" using \
                    apps/v1:\n- .spec.paused\n- .spec.replicas";
    assert_eq!(refusal.message, sentence);
}

#[test]
fn force_takes_the_field_away_from_the_other() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let forced =
        apply(Some(&live), &deployment(&json!({"replicas": 3})), &writer("other", 60), true, Structure::built_in());
    let forced = forced.unwrap();
    assert_eq!(forced["spec"]["replicas"], 3);
    assert_eq!(entry(&forced, "git"), None);
    assert_eq!(entry(&forced, "other").unwrap()["operation"], "Apply");
}

#[test]
fn what_was_there_before_the_first_apply_has_an_owner_of_its_own() {
    let live = deployment(&json!({"replicas": 2}));
    let refusal =
        apply(Some(&live), &deployment(&json!({"replicas": 3})), &writer("git", 0), false, Structure::built_in());
    let sentence = "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: .spec.replicas";
    assert_eq!(refusal.unwrap_err().message, sentence);
}

#[test]
fn an_update_takes_what_it_changes_and_nothing_else() {
    let live = applied(None, &json!({"replicas": 2, "paused": true}), "git", 0);
    let mut after = live.clone();
    after["spec"]["replicas"] = json!(5);
    track(Some(&live), &mut after, &writer("hpa", 60), Structure::built_in());
    assert_eq!(entry(&after, "git").unwrap()["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(entry(&after, "git").unwrap()["time"], "2026-02-02T02:40:00Z", "it did not write");
    assert_eq!(entry(&after, "hpa").unwrap()["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn an_update_that_changes_nothing_leaves_no_trace() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let mut after = live.clone();
    track(Some(&live), &mut after, &writer("other", 60), Structure::built_in());
    assert_eq!(after, live);
}

#[test]
fn a_field_that_is_removed_has_no_owner_left() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let mut after = live.clone();
    after["spec"] = json!({});
    track(Some(&live), &mut after, &writer("other", 60), Structure::built_in());
    assert_eq!(entry(&after, "git"), None);
}

#[test]
fn a_list_of_managed_fields_that_is_sent_empty_forgets_every_owner() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let mut after = live.clone();
    after["metadata"]["managedFields"] = json!([{}]);
    track(Some(&live), &mut after, &writer("other", 60), Structure::built_in());
    assert_eq!(after["metadata"].get("managedFields"), None);
}

#[test]
fn an_old_list_of_managed_fields_that_is_sent_along_is_ignored() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let mut after = live.clone();
    after["metadata"]["managedFields"][0]["manager"] = json!("somebody");
    track(Some(&live), &mut after, &writer("other", 60), Structure::built_in());
    assert_eq!(after, live);
}

#[test]
fn an_applied_configuration_has_no_managed_fields() {
    let live = applied(None, &json!({"replicas": 2}), "git", 0);
    let refusal = apply(Some(&live), &live, &writer("git", 0), false, Structure::built_in()).unwrap_err();
    assert_eq!(refusal.message, "metadata.managedFields must be nil");
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c$/~]{0,3}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "metadata",
            "managedFields",
            "spec",
            "containers",
            "name",
            "ports",
            "containerPort",
            "fieldsV1",
            "f:spec",
            "finalizers",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "conditions",
            "type",
            ".",
            "labels",
        ])
        .prop_map(str::to_owned),
        "[a-c]".prop_map(|name| name),
    ];
    scalar.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(live in arbitrary_json(), patch in arbitrary_json()) {
        let patch = without_managed_fields(patch);
        let live = without_managed_fields(live);
        let structure = Structure::built_in();
        if let Ok(once) = apply(Some(&live), &patch, &writer("git", 0), true, structure) {
            let twice = apply(Some(&once), &patch, &writer("git", 60), true, structure).unwrap();
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn nothing_panics_on_arbitrary_objects(live in arbitrary_json(), patch in arbitrary_json()) {
        let structure = Structure::built_in();
        let _ = apply(Some(&live), &patch, &writer("git", 0), false, structure);
        let _ = apply(None, &patch, &writer("git", 0), true, Structure::of_schema(&live));
        let _ = strategic_merge(&live, &patch);
        let _ = merge_patch(&live, &patch);
        let _ = json_patch(&live, patch.clone());
        track(Some(&live), &mut patch.clone(), &writer("git", 0), structure);
        track(None, &mut patch.clone(), &writer("git", 0), Structure::of_schema(&live));
    }

    #[test]
    fn a_merge_patch_applied_twice_is_as_applied_once(patch in arbitrary_json()) {
        let once = merge_patch(&json!({}), &patch);
        if let Ok(once) = once {
            prop_assert_eq!(merge_patch(&once, &patch).unwrap(), once);
        }
    }
}
