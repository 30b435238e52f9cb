//! Traefik: routes that list services, and a TraefikService that they may name. None of them has a status.
//!
//! <https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/http/ingressroute/>

use super::{Reports, RouteKind, always, by_name, rename, unreported};
use crate::traffic::weighted::{
    lists::Lists,
    weights::{Unwritten, Weighing},
};

const GROUP: &str = "traefik.io";

const OF_ROUTES: Lists = Lists { rules: "/spec/routes/*", of_rule: "/services" };

/// Requests over HTTP.
pub(super) const INGRESS_ROUTE: RouteKind = RouteKind {
    group: GROUP,
    kind: "IngressRoute",
    plural: "ingressroutes",
    product: "Traefik",
    lists: &[OF_ROUTES],
    service: by_name,
    rename,
    unusable: always,
    weighing: Weighing { alone_has_all: true, ..Weighing::plain(Unwritten::Is(1)) },
    most: None,
    acceptance: unreported,
    reports: Reports::Nothing,
    has_named_rules: false,
};

/// Connections by TCP.
pub(super) const INGRESS_ROUTE_TCP: RouteKind =
    RouteKind { kind: "IngressRouteTCP", plural: "ingressroutetcps", ..INGRESS_ROUTE };

/// A service that routes name.
pub(super) const TRAEFIK_SERVICE: RouteKind = RouteKind {
    kind: "TraefikService",
    plural: "traefikservices",
    lists: &[Lists { rules: "/spec/weighted", of_rule: "/services" }],
    weighing: Weighing::plain(Unwritten::Is(1)),
    ..INGRESS_ROUTE
};
