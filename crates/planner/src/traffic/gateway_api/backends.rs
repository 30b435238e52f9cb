//! The backends of a route's rules, edited in place: every field that is not a weight of ours stays as it was.
//!
//! While a rollout runs, `<service>-stable` and `<service>-canary` stand where the user wrote `<service>`. All weights
//! of such a rule are multiplied by the same number, so that every other backend keeps its exact share, and the number
//! can be read back from the weights themselves: what the user wrote is never stored anywhere else, and cannot be lost.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#backendref>

use std::borrow::Cow;

use serde_json::Value;
use tidegate_api::Percent;

use super::rules::{lists, namespace};
use crate::traffic::{
    Names, Quirks, UnusableRoute,
    kind::describe,
    scale::{MAX, Ratio, Weight, restored},
};

/// How many backends a rule may have.
const MOST_BACKENDS: usize = 16;

/// The backends of a route that point at a Rollout's Service.
#[derive(Debug, Clone, Copy)]
pub struct Backends<'a> {
    /// What the Services are called.
    pub names: &'a Names,
    /// Their namespace, which is the Rollout's.
    pub namespace: &'a str,
    /// The names of the rules that carry the weights; the others stay with stable until the canary has everything.
    /// Without it, all do.
    pub chosen: Option<&'a [String]>,
    /// In what its gateway differs from others.
    pub quirks: Quirks,
}

impl Backends<'_> {
    /// Whether every rule that was chosen is there. Only asked beforehand: somebody who renames a rule in mid-flight must
    /// not close the way back.
    ///
    /// # Errors
    /// Which one is not.
    pub fn has_chosen_rules(&self, route: &Value) -> Result<(), UnusableRoute> {
        self.missing_rule(route, &self.joined(route)).map_or(Ok(()), |name| Err(self.no_such_rule(route, name)))
    }

    /// `route` with the canary at `weight`.
    ///
    /// # Errors
    /// Why its weights cannot say that.
    pub fn split(&self, route: &Value, weight: Percent) -> Result<Value, UnusableRoute> {
        let divided = self.divided(route, &self.joined(route), weight)?;
        Ok(with_backends(route, divided))
    }

    /// Whether they are as [`Self::split`] leaves them.
    pub fn are_split(&self, route: &Value, weight: Percent) -> bool {
        self.divided(route, &self.joined(route), weight).is_ok_and(|wanted| carries(route, &wanted))
    }

    /// Exactly as the user wrote it, if nobody else has changed it since; otherwise every backend keeps the share that
    /// it now has.
    pub fn unsplit(&self, route: &Value) -> Value {
        with_backends(route, self.joined(route))
    }

    /// Whether none of them is stable's or the canary's.
    pub fn are_whole(&self, route: &Value) -> bool {
        let namespace = namespace(route);
        !backends(route).any(|backend| matches!(self.role(backend, namespace), Role::Stable | Role::Canary))
    }

    /// The canary's part of the Service's share: the lowest of all rules.
    pub fn canary_share(&self, route: &Value) -> Option<Percent> {
        let share = |backends: &Vec<Value>| {
            let of = |wanted: Role| {
                let ours = backends.iter().filter(|backend| self.role(backend, namespace(route)) == wanted);
                ours.map(weight).sum::<i64>()
            };
            let canary = of(Role::Canary);
            let all = canary + of(Role::Stable) + of(Role::Service);
            (all > 0).then(|| Percent::new(canary as f64 * 100.0 / all as f64))
        };
        lists(route).filter_map(|(_, _, backends)| share(backends)).reduce(Percent::lower)
    }

    /// Whether a rule, with these backends as the user wrote them, carries what a stage gives the canary, and any
    /// requests at all.
    pub fn carries(&self, route: &Value, rule: &Value, joined: &[Value]) -> bool {
        let ours = |backend: &&Value| self.role(backend, namespace(route)) == Role::Service;
        self.is_chosen(rule) && joined.iter().filter(ours).any(|backend| weight(backend) > 0)
    }

    /// The backends of rule `number`, with the canary at `share`.
    ///
    /// # Errors
    /// Why its weights cannot say that.
    pub fn of_rule(
        &self,
        route: &Value,
        number: usize,
        joined: &[Value],
        share: Percent,
    ) -> Result<Vec<Value>, UnusableRoute> {
        Cut { backends: self, route, rule: number, share }.divided(joined)
    }
}

