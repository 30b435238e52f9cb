//! What the gateways of a rollout support, as far as their `GatewayClass` says so. Read when a rollout asks for something
//! that a gateway need not have, and before anything is written for it: no watch is worth that.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;
use tidegate_api::{Phase, Rollout};
use tidegate_planner::{
    plan::GatewayFeatures,
    traffic::{GATEWAY_API, features},
};
use tokio::time::Instant;

use super::Context;

/// For how long an answer is good: a gateway is not replaced often, and a Rollout that waits for it looks again.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// How many are kept.
const MOST: usize = 256;

type Known = Option<(String, BTreeSet<String>)>;

/// The answers so far, by the Gateway's namespace and name. All of them can be lost.
#[derive(Default)]
pub struct Features(Mutex<HashMap<(String, String), (Instant, Known)>>);

impl Features {
    /// What the gateways of the HTTPRoutes among `routes` say of themselves. Nothing for a Rollout that asks for nothing
    /// special, or has begun; nor of a gateway that cannot be read or keeps no list.
    pub(super) async fn of(&self, context: &Context, rollout: &Rollout, routes: &[Value]) -> Vec<GatewayFeatures> {
        let phase = rollout.status.as_ref().map(|status| status.phase).unwrap_or_default();
        let at_rest = matches!(phase, Phase::Pending | Phase::Stable | Phase::Reverted);
        if !at_rest || features::asked(&rollout.spec).is_empty() {
            return Vec::new();
        }
        let gateways: BTreeSet<_> = routes.iter().flat_map(features::gateways).collect();
        let mut all = Vec::new();
        for (namespace, name) in gateways {
            if let Some((class, supported)) = self.of_gateway(context, &namespace, &name).await {
                all.push(GatewayFeatures { gateway: format!("{namespace}/{name}"), class, supported });
            }
        }
        all
    }

    async fn of_gateway(&self, context: &Context, namespace: &str, name: &str) -> Known {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, known)) = known.filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return known;
        }
        let read = read(context, namespace, name).await;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (Instant::now(), read.clone()));
        read
    }
}

/// The name of the Gateway's class, and what it supports.
async fn read(context: &Context, namespace: &str, name: &str) -> Known {
    let resource = |kind: &str, plural: &str| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GATEWAY_API, "v1", kind), plural)
    };
    let gateways: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &resource("Gateway", "gateways"));
    let gateway = gateways.get(name).await.ok()?;
    let class = gateway.data.pointer("/spec/gatewayClassName")?.as_str()?.to_owned();
    let classes: Api<DynamicObject> =
        Api::all_with(context.client.clone(), &resource("GatewayClass", "gatewayclasses"));
    let supported = features::supported(&classes.get(&class).await.ok()?.data)?;
    Some((class, supported))
}
