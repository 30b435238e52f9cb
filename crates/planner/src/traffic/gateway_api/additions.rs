//! What a split gives the canary beside its weight: rules in front of the user's own, copies, and cookies.
//!
//! All of it can be told from what the user wrote: a rule of ours has no name, no Service but the canary's or a match
//! by our own cookie, and stands in front of a rule whose matches it narrows down; a copy goes to the canary's Service;
//! a cookie has our name. So it is taken away without anything being remembered.

use std::borrow::Cow;

use serde_json::{Value, json};
use tidegate_api::{GatewayRouteKind, Match, Percent};

use super::{
    Backends,
    backends::Role,
    matches::{self, MOST},
    rules::{lists, namespace, rules},
    sessions::{Cookie, chance, cookie_of, forgotten},
};
use crate::traffic::{Sessions, Split, UnusableRoute, kind::describe};

/// How many rules a route may have, and how many filters a rule.
const MOST_RULES: usize = 16;

/// What is added to one route.
#[derive(Debug, Clone, Copy)]
pub struct Additions<'a> {
    pub backends: Backends<'a>,
    pub kind: GatewayRouteKind,
}

/// One rule that carries the split.
struct Rule<'a> {
    route: &'a Value,
    /// Which one, from 1.
    number: usize,
    /// As it was divided.
    divided: &'a Value,
    /// Its backends as the user wrote them.
    joined: &'a [Value],
}

