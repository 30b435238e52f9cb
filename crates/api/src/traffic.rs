//! Where weights go: the routes of a Rollout.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{culprit, matches::SessionPersistence};

/// Where weights go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = (
        "has(self.gatewayAPI) || has(self.routes) || has(self.custom)",
        culprit::NO_ROUTE
    )
)]
pub struct Traffic {
    /// Routes of the Gateway API.
    #[serde(default, rename = "gatewayAPI", skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApi>,

    /// Routes of meshes and ingress controllers, in the Rollout's namespace: objects of kinds that are known, whose rules list
    /// Services with weights.
    // Not a map by kind and name, as those of the Gateway API are not.
    #[serde(default, rename = "routes", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub weighted: Option<Vec<WeightedRouteRef>>,

    /// Objects of any other kind, with the places in them that follow the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["apiVersion", "kind", "name"]))]
    pub custom: Option<Vec<CustomRoute>>,

    /// How many pods the stable version keeps while a new one is on its way. Default: `Full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,

    /// What keeps a user on one version while a rollout is under way: who has come to the new one stays there, unless it
    /// is reverted, and who has come to the stable one is asked again once in each stage. HTTPRoutes can say it.
    /// Default: nothing, every request goes its own way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,

    /// What happens when the new version is given another share of the requests than the stage's weight, by what the
    /// checks count: certainly, and for two minutes. The condition `Warning` says so in any case, reason `ShareOff`.
    /// Default: `Warn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_share_off: Option<OnShareOff>,
}

/// What happens when the share that was served is not the one that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum OnShareOff {
    /// It is told, and nothing else.
    #[default]
    Warn,
    /// It is told, and the stage is not left before the share is the stage's again. A failed check still reverts.
    Hold,
}

/// How many pods the stable version keeps while a new one is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Capacity {
    /// All of them: traffic can go back at once, whatever happens.
    #[default]
    Full,
    /// What its share of the traffic needs, rounded up, and at least one. They go when the weight that frees them is
    /// in force and their requests have drained. On the way back traffic follows the pods: as many of them as are
    /// ready, so much of it goes back, and the new version keeps the rest for so long.
    Progressive,
}

/// Routes of the Gateway API that point at the Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayApi {
    /// The routes whose weights follow the stages.
    // Not a map by kind and name: its keys would need defaults that the API server writes into what the user wrote.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(
        validation = (
            "self.all(a, self.exists_one(b, a.name == b.name && (has(a.kind) ? a.kind : 'HTTPRoute') == (has(b.kind) ? b.kind : 'HTTPRoute') && (has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '')))",
            culprit::ROUTE_TWICE
        )
    )]
    pub routes: Vec<RouteRef>,

    /// Whether a stage's clock waits until the gateway says that the route is in force. Default: `Required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
}

/// What is waited for after a route was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Acceptance {
    /// `Accepted` and `ResolvedRefs` of every parent, at the generation that was written.
    Required,
    /// The same, where conditions that name no generation count if they changed after the route was written: for gateways
    /// that report anew for each change, and name no generation.
    Observed,
    /// Nothing: for gateways that do not report.
    Ignored,
}

/// A route of the Gateway API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRef {
    /// Its kind. Default: `HTTPRoute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<GatewayRouteKind>,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its namespace. In another one than the Rollout's it needs a ReferenceGrant there that lets it point at the
    /// Service, and at the Services that a rollout adds. Default: the Rollout's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// The names of the rules whose requests the new version gets its share of. All others stay with the stable
    /// version until the last stage, and follow it to the new one. Default: every rule that points at the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub rules: Option<Vec<String>>,
}

impl RouteRef {
    /// [`Self::kind`], or its default.
    #[must_use]
    pub fn kind(&self) -> GatewayRouteKind {
        self.kind.unwrap_or(GatewayRouteKind::HTTPRoute)
    }
}

/// The kinds of routes whose backends have weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GatewayRouteKind {
    /// Requests over HTTP.
    HTTPRoute,
    /// Calls of gRPC.
    GRPCRoute,
    /// Connections by TLS, told apart by the name that they ask for.
    TLSRoute,
    /// Connections by TCP.
    TCPRoute,
}

impl GatewayRouteKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HTTPRoute, Self::GRPCRoute, Self::TLSRoute, Self::TCPRoute];

    /// What it is called in paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::HTTPRoute => "httproutes",
            Self::GRPCRoute => "grpcroutes",
            Self::TLSRoute => "tlsroutes",
            Self::TCPRoute => "tcproutes",
        }
    }

    /// The versions in which clusters have it, the newest first (<https://gateway-api.sigs.k8s.io/guides/crd-management/>).
    #[must_use]
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::HTTPRoute => &["v1", "v1beta1"],
            Self::GRPCRoute | Self::TCPRoute => &["v1", "v1alpha2"],
            Self::TLSRoute => &["v1", "v1alpha3", "v1alpha2"],
        }
    }
}

