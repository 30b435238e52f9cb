//! Messages whose JSON is not that of their fields: a quantity is a text, a time is, and a schema may be a flag.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::Value;

use super::{decode, message::Message, wire};

/// The names of these messages.
#[cfg(test)]
pub(super) const NAMES: [&str; 10] = [
    "resource.Quantity",
    "intstr.IntOrString",
    "meta.Time",
    "meta.MicroTime",
    "meta.FieldsV1",
    "runtime.RawExtension",
    "apiextensions.JSON",
    "apiextensions.JSONSchemaPropsOrArray",
    "apiextensions.JSONSchemaPropsOrBool",
    "apiextensions.JSONSchemaPropsOrStringArray",
];

const SCHEMA: &str = "apiextensions.JSONSchemaProps";

/// The value of such a message, `null` where it holds none; nothing if its JSON is that of its fields.
pub(super) fn value(name: &str, bytes: &[u8], depth: usize) -> Option<Result<Value, &'static str>> {
    Some(match name {
        "resource.Quantity" => quantity(bytes),
        "intstr.IntOrString" => int_or_string(bytes),
        "meta.Time" => time(bytes, 0),
        "meta.MicroTime" => time(bytes, 6),
        "meta.FieldsV1" | "runtime.RawExtension" | "apiextensions.JSON" => json(bytes),
        "apiextensions.JSONSchemaPropsOrArray" => schema_or_schemas(bytes, depth),
        "apiextensions.JSONSchemaPropsOrBool" => schema_or_flag(bytes, depth),
        "apiextensions.JSONSchemaPropsOrStringArray" => schema_or_texts(bytes, depth),
        _ => return None,
    })
}

/// The values of the fields that a message has, by their numbers.
fn parts<const N: usize>(bytes: &[u8]) -> Result<[Option<wire::Value<'_>>; N], &'static str> {
    let mut parts = [None; N];
    for field in wire::fields(bytes) {
        let (number, value) = field?;
        if let Some(part) = usize::try_from(number).ok().and_then(|number| parts.get_mut(number.wrapping_sub(1))) {
            *part = Some(value);
        }
    }
    Ok(parts)
}

fn quantity(bytes: &[u8]) -> Result<Value, &'static str> {
    match parts(bytes)? {
        [Some(wire::Value::Bytes(text))] => Ok(wire::text(text)?.into()),
        _ => Ok("0".into()),
    }
}

fn int_or_string(bytes: &[u8]) -> Result<Value, &'static str> {
    match parts(bytes)? {
        [Some(wire::Value::Number(1)), _, Some(wire::Value::Bytes(text))] => Ok(wire::text(text)?.into()),
        [_, Some(wire::Value::Number(number)), _] => Ok(number.cast_signed().into()),
        _ => Ok(0.into()),
    }
}

/// A time with so many digits behind the second; `null` for none.
fn time(bytes: &[u8], digits: u8) -> Result<Value, &'static str> {
    let number = |part| match part {
        Some(wire::Value::Number(number)) => number.cast_signed(),
        _ => 0,
    };
    let [None, None] = parts(bytes)? else {
        let [seconds, nanoseconds] = parts(bytes)?.map(number);
        let nanoseconds = i32::try_from(nanoseconds).map_err(|_| "a time in it is none")?;
        let time = Timestamp::new(seconds, nanoseconds).map_err(|_| "a time in it is none")?;
        return Ok(DateTimePrinter::new().precision(Some(digits)).timestamp_to_string(&time).into());
    };
    Ok(Value::Null)
}

/// What is JSON already.
fn json(bytes: &[u8]) -> Result<Value, &'static str> {
    match parts(bytes)? {
        [Some(wire::Value::Bytes(raw))] if !raw.is_empty() => {
            serde_json::from_slice(raw).map_err(|_| "JSON in it cannot be read")
        }
        _ => Ok(Value::Null),
    }
}

fn schema_or_schemas(bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
    let mut schemas = Vec::new();
    for field in wire::fields(bytes) {
        match field? {
            (1, wire::Value::Bytes(bytes)) => return schema(bytes, depth),
            (2, wire::Value::Bytes(bytes)) => schemas.push(schema(bytes, depth)?),
            _ => {}
        }
    }
    Ok(Value::Array(schemas))
}

fn schema_or_flag(bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
    match parts(bytes)? {
        [_, Some(wire::Value::Bytes(bytes))] => schema(bytes, depth),
        [Some(wire::Value::Number(allows)), _] => Ok((allows != 0).into()),
        _ => Ok(false.into()),
    }
}

fn schema_or_texts(bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
    let mut texts = Vec::new();
    for field in wire::fields(bytes) {
        match field? {
            (1, wire::Value::Bytes(bytes)) => return schema(bytes, depth),
            (2, wire::Value::Bytes(bytes)) => texts.push(wire::text(bytes)?.into()),
            _ => {}
        }
    }
    Ok(Value::Array(texts))
}

fn schema(bytes: &[u8], depth: usize) -> Result<Value, &'static str> {
    let message = Message::named(SCHEMA).ok_or("a message in it is not known")?;
    decode::fields(message, bytes, depth).map(Value::Object)
}