impl Additions<'_> {
    /// `divided`, which is `base` with its weights, and all else that the split gives the canary.
    ///
    /// # Errors
    /// Why the route cannot say that.
    pub fn given_to(&self, base: &Value, mut divided: Value, split: Split<'_>) -> Result<Value, UnusableRoute> {
        self.can_say(base, split)?;
        let joined = self.backends.joined(base);
        let mut parts = lists(base).zip(&joined).peekable();
        let mut all = Vec::new();
        for (index, rule) in rules(&divided).enumerate() {
            let part = parts.next_if(|((number, _, _), _)| *number == index + 1);
            match part.filter(|((_, rule, _), joined)| self.backends.carries(base, rule, joined)) {
                Some(((number, _, _), joined)) => {
                    let rule = Rule { route: base, number, divided: rule, joined };
                    all.extend(self.of_rule(&rule, split)?);
                }
                None => all.push(rule.clone()),
            }
        }
        self.has_room(base, &all)?;
        if let Some(rules) = divided.pointer_mut("/spec/rules") {
            *rules = Value::Array(all);
        }
        Ok(divided)
    }

    /// `route` without what was added to it.
    pub fn taken_from<'b>(&self, route: &'b Value) -> Cow<'b, Value> {
        let all: Vec<_> = rules(route).collect();
        let mut kept = Vec::with_capacity(all.len());
        let mut next = None;
        // From behind, since what is ours stands in front of what it narrows down.
        for rule in all.iter().rev() {
            if !self.is_ours(route, rule, next) {
                next = Some(*rule);
                kept.push(self.without_copies(route, rule));
            }
        }
        if kept.len() == all.len() && kept.iter().all(|rule| matches!(rule, Cow::Borrowed(_))) {
            return Cow::Borrowed(route);
        }
        let mut base = route.clone();
        if let Some(rules) = base.pointer_mut("/spec/rules") {
            *rules = kept.into_iter().rev().map(Cow::into_owned).collect();
        }
        Cow::Owned(base)
    }

    /// Whether a rule was put in front of `next`.
    fn is_ours(&self, route: &Value, rule: &Value, next: Option<&Value>) -> bool {
        let Some(next) = next.filter(|_| rule.get("name").is_none()) else { return false };
        let mine = self.roles(route, rule);
        let is_split = mine.iter().any(|role| matches!(role, Role::Stable | Role::Canary));
        let asked = matches::of(rule, self.kind);
        let cookie = cookie_of(&self.backends.names.service);
        // Nobody else asks for our cookie, whatever they have written into the rule since.
        let is_of_cookie = !asked.is_empty() && asked.iter().all(|asked| matches::asks_for_cookie(asked, &cookie));
        // Somebody may have written the Service back into the one behind.
        if !(is_split || is_of_cookie) || self.roles(route, next).iter().all(|role| *role == Role::Other) {
            return false;
        }
        let canary_alone = mine.contains(&Role::Canary) && !mine.contains(&Role::Stable);
        let wide = matches::of(next, self.kind);
        (canary_alone || is_of_cookie)
            && asked.iter().all(|narrow| wide.iter().any(|wide| matches::is_narrowed(narrow, wide)))
    }

    fn roles(&self, route: &Value, rule: &Value) -> Vec<Role> {
        let backends = rule["backendRefs"].as_array().into_iter().flatten();
        backends.map(|backend| self.backends.role(backend, namespace(route))).collect()
    }

    fn without_copies<'b>(&self, route: &Value, rule: &'b Value) -> Cow<'b, Value> {
        let mut rule = Cow::Borrowed(rule);
        let ours = |filter: &Value| {
            let target = filter.pointer("/requestMirror/backendRef");
            target.is_some_and(|target| self.backends.role(target, namespace(route)) == Role::Canary)
        };
        if let Some(filters) = rule["filters"].as_array().filter(|filters| filters.iter().any(ours)) {
            let kept: Vec<_> = filters.iter().filter(|filter| !ours(filter)).cloned().collect();
            match rule.to_mut().as_object_mut() {
                Some(fields) if kept.is_empty() => drop(fields.remove("filters")),
                _ => rule.to_mut()["filters"] = Value::Array(kept),
            }
        }
        let backends = rule["backendRefs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let without = |backend: &Value| {
            let ours = matches!(self.backends.role(backend, namespace(route)), Role::Stable | Role::Canary);
            ours.then(|| forgotten(backend, &self.backends.names.service)).flatten()
        };
        if backends.iter().any(|backend| without(backend).is_some()) {
            let kept = backends.iter().map(|backend| without(backend).unwrap_or_else(|| backend.clone())).collect();
            rule.to_mut()["backendRefs"] = Value::Array(kept);
        }
        rule
    }

    /// The rules that stand for one, itself last.
    fn of_rule(&self, rule: &Rule<'_>, split: Split<'_>) -> Result<Vec<Value>, UnusableRoute> {
        let only = |role: Role, share: Percent| {
            let mut backends = self.backends.of_rule(rule.route, rule.number, rule.joined, share)?;
            let other = if role == Role::Canary { Role::Stable } else { Role::Canary };
            backends.retain(|backend| self.backends.role(backend, namespace(rule.route)) != other);
            Ok::<_, UnusableRoute>(backends)
        };
        let mut copied = rule.divided.clone();
        if split.mirror > Percent::ZERO {
            let canary = only(Role::Canary, Percent::FULL)?;
            let of_canary = |backend: &&Value| self.backends.role(backend, namespace(rule.route)) == Role::Canary;
            copied["filters"] = rule.copies(canary.iter().find(of_canary), split.mirror)?;
        }
        let mut all = Vec::new();
        let service = self.backends.names.service.as_str();
        let cookie = split.sessions.map(|known| Cookie { service, generation: known.generation, weight: split.weight });
        if !split.matches.is_empty() {
            let over = cookie.map(|cookie| cookie.of_anybody());
            let asked = with_variants(split.matches, over);
            all.push(self.narrowed(rule, rule.divided, &asked, only(Role::Canary, Percent::FULL)?)?);
        }
        if let (Some(cookie), Some(Sessions { before, .. })) =
            (cookie.filter(|_| split.weight > Percent::ZERO), split.sessions)
        {
            let set = |backends: Vec<Value>| self.with_cookies(rule, backends, cookie);
            let to_canary = only(Role::Canary, Percent::FULL)?;
            all.push(self.narrowed(rule, rule.divided, &[cookie.of_canary()], to_canary)?);
            all.push(self.narrowed(rule, &copied, &[cookie.of_stable()], only(Role::Stable, Percent::ZERO)?)?);
            let chance = chance(split.weight, before);
            if before > Percent::ZERO {
                let drawn = set(self.backends.of_rule(rule.route, rule.number, rule.joined, chance)?)?;
                all.push(self.narrowed(rule, &copied, &[cookie.of_stable_before()], drawn)?);
            }
            let backends = copied["backendRefs"].as_array().cloned().unwrap_or_default();
            copied["backendRefs"] = Value::Array(set(backends)?);
        }
        all.push(copied);
        Ok(all)
    }

    fn narrowed(
        &self,
        rule: &Rule<'_>,
        of: &Value,
        by: &[Match],
        backends: Vec<Value>,
    ) -> Result<Value, UnusableRoute> {
        let originals = matches::of(rule.divided, self.kind);
        let pairs = originals.iter().flat_map(|original| by.iter().map(move |by| (original, by)));
        let narrowed: Result<Vec<_>, _> = pairs.map(|(original, by)| matches::narrowed(original, by)).collect();
        let narrowed = narrowed.map_err(|why| rule.cannot(&format!("would have a match that {why}")))?;
        if narrowed.len() > MOST.0 {
            return Err(rule.cannot(&format!(
                "would stand beside one of {} matches, of at most {}",
                narrowed.len(),
                MOST.0
            )));
        }
        let mut added = of.clone();
        if let Some(fields) = added.as_object_mut() {
            fields.remove("name");
        }
        added["matches"] = Value::Array(narrowed);
        added["backendRefs"] = Value::Array(backends);
        Ok(added)
    }

    fn with_cookies(
        &self,
        rule: &Rule<'_>,
        backends: Vec<Value>,
        cookie: Cookie<'_>,
    ) -> Result<Vec<Value>, UnusableRoute> {
        let set = |backend: Value| match self.backends.role(&backend, namespace(rule.route)) {
            Role::Canary => cookie.set_by(&backend, true),
            Role::Stable => cookie.set_by(&backend, false),
            Role::Service | Role::Other => Ok(backend),
        };
        let all: Result<Vec<_>, _> = backends.into_iter().map(set).collect();
        all.map_err(|why| rule.cannot(&format!("has a backend that {why}")))
    }

    /// Whether routes of this kind can say it, and none of this one's other rules would lose requests by it.
    fn can_say(&self, route: &Value, split: Split<'_>) -> Result<(), UnusableRoute> {
        use GatewayRouteKind::{GRPCRoute, HTTPRoute};
        let (name, kind) = (describe(route), self.kind);
        let refuse = |what: &str| {
            Err(UnusableRoute::new(format!("{name} cannot {what}: leave that out, or name a route of a kind that can")))
        };
        if !matches!(kind, HTTPRoute | GRPCRoute) {
            return refuse(
                "tell requests apart, copy them or keep users on a version, since it knows connections only",
            );
        }
        if kind == GRPCRoute && split.sessions.is_some() {
            return refuse("keep users on a version, since callers of gRPC keep no cookies (sessionPersistence)");
        }
        if kind == GRPCRoute && split.matches.iter().any(|it| it.query_params.is_some()) {
            return refuse("tell calls apart by the parameters of a query, which they do not have (match.queryParams)");
        }
        if split.matches.is_empty() && split.sessions.is_none() {
            return Ok(());
        }
        let joined = self.backends.joined(route);
        let carries = |number: usize| {
            lists(route)
                .zip(&joined)
                .any(|((it, rule, _), joined)| it == number && self.backends.carries(route, rule, joined))
        };
        let numbered = || rules(route).enumerate().map(|(index, rule)| (index + 1, matches::of(rule, kind)));
        let place = |asked: &Value| if kind == HTTPRoute { asked["path"].clone() } else { asked["method"].clone() };
        for (other, particular) in numbered().filter(|(number, _)| !carries(*number)) {
            let mut particular = particular.iter().filter(|asked| matches::is_particular(asked));
            let Some((rule, _)) = numbered()
                .filter(|(number, _)| carries(*number))
                .find(|(_, wide)| particular.any(|asked| wide.iter().any(|wide| place(wide) == place(asked))))
            else {
                continue;
            };
            return Err(UnusableRoute::new(format!(
                "rule {other} of {name} takes some of the requests of rule {rule} by what they carry, and would lose those that a stage's match or a session's cookie describes: put it into a route of its own with a path of its own, or leave match and sessionPersistence out"
            )));
        }
        Ok(())
    }

    fn has_room(&self, route: &Value, all: &[Value]) -> Result<(), UnusableRoute> {
        let (rules, matches) = (all.len(), all.iter().map(|rule| matches::of(rule, self.kind).len()).sum::<usize>());
        if rules <= MOST_RULES && matches <= MOST.1 {
            return Ok(());
        }
        Err(UnusableRoute::new(format!(
            "{} has no room for what match and sessionPersistence add to it: it would have {rules} rules of at most {MOST_RULES}, and {matches} matches of at most {}; choose fewer rules, or divide it into two routes",
            describe(route),
            MOST.1
        )))
    }
}

