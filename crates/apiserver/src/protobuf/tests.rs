use serde_json::json;

use super::*;

/// A number as it stands on the wire.
fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// A field that holds a number.
fn count(field: u64, value: i64) -> Vec<u8> {
    [number(field << 3), number(value.cast_unsigned())].concat()
}

/// A field that holds text, bytes or a message.
fn part(field: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [number(field << 3 | 2), number(u64::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

fn body(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let type_meta = [part(1, api_version), part(2, kind)].concat();
    [MAGIC.to_vec(), part(1, type_meta), part(2, message), part(3, ""), part(4, "")].concat()
}

fn pod(spec: &[u8]) -> Vec<u8> {
    let metadata =
        [part(1, "web"), part(2, ""), count(7, 0), part(8, ""), part(11, [part(1, "app"), part(2, "web")].concat())];
    body("v1", "Pod", &[part(1, metadata.concat()), part(2, spec)].concat())
}

#[test]
fn what_go_leaves_out_of_json_is_left_out_and_a_zero_that_was_meant_is_kept() {
    let object = object(&pod(&[part(3, ""), count(4, 0)].concat())).unwrap();
    let metadata = json!({"name": "web", "labels": {"app": "web"}});
    let spec = json!({"terminationGracePeriodSeconds": 0});
    assert_eq!(object, json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
}

#[test]
fn messages_that_json_knows_as_words_or_not_at_all_are_read_as_such() {
    let limits = part(1, [part(1, "cpu"), part(2, part(1, "250m"))].concat());
    let get = part(2, [part(1, "/ready"), part(2, [count(1, 0), count(2, 8080), part(3, "")].concat())].concat());
    let container = [part(1, "app"), part(8, limits), part(11, part(1, get))].concat();
    let volume = [part(1, "work"), part(2, part(2, ""))].concat();
    let object = object(&pod(&[part(1, volume), part(2, container)].concat())).unwrap();
    let probe = json!({"httpGet": {"path": "/ready", "port": 8080}});
    let container = json!({"name": "app", "resources": {"limits": {"cpu": "250m"}}, "readinessProbe": probe});
    assert_eq!(object["spec"], json!({"volumes": [{"name": "work", "emptyDir": {}}], "containers": [container]}));
}

#[test]
fn bytes_are_base64_and_times_are_texts() {
    let secret = body("v1", "Secret", &part(2, [part(1, "key"), part(2, [0xff, 0x00])].concat()));
    assert_eq!(object(&secret).unwrap()["data"], json!({"key": "/wA="}));
    let spec = [part(1, "me"), part(3, [count(1, 1_700_000_000), count(2, 5_000)].concat())].concat();
    let lease = body("coordination.k8s.io/v1", "Lease", &part(2, spec));
    assert_eq!(
        object(&lease).unwrap()["spec"],
        json!({"holderIdentity": "me", "acquireTime": "2023-11-14T22:13:20.000005Z"})
    );
}

#[test]
fn a_schema_within_a_definition_is_a_schema_a_flag_or_a_list() {
    let text = part(5, "string");
    let properties = |schema: &[u8]| part(29, [part(1, "a"), part(2, schema)].concat());
    let validation = |schema: &[u8]| part(4, part(1, properties(schema)));
    let definition = |schema: &[u8]| {
        let version = [part(1, "v1"), validation(schema)].concat();
        let body = body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &part(2, part(7, version)));
        object(&body).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["a"].clone()
    };
    assert_eq!(definition(&part(24, part(1, text.clone()))), json!({"items": {"type": "string"}}));
    assert_eq!(definition(&part(30, count(1, 1))), json!({"additionalProperties": true}));
    assert_eq!(definition(&part(30, part(2, text))), json!({"additionalProperties": {"type": "string"}}));
    assert_eq!(definition(&part(8, part(1, "7"))), json!({"default": 7}));
}

#[test]
fn a_body_that_is_cut_off_or_garbled_is_refused_and_never_more() {
    let whole = pod(&part(2, [part(1, "app"), part(2, "shop:1")].concat()));
    for length in 0..whole.len() {
        if let Err(refusal) = object(&whole[..length]) {
            assert!([400, 415].contains(&refusal.code), "{refusal}");
        }
        let mut garbled = whole.clone();
        garbled[length] ^= 0x7f;
        let _ = object(&garbled);
    }
    assert!(object(&whole[..whole.len() - 8]).is_err());
    assert_eq!(object(b"{}").unwrap_err().code, 400);
}

#[test]
fn a_message_without_end_in_itself_is_refused() {
    let mut schema = part(5, "string");
    for _ in 0..200 {
        schema = part(28, schema);
    }
    let version = part(4, part(1, schema));
    let body = body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &part(2, part(7, version)));
    assert!(object(&body).unwrap_err().message.contains("too deep"));
}

#[test]
fn a_kind_that_is_not_built_in_is_asked_for_as_json() {
    let refusal = object(&body("example.com/v1", "Widget", &[])).unwrap_err();
    assert_eq!(refusal.code, 415);
    assert!(
        refusal.message.ends_with("no Widget of example.com/v1 is read as protobuf here; send it as application/json")
    );
}
