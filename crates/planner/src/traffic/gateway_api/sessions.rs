//! The cookie that keeps a user on one version.
//!
//! What gateways offer by themselves keeps a user on one pod of a backend, but draws the backend anew for each request
//! (<https://github.com/envoyproxy/envoy/issues/24741>): a user would go back and forth between the versions. So stable
//! and canary each set a cookie that says which of them it was and at which weight, and rules in front of the one that
//! draws lead whoever has it: to the canary always, to stable while the weight is the same. Whoever came to stable at a
//! weight before is drawn once more, with just the chance that brings the canary's share of them to the new weight.

use serde_json::{Value, json};
use tidegate_api::{Match, Named, Percent, metadata::object::COOKIE_PREFIX};

/// The name of a header that sets cookies.
const SET_COOKIE: &str = "Set-Cookie";

/// What the cookie is called: another one for each Service of a host.
pub fn cookie_of(service: &str) -> String {
    format!("{COOKIE_PREFIX}{service}")
}

/// That a backend sets a cookie already, and a list of headers has no room for two of one name: without its subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("adds a header {SET_COOKIE} of its own, beside which sessionPersistence has no room")]
pub struct SetsCookies;

/// The cookie of one generation.
#[derive(Debug, Clone, Copy)]
pub struct Cookie<'a> {
    pub service: &'a str,
    /// What tells it from every other generation.
    pub generation: &'a str,
    pub weight: Percent,
}

impl Cookie<'_> {
    /// Who has come to the canary.
    pub fn of_canary(&self) -> Match {
        self.asked(Some(self.canary_value()), None)
    }

    /// Who has come to stable at this weight.
    pub fn of_stable(&self) -> Match {
        self.asked(Some(self.stable_value()), None)
    }

    /// Who has come to stable, at whichever weight.
    pub fn of_stable_before(&self) -> Match {
        self.asked(None, Some(format!("{}-stable-[0-9]+", self.generation)))
    }

    /// Whoever has it.
    pub fn of_anybody(&self) -> Match {
        self.asked(None, Some("[^;]*".to_owned()))
    }

    fn canary_value(&self) -> String {
        format!("{}-canary", self.generation)
    }

    fn stable_value(&self) -> String {
        let millionths = (self.weight.fraction() * 1e6).round();
        format!("{}-stable-{millionths}", self.generation)
    }

    fn asked(&self, value: Option<String>, regex: Option<String>) -> Match {
        Match { cookie: Some(Named { name: cookie_of(self.service), value, regex }), ..Match::default() }
    }

    /// A backend that tells whoever comes to it.
    ///
    /// # Errors
    /// [`SetsCookies`].
    pub fn set_by(&self, backend: &Value, is_canary: bool) -> Result<Value, SetsCookies> {
        let value = if is_canary { self.canary_value() } else { self.stable_value() };
        let cookie = json!({
            "name": SET_COOKIE,
            "value": format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", cookie_of(self.service)),
        });
        let mut backend = backend.clone();
        let mut filters = backend["filters"].as_array().cloned().unwrap_or_default();
        match filters.iter_mut().find_map(|filter| filter.get_mut("responseHeaderModifier")) {
            Some(modifier) => {
                let mut added = modifier["add"].as_array().cloned().unwrap_or_default();
                if added.iter().any(sets_cookies) {
                    return Err(SetsCookies);
                }
                added.push(cookie);
                modifier["add"] = Value::Array(added);
            }
            None => filters.push(json!({
                "type": "ResponseHeaderModifier",
                "responseHeaderModifier": {"add": [cookie]},
            })),
        }
        backend["filters"] = Value::Array(filters);
        Ok(backend)
    }
}

/// The backend without the cookie of `service`; nothing where it has none.
pub fn forgotten(backend: &Value, service: &str) -> Option<Value> {
    let start = format!("{}=", cookie_of(service));
    let ours =
        |header: &Value| sets_cookies(header) && header["value"].as_str().is_some_and(|it| it.starts_with(&start));
    let mut filters = backend["filters"].as_array()?.clone();
    let place = filters.iter().position(|filter| {
        let added = filter.pointer("/responseHeaderModifier/add").and_then(Value::as_array);
        added.is_some_and(|added| added.iter().any(ours))
    })?;
    let modifier = filters.get_mut(place)?.get_mut("responseHeaderModifier")?.as_object_mut()?;
    let added = modifier.get_mut("add")?.as_array_mut()?;
    added.retain(|header| !ours(header));
    if added.is_empty() {
        modifier.remove("add");
    }
    if modifier.is_empty() {
        filters.remove(place);
    }
    let mut backend = backend.clone();
    match backend.as_object_mut() {
        Some(fields) if filters.is_empty() => drop(fields.remove("filters")),
        _ => backend["filters"] = Value::Array(filters),
    }
    Some(backend)
}

fn sets_cookies(header: &Value) -> bool {
    header["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(SET_COOKIE))
}

/// The chance of the canary among those who came to stable when its share was `before`, for it to be `weight` of all:
/// (w − b) / (1 − b), in hundredths of a percent, rounded down.
pub fn chance(weight: Percent, before: Percent) -> Percent {
    let left = before.rest().percent();
    if left <= 0.0 || weight <= before {
        return Percent::ZERO;
    }
    let chance = (weight.percent() - before.percent()) / left * 100.0;
    Percent::new((chance * 100.0 + 1e-6).floor() / 100.0)
}
