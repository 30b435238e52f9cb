//! The weights of an `HTTPRoute`, edited in place: every field that is not a weight of ours stays as it was.
//!
//! While a rollout runs, `<service>-stable` and `<service>-canary` stand where the user wrote `<service>`. All weights
//! of such a rule are multiplied by the same number, so that every other backend keeps its exact share, and the number
//! can be read back from the weights themselves: what the user wrote is never stored anywhere else, and cannot be lost.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httproute>

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Names,
    scale::{MAX, Ratio, Weight, restored},
};
use crate::api::Percent;

/// How many backends a rule may have.
const MOST_BACKENDS: usize = 16;

/// Why a route cannot carry the weights of a rollout. Each is for the user to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The Service is not among the route's backends.
    #[error("no rule of {route} points at Service {service}: add it to the backendRefs of a rule")]
    NotMentioned {
        /// The route.
        route: String,
        /// The Service.
        service: String,
    },
    /// The Service that it points at lives elsewhere.
    #[error(
        "{route} points at Service {service} in namespace {namespace}: \
         the route, the Service and the Rollout have to be in the same namespace"
    )]
    OtherNamespace {
        /// The route.
        route: String,
        /// The Service.
        service: String,
        /// Where the route looks for it.
        namespace: String,
    },
    /// No room for finer weights below the highest one that is allowed.
    #[error(
        "weight {weight} in rule {rule} of {route} is too large to be split at {share}: times {scale} it would exceed \
         1000000; divide all weights of the rule by the same number"
    )]
    WeightTooLarge {
        /// The route.
        route: String,
        /// Which rule, from 1.
        rule: usize,
        /// The weight that is too large.
        weight: i64,
        /// The share that was asked for.
        share: String,
        /// What the weights have to be multiplied by.
        scale: i64,
    },
    /// No room for another backend.
    #[error("rule {rule} of {route} has no room for another backend (a rule has at most 16): remove one from it")]
    TooManyBackends {
        /// The route.
        route: String,
        /// Which rule, from 1.
        rule: usize,
    },
    /// The share is finer than any weight.
    #[error("{route} cannot carry a weight of {share}: use at most four decimals of a percent")]
    TooFine {
        /// The route.
        route: String,
        /// The share that was asked for.
        share: String,
    },
}

/// What a route's weights say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights {
    /// The route points at the Service only, as its user wrote it.
    Whole,
    /// In all rules, the canary has this part of the Service's share.
    Split(Percent),
    /// Neither: somebody else has changed the backends since they were split.
    Foreign,
}

/// The route with the canary at `canary_weight`, and stable at what is left of the Service's share.
///
/// An absolute value: a route that is split already is thought back to what its user wrote first. Once a route is
/// split, a split by whole percents is never refused for its weights, so that the way back is always open. Whether
/// all stages fit is known beforehand: see [`can_split`].
pub fn split(route: &Value, names: &Names, canary_weight: Percent) -> Result<Value, Unusable> {
    let divided = divided(route, names, &joined(route, names), canary_weight)?;
    Ok(with_backends(route, divided))
}

/// Whether the route can be split at each of these weights.
///
/// # Errors
/// Why it cannot.
pub fn can_split(
    route: &Value,
    names: &Names,
    canary_weights: impl IntoIterator<Item = Percent>,
) -> Result<(), Unusable> {
    let joined = joined(route, names);
    canary_weights.into_iter().try_for_each(|weight| divided(route, names, &joined, weight).map(drop))
}

/// Whether the route is what [`split`] makes of it.
#[must_use]
pub fn is_split(route: &Value, names: &Names, canary_weight: Percent) -> bool {
    divided(route, names, &joined(route, names), canary_weight).is_ok_and(|wanted| carries(route, &wanted))
}

/// The route as its user wrote it, with the Service where stable and canary stand.
///
/// Exactly so, if nobody else has changed it since; otherwise every backend keeps the share that it now has.
#[must_use]
pub fn unsplit(route: &Value, names: &Names) -> Value {
    with_backends(route, joined(route, names))
}

/// What the route's weights say; nothing if it mentions neither the Service nor stable or canary.
#[must_use]
pub fn weights(route: &Value, names: &Names) -> Option<Weights> {
    let role = |backend: &&Value| Role::of(backend, names, namespace(route));
    let ours: Vec<_> = backends(route).filter(|backend| role(backend) != Role::Other).collect();
    if ours.is_empty() {
        return None;
    }
    if ours.iter().all(|backend| role(backend) == Role::Service) {
        return Some(Weights::Whole);
    }
    // All pairs have the same share, or the comparison below fails: any pair that has a weight at all will do.
    let canary_share = |pair: &[&Value]| {
        let [stable, canary] = [pair[0], pair[1]].map(weight);
        let is_pair = role(&pair[0]) == Role::Stable && role(&pair[1]) == Role::Canary && stable + canary > 0;
        is_pair.then(|| Percent::new(canary as f64 * 100.0 / (stable + canary) as f64))
    };
    let share = ours.windows(2).find_map(canary_share).unwrap_or(Percent::ZERO);
    Some(if is_split(route, names, share) { Weights::Split(share) } else { Weights::Foreign })
}

