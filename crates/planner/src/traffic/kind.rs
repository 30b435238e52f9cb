//! Which objects carry weights, by kind and name.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use tidegate_api::{GatewayRouteKind, Route};

use super::weighted::find;

/// The group of the Gateway API.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// A kind of object that the API server may know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Its API group.
    pub group: String,
    /// Its version; without one, whichever the API server recommends.
    pub version: Option<String>,
    /// Its name.
    pub kind: String,
}

impl Kind {
    /// A kind of the Gateway API, in whatever version the cluster has it.
    #[must_use]
    pub fn of_gateway_api(kind: &str) -> Self {
        Self { group: GATEWAY_API.to_owned(), version: None, kind: kind.to_owned() }
    }

    /// That of a route.
    #[must_use]
    pub fn of(route: &Route) -> Self {
        match route {
            Route::Gateway(route) => Self::of_gateway_api(&route.kind().to_string()),
            Route::Weighted(route) => {
                let known = find(route.group.as_deref(), &route.kind).map(|kind| kind.group);
                let group = route.group.as_deref().or(known).unwrap_or_default();
                Self { group: group.to_owned(), version: None, kind: route.kind.clone() }
            }
            Route::Custom(route) => {
                let (group, version) = route.api_version.split_once('/').unwrap_or(("", &route.api_version));
                Self { group: group.to_owned(), version: Some(version.to_owned()), kind: route.kind.clone() }
            }
        }
    }

    /// The same kind in whatever version: one object may be read in several, and is one object still.
    #[must_use]
    pub fn unversioned(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    /// Whether it is one of the Gateway API.
    #[must_use]
    pub fn is_of_gateway_api(&self) -> bool {
        self.group == GATEWAY_API
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)
    }
}

/// One object that carries weights.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, if it is another one than the Rollout's.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl RouteId {
    /// That of a route that a Rollout in `namespace` names.
    #[must_use]
    pub fn of(route: &Route, namespace: &str) -> Self {
        let (elsewhere, name) = match route {
            Route::Gateway(route) => (route.namespace.as_deref().filter(|other| *other != namespace), &route.name),
            Route::Weighted(route) => (None, &route.name),
            Route::Custom(route) => (None, &route.name),
        };
        Self { kind: Kind::of(route), namespace: elsewhere.map(str::to_owned), name: name.clone() }
    }

    /// The same object in whatever version.
    #[must_use]
    pub fn unversioned(&self) -> Self {
        Self { kind: self.kind.unversioned(), ..self.clone() }
    }

    /// An HTTPRoute beside the Rollout.
    #[must_use]
    pub fn http_route(name: &str) -> Self {
        let kind = Kind::of_gateway_api(&GatewayRouteKind::HTTPRoute.to_string());
        Self { kind, namespace: None, name: name.to_owned() }
    }
}

/// `HTTPRoute checkout`, or `HTTPRoute infra/checkout` where it lies elsewhere.
impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// That one of `routes` is there twice, under whatever version, if one is: a sentence.
#[must_use]
pub fn named_twice<'a>(routes: impl IntoIterator<Item = &'a RouteId>) -> Option<String> {
    let mut known = BTreeSet::new();
    let twice = routes.into_iter().find(|route| !known.insert(route.unversioned()))?;
    Some(format!("spec.traffic names {twice} twice, and one object has one weight: name it once"))
}

/// An object in a sentence: `HTTPRoute shop/checkout`.
pub(super) fn describe(object: &Value) -> String {
    let text = |pointer: &str, default: &'static str| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let name = text("/metadata/name", "?");
    format!("{} {}/{name}", text("/kind", "object"), text("/metadata/namespace", ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_api::Traffic;

    use super::*;

    fn twice(traffic: &Value) -> Option<String> {
        let traffic: Traffic = serde_json::from_value(traffic.clone()).unwrap();
        named_twice(&traffic.routes().map(|route| RouteId::of(&route, "shop")).collect::<Vec<_>>())
    }

    fn custom(version: &str, kind: &str) -> Value {
        let set = json!([{"path": "spec.weight", "value": "{{canary.weight}}"}]);
        json!({"apiVersion": format!("{GATEWAY_API}/{version}"), "kind": kind, "name": "checkout", "set": set})
    }

    #[test]
    fn an_object_is_the_same_in_whatever_version_it_is_named() {
        let gateway = json!({"routes": [{"name": "checkout"}]});
        let sentence = "spec.traffic names HTTPRoute checkout twice, and one object has one weight: name it once";
        let both = json!({"gatewayAPI": gateway, "custom": [custom("v1", "HTTPRoute")]});
        assert_eq!(twice(&both).as_deref(), Some(sentence));
        let versions = json!({"custom": [custom("v1", "HTTPRoute"), custom("v1beta1", "HTTPRoute")]});
        assert_eq!(twice(&versions).as_deref(), Some(sentence));
        assert_eq!(twice(&json!({"gatewayAPI": gateway, "custom": [custom("v1", "UDPRoute")]})), None);
    }

    #[test]
    fn a_route_beside_the_rollout_is_the_same_with_its_namespace_written_out() {
        let routes =
            |other: &str| json!({"gatewayAPI": {"routes": [{"name": "a"}, {"name": "a", "namespace": other}]}});
        assert_eq!([twice(&routes("shop")).is_some(), twice(&routes("infra")).is_some()], [true, false]);
    }
}
