//! A route as the gateway has taken it over.

use serde_json::Value;

use super::{CANARY, STABLE};
use crate::controllers::cache::Key;

/// Weights, which are whole numbers of at most a million, are multiplied by this to be divided otherwise.
const FINER: u32 = 1000;

/// A route as the gateway has taken it over.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Programmed {
    pub generation: i64,
    /// Each rule that a request without headers and parameters meets; all rules, where there is none of those.
    pub rules: Vec<Rule>,
    /// The others.
    pub particular: Vec<Rule>,
}

/// Who gets the requests of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Rule {
    /// Who answers them.
    pub backends: Vec<Reference>,
    /// Who gets copies, and of which part of them.
    pub copies: Vec<(Reference, f64)>,
}

/// One backend of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controllers) struct Reference {
    pub service: Key,
    /// Anything else is taken for a part of the cluster that is not simulated.
    pub is_service: bool,
    /// Relative to the other backends of the same rule.
    pub weight: u32,
}

impl Programmed {
    pub(in crate::controllers) fn read(key: &Key, route: &Value) -> Self {
        let all = route["spec"]["rules"].as_array().into_iter().flatten();
        let (particular, plain): (Vec<_>, Vec<_>) = all.partition(|rule| is_particular(rule));
        let (rules, rest) = if plain.is_empty() { (particular, plain) } else { (plain, particular) };
        Self {
            generation: route["metadata"]["generation"].as_i64().unwrap_or(0),
            rules: rules.into_iter().map(|rule| Rule::read(key, rule)).collect(),
            particular: rest.into_iter().map(|rule| Rule::read(key, rule)).collect(),
        }
    }

    /// Every request is answered with an error from now on.
    pub(in crate::controllers) fn break_all(&mut self) {
        for rule in self.rules.iter_mut().chain(&mut self.particular) {
            rule.backends.clear();
            rule.copies.clear();
        }
    }

    /// Where a rule has backends of both versions, the new one gets this part of what both have, whatever their weights.
    pub(in crate::controllers) fn misdivide(&mut self, share: f64) {
        let finer = f64::from(FINER);
        for rule in self.rules.iter_mut().chain(&mut self.particular) {
            let of = |suffix: &str| {
                let weighing = rule.backends.iter().filter(|backend| backend.service.name().ends_with(suffix));
                weighing.map(|backend| backend.weight).sum::<u32>()
            };
            let (stable, canary) = (of(STABLE), of(CANARY));
            if stable == 0 || canary == 0 {
                continue;
            }
            let both = f64::from(stable.saturating_add(canary)) * finer;
            for backend in &mut rule.backends {
                let weight = f64::from(backend.weight);
                backend.weight = whole(match backend.service.name() {
                    name if name.ends_with(CANARY) => both * share * weight / f64::from(canary),
                    name if name.ends_with(STABLE) => both * (1.0 - share) * weight / f64::from(stable),
                    _ => finer * weight,
                });
            }
        }
    }

    /// All backends of all rules.
    pub(in crate::controllers) fn references(&self) -> impl Iterator<Item = &Reference> {
        let rules = self.rules.iter().chain(&self.particular);
        rules.flat_map(|rule| rule.backends.iter().chain(rule.copies.iter().map(|(reference, _)| reference)))
    }
}

impl Rule {
    fn read(route: &Key, rule: &Value) -> Self {
        let list = |name: &str| rule[name].as_array().into_iter().flatten();
        let mirrors = list("filters").filter(|filter| filter["type"] == "RequestMirror");
        let copies = mirrors.map(|filter| {
            let mirror = &filter["requestMirror"];
            (Reference::read(route, &mirror["backendRef"]), part(mirror))
        });
        Self {
            backends: list("backendRefs").map(|reference| Reference::read(route, reference)).collect(),
            copies: copies.collect(),
        }
    }
}

/// Which part of the requests is copied: all of them, unless it is said.
fn part(mirror: &Value) -> f64 {
    let fraction = mirror["fraction"]["numerator"].as_f64().map(|numerator| {
        numerator / mirror["fraction"]["denominator"].as_f64().filter(|whole| *whole > 0.0).unwrap_or(100.0)
    });
    fraction.or(mirror["percent"].as_f64().map(|percent| percent / 100.0)).unwrap_or(1.0)
}

/// As a weight is written.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no number is too large: it saturates")]
fn whole(weight: f64) -> u32 {
    weight.round() as u32
}

/// Whether each of a rule's matches asks for headers or parameters.
fn is_particular(rule: &Value) -> bool {
    let matches = rule["matches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let asks = |asked: &Value| {
        ["headers", "queryParams"].iter().any(|list| asked[list].as_array().is_some_and(|all| !all.is_empty()))
    };
    !matches.is_empty() && matches.iter().all(asks)
}

impl Reference {
    /// Reads one, with the defaults of the Gateway API.
    fn read(route: &Key, reference: &Value) -> Self {
        let text = |field: &str, default| reference[field].as_str().unwrap_or(default);
        let weight = reference["weight"].as_u64().unwrap_or(1);
        Self {
            service: Key::new(text("namespace", route.namespace()), text("name", "")),
            is_service: text("kind", "Service") == "Service" && text("group", "").is_empty(),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }
    }
}