/// What a backend is to the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Service,
    Stable,
    Canary,
    Other,
}

/// One division of a rule's Service.
struct Cut<'a> {
    backends: &'a Backends<'a>,
    route: &'a Value,
    /// Which rule, from 1.
    rule: usize,
    share: Percent,
}

impl Cut<'_> {
    fn divided(&self, backends: &[Value]) -> Result<Vec<Value>, UnusableRoute> {
        let role = |backend: &Value| self.backends.role(backend, namespace(self.route));
        let weighted = |backend: &Value| role(backend) == Role::Service && weight(backend) > 0;
        // Without any weight on the Service its share leaves no trace to read the scale from.
        let ratio = if backends.iter().any(weighted) { self.ratio()? } else { Ratio::NOTHING };
        let mut divided = Vec::with_capacity(backends.len() + 1);
        for backend in backends {
            let weight = weight(backend);
            if weight * ratio.scale > MAX {
                return Err(self.too_large(weight, ratio.scale));
            }
            if role(backend) == Role::Service {
                let (stable, canary) = ratio.divide(weight);
                let names = self.backends.names;
                for (name, weight, other) in [(&names.stable, stable, canary), (&names.canary, canary, stable)] {
                    if weight > 0 || other == 0 || !self.backends.quirks.refuses_zero_weights {
                        divided.push(changed(backend, Some(name), weight));
                    }
                }
            } else {
                divided.push(changed(backend, None, weight * ratio.scale));
            }
        }
        if divided.len() > MOST_BACKENDS {
            return Err(self.full());
        }
        Ok(divided)
    }

    fn ratio(&self) -> Result<Ratio, UnusableRoute> {
        let (route, share) = (describe(self.route), self.share);
        let too_fine = || format!("{route} cannot carry a weight of {share}: use at most four decimals of a percent");
        Ratio::of(share).ok_or_else(|| UnusableRoute::new(too_fine()))
    }

    fn too_large(&self, weight: i64, scale: i64) -> UnusableRoute {
        let Self { rule, share, .. } = self;
        UnusableRoute::new(format!(
            "weight {weight} in rule {rule} of {} is too large to be split at {share}: times {scale} it would exceed {MAX}; divide all weights of the rule by the same number",
            describe(self.route)
        ))
    }

    fn full(&self) -> UnusableRoute {
        UnusableRoute::new(format!(
            "rule {} of {} has no room for another backend (a rule has at most {MOST_BACKENDS}): remove one from it",
            self.rule,
            describe(self.route)
        ))
    }
}

