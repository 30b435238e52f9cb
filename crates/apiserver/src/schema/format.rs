//! The formats of strings and numbers that are checked.

use serde_json::Value;

/// Whether `value` is of `format`; a format that nobody checks allows everything.
pub fn is_of_format(value: &Value, format: &str) -> bool {
    match (value, format) {
        (Value::Number(number), "int32") => {
            number.as_i64().map_or_else(|| number.as_f64().is_some_and(fits_int32), |it| i32::try_from(it).is_ok())
        }
        (Value::Number(number), "int64") => number.is_i64() || number.as_f64().is_some_and(|it| it.fract() == 0.0),
        (Value::String(text), "date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        (Value::String(text), "date") => text.parse::<jiff::civil::Date>().is_ok(),
        (Value::String(text), "ipv4") => text.parse::<std::net::Ipv4Addr>().is_ok(),
        (Value::String(text), "ipv6") => text.parse::<std::net::Ipv6Addr>().is_ok(),
        (Value::String(text), "uri") => text.parse::<http::Uri>().is_ok(),
        (Value::String(text), "uuid") => is_uuid(text),
        (Value::String(text), "byte") => is_base64(text),
        _ => true,
    }
}

fn fits_int32(number: f64) -> bool {
    number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number)
}

fn is_uuid(text: &str) -> bool {
    let digits: Vec<char> = text.chars().filter(|character| *character != '-').collect();
    digits.len() == 32 && digits.iter().all(char::is_ascii_hexdigit)
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.chars().all(|digit| digit.is_ascii_alphanumeric() || digit == '+' || digit == '/')
}