impl fmt::Display for GatewayRouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The kinds that a [`WeightedRouteRef`] may name.
pub const WEIGHTED_KINDS: [&str; 8] = [
    "VirtualService",
    "HTTPProxy",
    "IngressRoute",
    "IngressRouteTCP",
    "TraefikService",
    "HTTPRoute",
    "MeshHTTPRoute",
    "ApisixRoute",
];

/// A route of a mesh or of an ingress controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.kind != 'HTTPRoute' || has(self.group)", culprit::HTTP_ROUTE_OF))]
pub struct WeightedRouteRef {
    /// Its kind, such as `VirtualService`, `HTTPProxy` or `IngressRoute`.
    #[schemars(extend("enum" = WEIGHTED_KINDS))]
    pub kind: String,

    /// The API group of its kind, where several have one of that name. Default: the first in the documentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub group: Option<String>,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The names of the rules whose requests the new version gets its share of, where rules of the kind have names. All others
    /// stay with the stable version until the last stage, and follow it to the new one. Default: every rule that points at the
    /// Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub rules: Option<Vec<String>>,
}

/// An object of any kind, in the Rollout's namespace, and what is written into it.
///
/// Between rollouts each place has the value that its template gives with stable's weight at the total, the canary's at
/// 0, and both Services the Rollout's own: write the object so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomRoute {
    /// Its API group and version, such as `networking.istio.io/v1`.
    #[schemars(length(min = 1, max = 316))]
    pub api_version: String,

    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The places that follow the weights.
    #[schemars(length(min = 1, max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path"]))]
    pub set: Vec<Setting>,

    /// What the two weights come to, a multiple of 100: 1000 where tenths of a percent are to be said. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 1_000_000), extend("multipleOf" = 100))]
    pub total: Option<i32>,

    /// An expression in CEL over the object as `self` that is true once it is in force as it stands, such as
    /// `self.status.observedGeneration == self.metadata.generation`. Default: what is written is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub accepted: Option<String>,
}

impl CustomRoute {
    /// [`Self::total`], or its default.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.total.map_or(100, i64::from)
    }
}

/// A place in an object, and what is written there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Where: fields with dots between them, places in lists in brackets, and names with dots in quotes, such as
    /// `spec.http[0].route[1].weight` or `metadata.annotations['example.com/weight']`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,

    /// What: text with `{{stable.weight}}`, `{{canary.weight}}`, `{{stable.service}}`, `{{canary.service}}`,
    /// `{{stable.revision}}` or `{{canary.revision}}` in it. A weight alone is written as a number, but as text among
    /// labels and annotations.
    #[schemars(length(min = 1, max = 512))]
    pub value: String,
}

/// One object that carries weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A route of the Gateway API.
    Gateway(RouteRef),
    /// One of a mesh or of an ingress controller.
    Weighted(WeightedRouteRef),
    /// Anything else.
    Custom(CustomRoute),
}

impl Traffic {
    /// All objects that carry weights, in their order.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let gateway = self.gateway_api.iter().flat_map(|gateway| &gateway.routes).cloned().map(Route::Gateway);
        let weighted = self.weighted.iter().flatten().cloned().map(Route::Weighted);
        gateway.chain(weighted).chain(self.custom.iter().flatten().cloned().map(Route::Custom))
    }

    /// Why a weight promises the new version no share of all requests: half a sentence. Nothing where it does.
    #[must_use]
    pub fn promises_no_share(&self) -> Option<String> {
        if self.session_persistence.is_some() {
            return Some("with sessionPersistence the version is drawn for each user".to_owned());
        }
        let of_gateway =
            self.gateway_api.iter().flat_map(|gateway| &gateway.routes).find_map(|route| match route.kind() {
                kind @ (GatewayRouteKind::TLSRoute | GatewayRouteKind::TCPRoute) => {
                    Some(format!("a {kind} draws the version of each connection"))
                }
                kind if route.rules.is_some() => {
                    Some(format!("of {kind} {} only some rules are shared out", route.name))
                }
                _ => None,
            });
        let of_others = || {
            self.weighted.iter().flatten().find_map(|route| match route.kind.as_str() {
                kind @ "IngressRouteTCP" => Some(format!("an {kind} draws the version of each connection")),
                kind if route.rules.is_some() => {
                    Some(format!("of {kind} {} only some rules are shared out", route.name))
                }
                _ => None,
            })
        };
        of_gateway.or_else(of_others)
    }
}