/// The part of the Service's share that the canary has, whoever wrote it: the lowest of any rule, and nothing where no
/// rule gives the Service any weight.
#[must_use]
pub fn canary_share(route: &Value, names: &Names) -> Option<Percent> {
    let share = |backends: &Vec<Value>| {
        let of = |wanted: Role| {
            let ours = backends.iter().filter(|backend| Role::of(backend, names, namespace(route)) == wanted);
            ours.map(weight).sum::<i64>()
        };
        let canary = of(Role::Canary);
        let all = canary + of(Role::Stable) + of(Role::Service);
        (all > 0).then(|| Percent::new(canary as f64 * 100.0 / all as f64))
    };
    lists(route).filter_map(share).reduce(Percent::lower)
}

/// Whether the route points at the Service, or at stable or canary.
#[must_use]
pub fn mentions(route: &Value, names: &Names) -> bool {
    backends(route).any(|backend| Role::of(backend, names, namespace(route)) != Role::Other)
}

/// The route in a sentence: `HTTPRoute shop/checkout`.
pub(super) fn describe(route: &Value) -> String {
    format!("HTTPRoute {}/{}", namespace(route), route.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?"))
}

/// What a backend is to the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Service,
    Stable,
    Canary,
    Other,
}

impl Role {
    fn of(backend: &Value, names: &Names, namespace: &str) -> Self {
        if !is_service(backend) || backend["namespace"].as_str().is_some_and(|other| other != namespace) {
            return Self::Other;
        }
        match backend["name"].as_str() {
            Some(name) if name == names.service => Self::Service,
            Some(name) if name == names.stable => Self::Stable,
            Some(name) if name == names.canary => Self::Canary,
            _ => Self::Other,
        }
    }
}

/// One division of a route's Service.
struct Cut<'a> {
    route: &'a Value,
    names: &'a Names,
    share: Percent,
    namespace: &'a str,
}

impl Cut<'_> {
    fn role(&self, backend: &Value) -> Role {
        Role::of(backend, self.names, self.namespace)
    }

    fn divided(&self, rule: usize, backends: &[Value], ratio: Ratio) -> Result<Vec<Value>, Unusable> {
        let weighted = |backend: &&Value| self.role(backend) == Role::Service && weight(backend) > 0;
        // Without any weight on the Service its share leaves no trace to read the scale from.
        let ratio = if backends.iter().any(|backend| weighted(&backend)) { ratio } else { Ratio::NOTHING };
        let mut divided = Vec::with_capacity(backends.len() + 1);
        for backend in backends {
            let weight = weight(backend);
            if weight * ratio.scale > MAX {
                let (route, share) = (describe(self.route), self.share.to_string());
                return Err(Unusable::WeightTooLarge { route, rule, weight, share, scale: ratio.scale });
            }
            if self.role(backend) == Role::Service {
                let (stable, canary) = ratio.divide(weight);
                divided.push(changed(backend, Some(&self.names.stable), stable));
                divided.push(changed(backend, Some(&self.names.canary), canary));
            } else {
                divided.push(changed(backend, None, weight * ratio.scale));
            }
        }
        if divided.len() > MOST_BACKENDS {
            return Err(Unusable::TooManyBackends { route: describe(self.route), rule });
        }
        Ok(divided)
    }
}

/// The backends of each rule, after a split.
fn divided<'a>(
    route: &'a Value,
    names: &Names,
    joined: &[Cow<'a, [Value]>],
    share: Percent,
) -> Result<Vec<Cow<'a, [Value]>>, Unusable> {
    let cut = Cut { route, names, share, namespace: namespace(route) };
    let too_fine = || Unusable::TooFine { route: describe(route), share: share.to_string() };
    let ratio = Ratio::of(share).ok_or_else(too_fine)?;
    let mut mentioned = false;
    let mut all = Vec::with_capacity(joined.len());
    for (index, backends) in joined.iter().enumerate() {
        if backends.iter().any(|backend| cut.role(backend) == Role::Service) {
            all.push(Cow::Owned(cut.divided(index + 1, backends, ratio)?));
            mentioned = true;
        } else {
            all.push(backends.clone());
        }
    }
    if mentioned { Ok(all) } else { Err(not_mentioned(route, names)) }
}

/// The backends of each rule, with the Service where stable and canary stand.
fn joined<'a>(route: &'a Value, names: &Names) -> Vec<Cow<'a, [Value]>> {
    let whole = |backends: &'a Vec<Value>| rejoined(backends, names, namespace(route));
    lists(route).map(|backends| whole(backends).map_or(Cow::Borrowed(backends.as_slice()), Cow::Owned)).collect()
}

