//! The kinds, and in what each differs from the others.

mod apisix;
mod contour;
mod gloo;
mod istio;
mod kuma;
mod linkerd;
mod traefik;

use serde_json::Value;

use super::{lists::Lists, weights::Weighing};
use crate::traffic::Acceptance;

/// A kind of object whose rules list Services with weights.
#[derive(Debug)]
pub struct RouteKind {
    /// Its API group.
    pub group: &'static str,
    /// Its name.
    pub kind: &'static str,
    /// What it is called in paths.
    pub plural: &'static str,
    /// What it belongs to, for people.
    pub product: &'static str,
    /// Where it lists Services.
    pub(super) lists: &'static [Lists],
    /// What an element names.
    pub(super) service: NamesService,
    /// Gives an element another Service.
    pub(super) rename: fn(&mut Value, &str),
    /// Why an element that names the Service cannot name another one instead: a clause.
    pub(super) unusable: fn(&Value) -> Option<&'static str>,
    /// How it reads weights.
    pub weighing: Weighing,
    /// How many elements a list may have at most, where that is limited.
    pub(super) most: Option<usize>,
    /// Whether the data plane has taken an object over as it stands.
    pub(super) acceptance: fn(&Value) -> Acceptance,
    /// What it reports, for people.
    pub reports: Reports,
    /// Whether its rules have names.
    pub has_named_rules: bool,
}

/// The Service that an element names, and its namespace if it is said; nothing if it names something else.
type NamesService = for<'v> fn(&'v Value) -> Option<(&'v str, Option<&'v str>)>;

/// What a kind says of its being in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// Whether it is valid at the generation that was written: it is waited for.
    Generation,
    /// What is wrong with it, and nothing where all is well: what is written is in force unless that is said.
    Faults,
    /// Nothing: what is written is in force.
    Nothing,
}

/// All of them.
pub static KINDS: [&RouteKind; 9] = [
    &istio::VIRTUAL_SERVICE,
    &contour::HTTP_PROXY,
    &traefik::INGRESS_ROUTE,
    &traefik::INGRESS_ROUTE_TCP,
    &traefik::TRAEFIK_SERVICE,
    &linkerd::HTTP_ROUTE,
    &kuma::MESH_HTTP_ROUTE,
    &apisix::APISIX_ROUTE,
    &gloo::VIRTUAL_SERVICE,
];

/// The kind of that name; the first of several if no group is given.
#[must_use]
pub fn find(group: Option<&str>, kind: &str) -> Option<&'static RouteKind> {
    KINDS.into_iter().find(|known| known.kind == kind && group.is_none_or(|group| known.group == group))
}

/// For kinds of which every element may name any Service.
const fn always(_: &Value) -> Option<&'static str> {
    None
}

/// For kinds that report nothing.
const fn unreported(_: &Value) -> Acceptance {
    Acceptance::Accepted
}

/// The Service that stands in `name`, where `kind` does not say that it is something else.
fn by_name(element: &Value) -> Option<(&str, Option<&str>)> {
    let is_service = element.get("kind").and_then(Value::as_str).is_none_or(|kind| kind == "Service");
    is_service.then(|| Some((element.get("name")?.as_str()?, element.get("namespace").and_then(Value::as_str))))?
}

/// Where a condition says `False`: what reports it, and why.
fn refused<'v>(mut conditions: impl Iterator<Item = &'v Value>) -> Option<(&'v str, &'v str)> {
    let condition = conditions.find(|condition| condition["status"] == "False")?;
    let text = |field: &str| condition.get(field).and_then(Value::as_str);
    Some((text("type").unwrap_or_default(), text("reason").unwrap_or("it gives no reason")))
}

fn rename(element: &mut Value, service: &str) {
    set(element, "/name", service);
}

/// Puts a text where one stands.
fn set(element: &mut Value, pointer: &str, text: &str) {
    if let Some(place) = element.pointer_mut(pointer) {
        *place = text.into();
    }
}

/// The condition of this type that is about the generation that was written.
fn current<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    conditions.into_iter().find(|condition| {
        condition["type"] == kind && condition.get("observedGeneration").and_then(Value::as_i64) == generation
    })
}

#[cfg(test)]
mod tests;
