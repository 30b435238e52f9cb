//! The matches of a rule, narrowed down to some of its requests.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httproutematch>

use serde_json::{Value, json};
use tidegate_api::{GatewayRouteKind, Match, Named};

use crate::pattern::exactly;

/// How many matches a rule may have, and how many all rules of a route.
pub const MOST: (usize, usize) = (64, 128);

/// How many headers, or parameters, one match may ask for.
const MOST_NAMES: usize = 16;

/// How many characters what a parameter has to be may have. Of a header it may be 4096, which no match of a stage comes to.
/// <https://gateway-api.sigs.k8s.io/reference/spec/#httpqueryparammatch>
const LONGEST_PARAMETER: usize = 1024;

/// What is put around a regular expression.
const ANCHORS: (&str, &str) = ("^(", ")$");

/// The header that carries cookies.
const COOKIE: &str = "Cookie";

/// What stands against a match that asks for more: without its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMatch {
    /// A regular expression with our anchors around it is longer than routes take.
    #[error("asks for parameter {name} with a regex of {length} characters, of which a route has room for {most}")]
    Long {
        /// The parameter.
        name: String,
        /// How long the user's own is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// Something is asked for twice.
    #[error("asks for {what} {name} twice, of which a gateway heeds only one")]
    Twice {
        /// A header or a parameter.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More is asked for than a match has room for.
    #[error("asks for more than {MOST_NAMES} {list}")]
    Many {
        /// The field that is full.
        list: &'static str,
    },
}

/// The matches of a rule; the one that is meant where there is none.
pub fn of(rule: &Value, kind: GatewayRouteKind) -> Vec<Value> {
    match rule["matches"].as_array() {
        Some(matches) if !matches.is_empty() => matches.clone(),
        _ if kind == GatewayRouteKind::HTTPRoute => vec![json!({"path": {"type": "PathPrefix", "value": "/"}})],
        _ => vec![json!({})],
    }
}

/// A match that asks for this besides.
///
/// # Errors
/// [`NoMatch`]: what it asks for twice, or too much of.
pub fn narrowed(original: &Value, by: &Match) -> Result<Value, NoMatch> {
    let cookie = by.cookie.iter().map(|cookie| like(COOKIE, &in_cookies(cookie)));
    let headers: Vec<_> = by.headers.iter().flatten().map(asked).chain(cookie).collect();
    let params: Vec<_> = by.query_params.iter().flatten().map(asked).collect();
    let value = |one: &Value| one["value"].as_str().map_or(0, |value| value.chars().count());
    if let Some(long) = params.iter().find(|one| value(one) > LONGEST_PARAMETER) {
        let name = long["name"].as_str().unwrap_or_default().to_owned();
        let anchors = ANCHORS.0.len() + ANCHORS.1.len();
        return Err(NoMatch::Long { name, length: value(long) - anchors, most: LONGEST_PARAMETER - anchors });
    }
    let mut narrowed = original.clone();
    extend(&mut narrowed, "headers", headers)?;
    extend(&mut narrowed, "queryParams", params)?;
    Ok(narrowed)
}

/// Whether `narrow` is `wide` and asks for more.
pub fn is_narrowed(narrow: &Value, wide: &Value) -> bool {
    let (Some(fields), Some(wider)) = (narrow.as_object(), wide.as_object()) else { return false };
    let asked = |fields: &serde_json::Map<String, Value>, name: &str| {
        fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let lists = ["headers", "queryParams"];
    let rest = |(name, _): &(&String, &Value)| !lists.contains(&name.as_str());
    let keeps = |name: &str| asked(wider, name).iter().all(|one| asked(fields, name).contains(one));
    let more = |name: &str| asked(fields, name).len() > asked(wider, name).len();
    fields.iter().filter(rest).eq(wider.iter().filter(rest))
        && lists.iter().all(|it| keeps(it))
        && lists.iter().any(|it| more(it))
}

/// Whether a match asks for a cookie of this name by [`in_cookies`].
pub fn asks_for_cookie(asked: &Value, name: &str) -> bool {
    let headers = asked["headers"].as_array().into_iter().flatten();
    let needle = format!("{}=", exactly(name));
    let mut cookies =
        headers.filter(|header| names_alike(header, COOKIE)).filter_map(|header| header["value"].as_str());
    cookies.any(|value| value.contains(&needle))
}

/// Whether a match tells requests apart by more than where they go.
pub fn is_particular(asked: &Value) -> bool {
    ["headers", "queryParams", "method"].iter().any(|name| match &asked[name] {
        Value::Array(all) => !all.is_empty(),
        other => !other.is_null(),
    })
}

fn extend(narrowed: &mut Value, list: &'static str, added: Vec<Value>) -> Result<(), NoMatch> {
    if added.is_empty() {
        return Ok(());
    }
    let mut all = narrowed[list].as_array().cloned().unwrap_or_default();
    for one in added {
        let name = one["name"].as_str().unwrap_or_default();
        if all.iter().any(|other| names_alike(other, name)) {
            return Err(NoMatch::Twice { what: singular(list), name: name.to_owned() });
        }
        all.push(one);
    }
    if all.len() > MOST_NAMES {
        return Err(NoMatch::Many { list });
    }
    narrowed[list] = Value::Array(all);
    Ok(())
}

fn singular(list: &str) -> &'static str {
    if list == "headers" { "header" } else { "parameter" }
}

fn names_alike(one: &Value, name: &str) -> bool {
    one["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name))
}

/// A header or a parameter. Envoy has an expression match all of a value, and Traefik is content with a part of it: the
/// anchors make both do the same.
fn asked(named: &Named) -> Value {
    match &named.regex {
        Some(regex) => like(&named.name, &format!("{}{regex}{}", ANCHORS.0, ANCHORS.1)),
        None => json!({"type": "Exact", "name": named.name, "value": named.value.as_deref().unwrap_or_default()}),
    }
}

fn like(name: &str, expression: &str) -> Value {
    json!({"type": "RegularExpression", "name": name, "value": expression})
}

/// The header of cookies that has this one among others, as a regular expression that has to match all of it.
fn in_cookies(cookie: &Named) -> String {
    let wanted = match (&cookie.regex, &cookie.value) {
        (Some(regex), _) => regex.clone(),
        (None, value) => exactly(value.as_deref().unwrap_or_default()),
    };
    format!(r"^(.*;\s*)?{}=({wanted})(;.*)?$", exactly(&cookie.name))
}
