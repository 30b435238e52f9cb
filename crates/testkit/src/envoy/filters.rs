//! What routes do to requests and answers on their way.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{clusters::Cluster, list};

/// The finest part that Envoy knows.
const MILLION: u64 = 1_000_000;

/// The headers that filters change, as fields of whatever they are filters of.
///
/// # Errors
/// Which filter is not played here.
pub fn headers(filters: &Value) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for filter in list(filters) {
        let (field, of) = match filter["type"].as_str() {
            Some("RequestHeaderModifier") => ("requestHeaderModifier", "request"),
            Some("ResponseHeaderModifier") => ("responseHeaderModifier", "response"),
            Some("RequestMirror") => continue,
            other => bail!("no filter of type {other:?} is played here"),
        };
        let modifier = &filter[field];
        let added = list(&modifier["add"]).map(|header| written(header, "APPEND_IF_EXISTS_OR_ADD"));
        let set = list(&modifier["set"]).map(|header| written(header, "OVERWRITE_IF_EXISTS_OR_ADD"));
        fields.insert(format!("{of}_headers_to_add"), added.chain(set).collect());
        fields.insert(format!("{of}_headers_to_remove"), list(&modifier["remove"]).cloned().collect());
    }
    Ok(fields)
}

/// In values, Envoy takes a percent sign for the start of a variable.
fn written(header: &Value, action: &str) -> Value {
    let value = header["value"].as_str().unwrap_or_default().replace('%', "%%");
    json!({"header": {"key": header["name"], "value": value}, "append_action": action})
}

/// The Services that get copies of a rule's requests, and which part of them, in millionths.
pub fn mirrors(namespace: &str, rule: &Value) -> Vec<(Cluster, u64)> {
    let mirrors = list(&rule["filters"]).map(|filter| &filter["requestMirror"]).filter(|mirror| mirror.is_object());
    mirrors.map(|mirror| (Cluster::of(namespace, &mirror["backendRef"]), part(mirror))).collect()
}

fn part(mirror: &Value) -> u64 {
    let fraction = &mirror["fraction"];
    match (mirror["percent"].as_u64(), fraction["numerator"].as_u64()) {
        (Some(percent), _) => percent * MILLION / 100,
        (None, Some(numerator)) => numerator * MILLION / fraction["denominator"].as_u64().unwrap_or(100),
        (None, None) => MILLION,
    }
}

/// As a field of the route's action.
pub fn mirror_policies(mirrors: &[(Cluster, u64)]) -> Value {
    let policy = |(cluster, part): &(Cluster, u64)| {
        let part = json!({"numerator": part, "denominator": "MILLION"});
        json!({"cluster": cluster.to_string(), "runtime_fraction": {"default_value": part}})
    };
    mirrors.iter().map(policy).collect()
}
