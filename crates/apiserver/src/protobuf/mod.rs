//! Bodies of built-in kinds in Kubernetes' protobuf, which kubectl sends since 1.36, as the JSON that they stand for.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>
//!
//! Only reading is here: whoever sends protobuf takes JSON as an answer. The JSON is not that of proto3: fields have the
//! names of Kubernetes' JSON, some messages are written as a word or a number, and some are taken into the message that
//! they stand in. What no library knows, because it is in the tags of Kubernetes' Go types alone, is in `messages.txt`.

mod decode;
pub(super) mod known;
mod message;
mod special;
#[cfg(test)]
mod tests;
mod wire;

use serde_json::{Map, Value};

use self::message::Message;
use super::Refusal;

/// The media type of such bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every such body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The object that `body` holds, with its `apiVersion` and `kind`.
///
/// # Errors
/// The body is not what the API server has in protobuf: 400.
pub fn object(body: &[u8]) -> Result<Value, Refusal> {
    let envelope = body.strip_prefix(MAGIC).ok_or_else(|| unreadable("it does not begin as such bodies do"))?;
    let (api_version, kind, raw) = open(envelope).map_err(unreadable)?;
    let message = Message::of_kind(&api_version, &kind).ok_or_else(|| {
        Refusal::unsupported_media_type(format!(
            "the body of the request was in an unknown format: no {kind} of {api_version} is read as protobuf here; \
             send it as application/json"
        ))
    })?;
    let mut object = decode::fields(message, raw, 0).map_err(unreadable)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

fn unreadable(why: &str) -> Refusal {
    Refusal::bad_request(format!("the object provided is unrecognized: its protobuf cannot be read: {why}"))
}

/// What the envelope says of its content: `apiVersion`, `kind`, and the message.
fn open(envelope: &[u8]) -> Result<(String, String, &[u8]), &'static str> {
    let mut type_meta: &[u8] = &[];
    let mut raw: &[u8] = &[];
    for field in wire::fields(envelope) {
        match field? {
            (1, wire::Value::Bytes(bytes)) => type_meta = bytes,
            (2, wire::Value::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut words = [String::new(), String::new()];
    for field in wire::fields(type_meta) {
        let (number, wire::Value::Bytes(bytes)) = field? else { continue };
        if let Some(word) = usize::try_from(number).ok().and_then(|number| words.get_mut(number.wrapping_sub(1))) {
            wire::text(bytes)?.clone_into(word);
        }
    }
    let [api_version, kind] = words;
    Ok((api_version, kind, raw))
}

/// The fields of an object by their JSON names.
type Fields = Map<String, Value>;
