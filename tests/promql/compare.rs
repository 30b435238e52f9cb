//! Whether two answers say the same.

use std::collections::BTreeMap;

use serde_json::Value;

/// How far two numbers may be apart, relative to their size.
const TOLERANCE: f64 = 1e-9;

/// How `got` differs from `wanted`: status and body of answers. `ordered` if the order of elements is part of it.
pub fn difference(wanted: &(u16, Value), got: &(u16, Value), ordered: bool) -> Option<String> {
    let ((wanted_status, wanted), (got_status, got)) = (wanted, got);
    if (wanted_status, &wanted["errorType"]) != (got_status, &got["errorType"]) {
        let brief = |answer: &Value| answer.to_string().chars().take(300).collect::<String>();
        return Some(format!("wanted {wanted_status} {}\n     got {got_status} {}", brief(wanted), brief(got)));
    }
    if wanted["status"] == "error" {
        return error_difference(wanted, got);
    }
    let (wanted, got) = (&wanted["data"], &got["data"]);
    if wanted["resultType"] != got["resultType"] {
        return Some(format!("wanted a {}, got a {}", wanted["resultType"], got["resultType"]));
    }
    match wanted["resultType"].as_str() {
        Some("vector" | "matrix") if ordered => list_difference(&wanted["result"], &got["result"]),
        Some("vector" | "matrix") => by_metric_difference(&wanted["result"], &got["result"]),
        _ => value_difference(&wanted["result"], &got["result"]),
    }
}

/// Sentences about the data are compared up to the series that they name, whose order is by chance.
fn error_difference(wanted: &Value, got: &Value) -> Option<String> {
    let sentence = |answer: &Value| {
        let sentence = answer["error"].as_str().unwrap_or_default();
        sentence.split(": [").next().unwrap_or_default().to_owned()
    };
    let differs = wanted["errorType"] == "execution" && sentence(wanted) != sentence(got);
    differs.then(|| format!("wanted {}\n     got {}", wanted["error"], got["error"]))
}

fn list_difference(wanted: &Value, got: &Value) -> Option<String> {
    let (wanted, got) = (wanted.as_array()?, got.as_array()?);
    if wanted.len() != got.len() {
        return Some(format!("wanted {} elements, got {}", wanted.len(), got.len()));
    }
    wanted.iter().zip(got).find_map(|(wanted, got)| element_difference(wanted, got))
}

fn by_metric_difference(wanted: &Value, got: &Value) -> Option<String> {
    let (wanted, got) = (by_metric(wanted), by_metric(got));
    let names = |map: &BTreeMap<String, &Value>| map.keys().cloned().collect::<Vec<_>>().join("\n         ");
    if !wanted.keys().eq(got.keys()) {
        return Some(format!("wanted:  {}\n    got: {}", names(&wanted), names(&got)));
    }
    wanted.iter().find_map(|(metric, wanted)| element_difference(wanted, got.get(metric)?))
}

fn by_metric(result: &Value) -> BTreeMap<String, &Value> {
    result.as_array().into_iter().flatten().map(|element| (element["metric"].to_string(), element)).collect()
}

fn element_difference(wanted: &Value, got: &Value) -> Option<String> {
    let metric = &wanted["metric"];
    if *metric != got["metric"] {
        return Some(format!("wanted {metric}, got {}", got["metric"]));
    }
    if let Some(difference) = value_difference(&wanted["value"], &got["value"]) {
        return Some(format!("{metric}: {difference}"));
    }
    let (wanted, got) = (wanted["values"].as_array()?, got["values"].as_array()?);
    let values = wanted.iter().zip(got).find_map(|(wanted, got)| value_difference(wanted, got));
    let lengths = (wanted.len() != got.len()).then(|| format!("wanted {} values, got {}", wanted.len(), got.len()));
    values.or(lengths).map(|difference| format!("{metric}: {difference}"))
}

/// Of `[time, "number"]`.
fn value_difference(wanted: &Value, got: &Value) -> Option<String> {
    let same_time = wanted[0].as_f64() == got[0].as_f64();
    let same_value = match (wanted[1].as_str(), got[1].as_str()) {
        (Some(wanted), Some(got)) => wanted == got || close(wanted, got),
        (wanted, got) => wanted == got,
    };
    (!same_time || !same_value).then(|| format!("wanted {wanted}, got {got}"))
}

fn close(wanted: &str, got: &str) -> bool {
    let (Ok(wanted), Ok(got)) = (wanted.parse::<f64>(), got.parse::<f64>()) else { return false };
    (wanted - got).abs() <= TOLERANCE * wanted.abs().max(got.abs()).max(1e-12)
}