impl Rule<'_> {
    /// The rule's filters, and one that copies a part of its requests to the canary.
    fn copies(&self, canary: Option<&Value>, part: Percent) -> Result<Value, UnusableRoute> {
        let mut target = canary.cloned().unwrap_or_default();
        if let Some(fields) = target.as_object_mut() {
            fields.retain(|name, _| matches!(name.as_str(), "group" | "kind" | "name" | "namespace" | "port"));
            fields.entry("group").or_insert_with(|| "".into());
            fields.entry("kind").or_insert_with(|| "Service".into());
        }
        let mut filters = self.divided["filters"].as_array().cloned().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "at most a million")]
        let numerator = (part.fraction() * 1e6).round() as i64;
        filters.push(json!({
            "type": "RequestMirror",
            "requestMirror": {
                "backendRef": target,
                "fraction": {"numerator": numerator, "denominator": 1_000_000},
            },
        }));
        if filters.len() > MOST_RULES {
            return Err(self.cannot(&format!("has no room for another filter, of at most {MOST_RULES}")));
        }
        Ok(Value::Array(filters))
    }

    fn cannot(&self, why: &str) -> UnusableRoute {
        UnusableRoute::new(format!("rule {} of {} {why}", self.number, describe(self.route)))
    }
}

/// The matches, and for those by query alone another that also asks for our cookie: a gateway heeds headers before
/// queries, and a user's cookie would lead elsewhere.
fn with_variants(asked: &[Match], cookie: Option<Match>) -> Vec<Match> {
    let by_query_alone = |it: &&Match| it.headers.is_none() && it.cookie.is_none();
    let variant = |cookie: Match| {
        asked.iter().filter(by_query_alone).map(move |it| Match { cookie: cookie.cookie.clone(), ..it.clone() })
    };
    asked.iter().cloned().chain(cookie.into_iter().flat_map(variant)).collect()
}
