//! Messages as the JSON that Kubernetes writes for them.

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

use super::{
    Fields,
    message::{Field, Kind, Message, Shape},
    special, wire,
};

/// How deep messages may stand in each other: a schema within schemas is the deepest, and nobody's is.
const DEEPEST: usize = 100;

/// The fields of a message.
pub(super) fn fields(message: &Message, bytes: &[u8], depth: usize) -> Result<Fields, &'static str> {
    let mut fields = Map::new();
    add(message, bytes, depth, &mut fields)?;
    Ok(fields)
}

fn add(message: &Message, bytes: &[u8], depth: usize, fields: &mut Fields) -> Result<(), &'static str> {
    if depth > DEEPEST {
        return Err("its messages stand too deep in each other");
    }
    for entry in wire::fields(bytes) {
        let (number, wire) = entry?;
        let Some(field) = message.field(number) else { continue };
        match (field.name, field.kind, wire) {
            (None, Kind::Message(name), wire::Value::Bytes(bytes)) => add(known(name)?, bytes, depth + 1, fields)?,
            (Some(name), _, wire) => put(field, name, wire, depth, fields)?,
            _ => return Err("a message in it is none"),
        }
    }
    Ok(())
}

fn put(
    field: &Field,
    name: &str,
    wire: wire::Value<'_>,
    depth: usize,
    fields: &mut Fields,
) -> Result<(), &'static str> {
    match (field.shape, wire) {
        (Shape::One, wire) => {
            let value = value(field.kind, wire, depth)?;
            let is_left_out = value.is_null() || field.omits_zero && is_zero(&value);
            if !is_left_out {
                fields.insert(name.to_owned(), value);
            }
        }
        (Shape::List, wire::Value::Bytes(bytes)) if field.kind == Kind::Integer => {
            let list = list(fields, name)?;
            list.extend(wire::numbers(bytes)?.into_iter().map(|number| number.cast_signed().into()));
        }
        (Shape::List, wire) => list(fields, name)?.push(value(field.kind, wire, depth)?),
        (Shape::Map, wire::Value::Bytes(bytes)) => {
            let (key, value) = entry(field.kind, bytes, depth)?;
            let map = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
            map.as_object_mut().ok_or("a map in it is none")?.insert(key, value);
        }
        (Shape::Map, _) => return Err("a map in it is none"),
    }
    Ok(())
}

fn list<'a>(fields: &'a mut Fields, name: &str) -> Result<&'a mut Vec<Value>, &'static str> {
    fields.entry(name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut().ok_or("a list in it is none")
}

/// An entry of a map is a message of a key and a value.
fn entry(kind: Kind, bytes: &[u8], depth: usize) -> Result<(String, Value), &'static str> {
    let mut key = String::new();
    let mut found = None;
    for part in wire::fields(bytes) {
        match part? {
            (1, wire::Value::Bytes(bytes)) => wire::text(bytes)?.clone_into(&mut key),
            (2, wire) => found = Some(wire),
            _ => {}
        }
    }
    Ok((key, value(kind, found.unwrap_or(wire::Value::Bytes(&[])), depth)?))
}

fn value(kind: Kind, wire: wire::Value<'_>, depth: usize) -> Result<Value, &'static str> {
    match (kind, wire) {
        (Kind::Text, wire::Value::Bytes(bytes)) => Ok(wire::text(bytes)?.into()),
        (Kind::Flag, wire::Value::Number(number)) => Ok((number != 0).into()),
        (Kind::Integer, wire::Value::Number(number)) => Ok(number.cast_signed().into()),
        (Kind::Double, wire::Value::Eight(bytes)) => Ok(decimal(f64::from_le_bytes(bytes))),
        (Kind::Bytes, wire::Value::Bytes(bytes)) => {
            serde_json::to_value(ByteString(bytes.to_vec())).map_err(|_| "bytes in it cannot be told")
        }
        (Kind::Items, wire::Value::Bytes(bytes)) => items(bytes),
        (Kind::Message(name), wire::Value::Bytes(bytes)) => match special::value(name, bytes, depth + 1) {
            Some(value) => value,
            None => fields(known(name)?, bytes, depth + 1).map(Value::Object),
        },
        _ => Err("a value in it is not of the kind that its field has"),
    }
}

/// A number as JSON has it: a whole one without a point.
#[expect(clippy::cast_possible_truncation, reason = "numbers that large are left as they are")]
fn decimal(number: f64) -> Value {
    let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
    if is_whole { (number as i64).into() } else { number.into() }
}

fn items(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut items = Vec::new();
    for item in wire::fields(bytes) {
        if let (1, wire::Value::Bytes(bytes)) = item? {
            items.push(wire::text(bytes)?.into());
        }
    }
    Ok(Value::Array(items))
}

/// A message that the table refers to.
fn known(name: &str) -> Result<&'static Message, &'static str> {
    Message::named(name).ok_or("a message in it is not known")
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