impl Backends<'_> {
    /// What `backend` is, in a route of namespace `of_route`.
    pub fn role(&self, backend: &Value, of_route: &str) -> Role {
        let namespace = backend["namespace"].as_str().unwrap_or(of_route);
        if !is_service(backend) || namespace != self.namespace {
            return Role::Other;
        }
        match backend["name"].as_str() {
            Some(name) if name == self.names.service => Role::Service,
            Some(name) if name == self.names.stable => Role::Stable,
            Some(name) if name == self.names.canary => Role::Canary,
            _ => Role::Other,
        }
    }

    /// The backends of each rule, after a split.
    fn divided<'a>(
        &self,
        route: &'a Value,
        joined: &[Cow<'a, [Value]>],
        share: Percent,
    ) -> Result<Vec<Cow<'a, [Value]>>, UnusableRoute> {
        let mut mentioned = false;
        let mut all = Vec::with_capacity(joined.len());
        for ((number, rule, _), backends) in lists(route).zip(joined) {
            if !self.is_mentioned(route, backends) {
                all.push(backends.clone());
                continue;
            }
            let carries = share == Percent::FULL || self.is_chosen(rule);
            let share = if carries { share } else { Percent::ZERO };
            all.push(Cow::Owned(Cut { backends: self, route, rule: number, share }.divided(backends)?));
            mentioned = true;
        }
        if mentioned { Ok(all) } else { Err(self.not_mentioned(route)) }
    }

    fn is_mentioned(&self, route: &Value, joined: &[Value]) -> bool {
        joined.iter().any(|backend| self.role(backend, namespace(route)) == Role::Service)
    }

    fn is_chosen(&self, rule: &Value) -> bool {
        self.chosen.is_none_or(|chosen| chosen.iter().any(|name| rule["name"] == **name))
    }

    /// A chosen rule that is not there.
    fn missing_rule(&self, route: &Value, joined: &[Cow<'_, [Value]>]) -> Option<&String> {
        let is_there = |name: &String| {
            let mut rules = lists(route).zip(joined);
            rules.any(|((_, rule, _), backends)| rule["name"] == **name && self.is_mentioned(route, backends))
        };
        self.chosen?.iter().find(|name| !is_there(name))
    }

    /// The backends of each rule, with the Service where stable and canary stand.
    pub fn joined<'a>(&self, route: &'a Value) -> Vec<Cow<'a, [Value]>> {
        let whole = |backends: &'a Vec<Value>| self.rejoined(backends, namespace(route));
        lists(route)
            .map(|(_, _, backends)| whole(backends).map_or(Cow::Borrowed(backends.as_slice()), Cow::Owned))
            .collect()
    }

    /// A rule's backends with the Service where stable and canary stood; nothing if neither is there.
    ///
    /// Stable and canary belong together if they differ in nothing but name and weight. One that somebody has left
    /// alone becomes the Service by itself.
    fn rejoined(&self, backends: &[Value], of_route: &str) -> Option<Vec<Value>> {
        let role = |backend: &Value| self.role(backend, of_route);
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
            let service = self.names.service.as_str();
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

    fn not_mentioned(&self, route: &Value) -> UnusableRoute {
        let (service, name) = (&self.names.service, describe(route));
        let elsewhere = backends(route)
            .filter(|backend| is_service(backend) && backend["name"] == **service)
            .map(|backend| backend["namespace"].as_str().unwrap_or_else(|| namespace(route)));
        UnusableRoute::new(match elsewhere.into_iter().next() {
            Some(namespace) => format!(
                "{name} points at Service {service} in namespace {namespace}: the Service and the Rollout have to be in the same namespace"
            ),
            None => format!("no rule of {name} points at Service {service}: add it to the backendRefs of a rule"),
        })
    }

    fn no_such_rule(&self, route: &Value, rule: &str) -> UnusableRoute {
        let (route, service) = (describe(route), &self.names.service);
        UnusableRoute::new(format!(
            "{route} has no rule called {rule} that points at Service {service}: give the rule that name, or choose another in spec.traffic.gatewayAPI.routes"
        ))
    }
}

fn backends(route: &Value) -> impl Iterator<Item = &Value> {
    lists(route).flat_map(|(_, _, backends)| backends)
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
    lists(route).count() == wanted.len() && lists(route).map(|(_, _, backends)| backends).zip(wanted).all(same)
}

pub(super) fn is_service(backend: &Value) -> bool {
    backend["kind"].as_str().is_none_or(|kind| kind == "Service")
        && backend["group"].as_str().is_none_or(|group| matches!(group, "" | "core"))
}

/// Whether two backends say the same. The API server writes the default weight into what it stores.
pub fn is_same(one: &Value, other: &Value) -> bool {
    weight(one) == weight(other) && same_but_for(&["weight"], one, other)
}

/// Whether two backends are the same but for these fields.
fn same_but_for(fields: &[&str], one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let compared = |(name, _): &(&String, &Value)| !fields.contains(&name.as_str());
    one.iter().filter(compared).eq(other.iter().filter(compared))
}

/// The backend's weight; 1 if it has none, as the Gateway API defines.
pub(super) fn weight(backend: &Value) -> i64 {
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
#[path = "tests.rs"]
mod tests;