/// A rule's backends with the Service where stable and canary stood; nothing if neither is there.
///
/// Stable and canary belong together if they differ in nothing but name and weight. One that somebody has left alone
/// becomes the Service by itself.
fn rejoined(backends: &[Value], names: &Names, namespace: &str) -> Option<Vec<Value>> {
    let role = |backend: &Value| Role::of(backend, names, namespace);
    if !backends.iter().any(|backend| matches!(role(backend), Role::Stable | Role::Canary)) {
        return None;
    }
    let mut canaries: Vec<_> = backends.iter().enumerate().filter(|(_, b)| role(b) == Role::Canary).collect();
    let mut pairs = Vec::with_capacity(backends.len());
    for stable in backends.iter().filter(|backend| role(backend) == Role::Stable) {
        let twin = canaries.iter().position(|(_, canary)| same_but_for(&["name", "weight"], stable, canary));
        pairs.push(twin.map(|twin| canaries.remove(twin)));
    }
    let mut pairs = pairs.into_iter();
    let mut parts = Vec::with_capacity(backends.len());
    for (index, backend) in backends.iter().enumerate() {
        let service = names.service.as_str();
        match role(backend) {
            Role::Stable => {
                let canary = pairs.next().flatten().map_or(0, |(_, canary)| weight(canary));
                parts.push((backend, Some(service), Weight::Divided(weight(backend), canary)));
            }
            Role::Canary if canaries.iter().any(|(alone, _)| *alone == index) => {
                parts.push((backend, Some(service), Weight::Divided(0, weight(backend))));
            }
            Role::Canary => {}
            Role::Service | Role::Other => parts.push((backend, None, Weight::Undivided(weight(backend)))),
        }
    }
    let weights: Vec<_> = parts.iter().map(|(_, _, weight)| *weight).collect();
    let parts = parts.into_iter().zip(restored(&weights));
    Some(parts.map(|((backend, name, _), weight)| changed(backend, name, weight)).collect())
}

fn not_mentioned(route: &Value, names: &Names) -> Unusable {
    let service = names.service.clone();
    let elsewhere = backends(route)
        .filter(|backend| is_service(backend) && backend["name"] == *service)
        .find_map(|backend| backend["namespace"].as_str());
    match elsewhere {
        Some(namespace) => {
            Unusable::OtherNamespace { route: describe(route), service, namespace: namespace.to_owned() }
        }
        None => Unusable::NotMentioned { route: describe(route), service },
    }
}

fn namespace(route: &Value) -> &str {
    route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
}

fn rules(route: &Value) -> impl Iterator<Item = &Value> {
    route.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten()
}

/// The backends of each rule that has any.
fn lists(route: &Value) -> impl Iterator<Item = &Vec<Value>> {
    rules(route).filter_map(|rule| rule.get("backendRefs")?.as_array())
}

fn backends(route: &Value) -> impl Iterator<Item = &Value> {
    lists(route).flatten()
}

/// The route with other backends.
fn with_backends(route: &Value, wanted: Vec<Cow<'_, [Value]>>) -> Value {
    let mut changed = route.clone();
    let rules = changed.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten();
    let lists = rules.filter_map(|rule| rule.get_mut("backendRefs")?.as_array_mut());
    for (backends, wanted) in lists.zip(wanted) {
        *backends = wanted.into_owned();
    }
    changed
}

/// Whether the backends of all rules are these, weights included.
fn carries(route: &Value, wanted: &[Cow<'_, [Value]>]) -> bool {
    let same = |(one, other): (&Vec<Value>, &Cow<'_, [Value]>)| {
        one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| is_same(one, other))
    };
    lists(route).count() == wanted.len() && lists(route).zip(wanted).all(same)
}

fn is_service(backend: &Value) -> bool {
    backend["kind"].as_str().is_none_or(|kind| kind == "Service")
        && backend["group"].as_str().is_none_or(|group| matches!(group, "" | "core"))
}

/// Whether two backends say the same. The API server writes the default weight into what it stores.
fn is_same(one: &Value, other: &Value) -> bool {
    weight(one) == weight(other) && same_but_for(&["weight"], one, other)
}

/// Whether two backends are the same but for these fields.
fn same_but_for(fields: &[&str], one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let compared = |(name, _): &(&String, &Value)| !fields.contains(&name.as_str());
    one.iter().filter(compared).eq(other.iter().filter(compared))
}

/// The backend's weight; 1 if it has none, as the Gateway API defines.
fn weight(backend: &Value) -> i64 {
    backend["weight"].as_i64().map_or(1, |weight| weight.clamp(0, MAX))
}

/// The backend with another weight, and under another name if there is one.
fn changed(backend: &Value, name: Option<&str>, weight: i64) -> Value {
    let mut backend = backend.clone();
    if let Some(fields) = backend.as_object_mut() {
        fields.extend(name.map(|name| ("name".to_owned(), name.into())));
        fields.insert("weight".to_owned(), weight.into());
    }
    backend
}

#[cfg(test)]
mod tests;
