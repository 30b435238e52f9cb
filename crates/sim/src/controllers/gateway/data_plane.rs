//! The data plane: who answers a request right now. It goes by the routes in force and by its own copy of the
//! EndpointSlices, which is a little behind.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_api::GatewayRouteKind;

use super::{Gateway, Reference, Rule};
use crate::controllers::cache::{Cache, Key};

/// Where requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// At a rule of a route that asks for no headers and no parameters, as most requests have none.
    Route {
        /// The route's kind.
        kind: GatewayRouteKind,
        /// The route's name.
        name: &'a str,
        /// Which of those rules, counted from 0; of all rules, where there is none of those.
        rule: usize,
    },
    /// At the first rule of a route that asks for headers or parameters, by requests that have them. Nobody answers those
    /// where there is no such rule.
    Particular {
        /// The route's kind.
        kind: GatewayRouteKind,
        /// The route's name.
        name: &'a str,
    },
    /// At a Service, from within the cluster.
    Service(&'a str),
}

/// A part of the requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// How large it is; all shares of one entry come to 1.
    pub share: f64,
    /// Who answers it.
    pub to: To,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// A pod, by name. It may be dead, and the data plane not know it yet.
    Pod(String),
    /// The gateway itself, since nobody stands behind the backend: 503, or 500 where the backend does not exist, or
    /// 404 where there is no route.
    Nobody(u16),
}

/// What the proxies know of the endpoints.
#[derive(Debug, Default)]
pub(in crate::controllers) struct DataPlane {
    ready: BTreeMap<Key, Vec<String>>,
}

impl DataPlane {
    /// Takes over the endpoints of a Service as they are now. Whether that changed anything.
    pub(in crate::controllers) fn sync(&mut self, cache: &Cache, service: &Key) -> bool {
        let of_service = |uid: &str| -> BTreeSet<String> {
            let slices = cache.slices.owned_by(uid);
            let ready = slices.flat_map(|slice| &slice.endpoints).filter(|endpoint| endpoint.ready);
            ready.map(|endpoint| endpoint.pod.clone()).collect()
        };
        let Some(known) = cache.services.get(service) else { return self.ready.remove(service).is_some() };
        let pods: Vec<String> = of_service(&known.meta.uid).into_iter().collect();
        if self.ready.get(service) == Some(&pods) {
            return false;
        }
        self.ready.insert(service.clone(), pods);
        true
    }

    /// Who answers the requests that come in at `entry`.
    pub(in crate::controllers) fn shares(&self, gateway: &Gateway, namespace: &str, entry: Entry<'_>) -> Vec<Share> {
        let mut shares = BTreeMap::new();
        match entry {
            Entry::Service(name) => self.share_out(&Key::new(namespace, name), 1.0, &mut shares),
            Entry::Route { .. } | Entry::Particular { .. } => match rule(gateway, namespace, entry) {
                Some(rule) => self.split(&rule.backends, &mut shares),
                None if matches!(entry, Entry::Particular { .. }) => {}
                None => drop(shares.insert(To::Nobody(404), 1.0)),
            },
        }
        shares.into_iter().map(|(to, share)| Share { share, to }).collect()
    }

    /// Who gets copies of the requests that come in at `entry`, and of which part of them.
    pub(in crate::controllers) fn copies(&self, gateway: &Gateway, namespace: &str, entry: Entry<'_>) -> Vec<Share> {
        let mut shares = BTreeMap::new();
        for (backend, part) in rule(gateway, namespace, entry).into_iter().flat_map(|rule| &rule.copies) {
            self.share_out(&backend.service, *part, &mut shares);
        }
        shares.into_iter().map(|(to, share)| Share { share, to }).collect()
    }

    /// A rule all of whose weights are 0 answers 500, as the Gateway API asks for.
    fn split(&self, backends: &[Reference], shares: &mut BTreeMap<To, f64>) {
        let all: f64 = backends.iter().map(|backend| f64::from(backend.weight)).sum();
        if all <= 0.0 {
            shares.insert(To::Nobody(500), 1.0);
            return;
        }
        for backend in backends.iter().filter(|backend| backend.weight > 0) {
            self.share_out(&backend.service, f64::from(backend.weight) / all, shares);
        }
    }

    fn share_out(&self, service: &Key, share: f64, shares: &mut BTreeMap<To, f64>) {
        match self.ready.get(service).map(Vec::as_slice) {
            None => *shares.entry(To::Nobody(500)).or_default() += share,
            Some([]) => *shares.entry(To::Nobody(503)).or_default() += share,
            Some(pods) => {
                let each = share / pods.len() as f64;
                for pod in pods {
                    *shares.entry(To::Pod(pod.clone())).or_default() += each;
                }
            }
        }
    }
}

/// The rule of a route that requests meet.
fn rule<'a>(gateway: &'a Gateway, namespace: &str, entry: Entry<'_>) -> Option<&'a Rule> {
    let route = |kind, name| gateway.programmed.get(&(kind, Key::new(namespace, name)));
    match entry {
        Entry::Route { kind, name, rule } => route(kind, name)?.rules.get(rule),
        Entry::Particular { kind, name } => route(kind, name)?.particular.first(),
        Entry::Service(_) => None,
    }
}
