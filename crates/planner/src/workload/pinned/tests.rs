use super::*;

const COPY: &str = "settings-bcdfghjklm";

/// The template with the ConfigMap `settings` pinned, without the keys that rotate, and how it is used.
fn pinned_settings(spec: &Value, live: &[&str]) -> (Value, Use) {
    let keys = ["a", "b"].map(str::to_owned).into();
    let pin = Pin {
        kind: ConfigurationKind::ConfigMap,
        name: "settings",
        live: live.to_vec(),
        keys: &keys,
        copy: COPY.to_owned(),
    };
    let (template, uses) = pinned(&json!({"spec": spec}), &[pin]);
    (template["spec"].clone(), uses[0])
}

fn container(fields: &Value) -> Value {
    let mut container = fields.clone();
    container["name"] = json!("app");
    json!({"containers": [container]})
}

#[test]
fn every_reference_of_volumes_and_variables_leads_to_the_copy_and_is_not_optional() {
    let spec = |name: &str, optional: &Value| {
        let mut spec = json!({
            "volumes": [
                {"name": "whole", "configMap": {"name": name, "defaultMode": 420}},
                {"name": "parts", "projected": {"sources": [
                    {"configMap": {"name": name, "items": [{"key": "a", "path": "a"}]}},
                    {"secret": {"name": "settings"}},
                ]}},
                {"name": "other", "emptyDir": {}},
            ],
            "initContainers": [{"name": "init", "envFrom": [{"configMapRef": {"name": name}}]}],
            "containers": [{"name": "app", "env": [
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": name, "key": "a"}}},
                {"name": "B", "value": "settings"},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "a"}}},
            ]}],
        });
        if !optional.is_null() {
            for pointer in [
                "/volumes/0/configMap",
                "/volumes/1/projected/sources/0/configMap",
                "/initContainers/0/envFrom/0/configMapRef",
                "/containers/0/env/0/valueFrom/configMapKeyRef",
            ] {
                spec.pointer_mut(pointer).unwrap()["optional"] = optional.clone();
            }
        }
        spec
    };
    for optional in [json!(null), json!(true), json!(false)] {
        let expected = (spec(COPY, &json!(null)), Use::Copied);
        assert_eq!(pinned_settings(&spec("settings", &optional), &[]), expected);
    }
}

#[test]
fn a_key_that_the_object_does_not_have_may_be_missing_from_the_copy_as_well() {
    let variable = |name: &str| {
        let reference = json!({"name": name, "key": "missing", "optional": true});
        container(&json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": reference}}]}))
    };
    assert_eq!(pinned_settings(&variable("settings"), &[]), (variable(COPY), Use::Copied));
}

#[test]
fn a_template_that_does_not_refer_to_the_object_stays_as_it_is() {
    let spec = json!({
        "volumes": [{"name": "other", "configMap": {"name": "settings-2"}}, {"name": "s", "secret": {"secretName": "settings"}}],
        "containers": [{"name": "settings", "env": [{"name": "A", "value": "settings"}]}],
    });
    assert_eq!(pinned_settings(&spec, &["a"]), (spec, Use::None));
}

#[test]
fn a_secret_is_named_as_each_place_names_it() {
    let keys = BTreeSet::new();
    let pin =
        Pin { kind: ConfigurationKind::Secret, name: "tls", live: vec!["key"], keys: &keys, copy: "tls-x".to_owned() };
    let volume = |secret: Value| json!({"spec": {"volumes": [{"name": "tls", "secret": secret}]}});
    let items = json!([{"key": "ca", "path": "ca.pem"}]);
    let (template, _) =
        pinned(&volume(json!({"secretName": "tls", "items": items, "defaultMode": 256})), std::slice::from_ref(&pin));
    assert_eq!(template, volume(json!({"secretName": "tls-x", "items": items, "defaultMode": 256})));
    let (template, _) = pinned(&volume(json!({"secretName": "tls", "defaultMode": 256})), &[pin]);
    let live = json!({"name": "tls", "items": [{"key": "key", "path": "key"}], "optional": true});
    let projected = json!({"sources": [{"secret": {"name": "tls-x"}}, {"secret": live}], "defaultMode": 256});
    assert_eq!(template, json!({"spec": {"volumes": [{"name": "tls", "projected": projected}]}}));
}

#[test]
fn keys_that_rotate_are_read_in_the_object_itself() {
    let volume = |field: &str, source: Value| json!({"volumes": [{"name": "v", field: source}]});
    let item = |key: &str| json!({"key": key, "path": key});
    // Among the keys that are listed.
    let (spec, used) = pinned_settings(
        &volume("configMap", json!({"name": "settings", "items": [item("a"), item("token")]})),
        &["token"],
    );
    let sources = json!([
        {"configMap": {"name": COPY, "items": [item("a")]}}, {"configMap": {"name": "settings", "items": [item("token")]}},
    ]);
    assert_eq!((spec, used), (volume("projected", json!({"sources": sources})), Use::Copied));
    // Alone.
    let alone = volume("configMap", json!({"name": "settings", "items": [item("token")]}));
    assert_eq!(pinned_settings(&alone, &["token"]), (alone.clone(), Use::Live));
    let variable = container(
        &json!({"env": [{"name": "T", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "token"}}}]}),
    );
    assert_eq!(pinned_settings(&variable, &["token"]), (variable.clone(), Use::Live));
}

#[test]
fn variables_that_rotate_stand_before_the_containers_own() {
    let own = json!({"name": "APP_OWN", "value": "$(APP_token)"});
    let live = |name: &str, key: &str| json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": "settings", "key": key, "optional": true}}});
    let from = |name: &str| json!([{"prefix": "APP_", "configMapRef": {"name": name}}]);
    let before = container(&json!({"envFrom": from("settings"), "env": [own]}));
    let after = container(&json!({"envFrom": from(COPY), "env": [live("APP_token", "token"), own]}));
    assert_eq!(pinned_settings(&before, &["OWN", "token", "not a name"]), (after, Use::Copied));
}
