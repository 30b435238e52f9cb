//! The EndpointSlice controller: says for each Service which pods are behind it, and which of them are ready.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use tidegate_apiserver::Refusal;

use super::{
    ReconcileContext,
    cache::{Endpoint, EndpointSlice, Key, Phase, Pod, SERVICE_NAME, Service},
};

/// Its field manager.
pub(super) const MANAGER: &str = "endpointslice-controller";

/// The label that says who keeps a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// What it says for those of this controller.
const OURS: &str = "endpointslice-controller.k8s.io";

/// The most endpoints in one slice.
const CAPACITY: usize = 100;

/// Looks at the slices of one Service. Those of a Service that is gone are the garbage collector's.
pub(super) fn sync(context: &ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(service) = context.cache.services.get(key).filter(|service| !service.meta.deleting).cloned() else {
        return Ok(());
    };
    if service.selector.is_empty() {
        return Ok(());
    }
    let pods = context.cache.pods.found_by(key.namespace(), &service.selector);
    let ports = ports(&service, pods.first().map(AsRef::as_ref));
    let mut wanted: BTreeMap<String, Endpoint> = pods
        .into_iter()
        .filter(|pod| is_behind(pod))
        .map(|pod| (pod.meta.uid.clone(), endpoint(&service, pod)))
        .collect();
    let slices: Vec<Arc<EndpointSlice>> =
        context.cache.slices.owned_by(&service.meta.uid).filter(|slice| !slice.meta.deleting).cloned().collect();
    let mut plans: Vec<(Option<&EndpointSlice>, Vec<Endpoint>)> =
        slices.iter().map(|slice| (Some(slice.as_ref()), stay(slice, &mut wanted))).collect();
    settle(&mut plans, wanted.into_values());
    let needed = plans.iter().any(|(_, endpoints)| !endpoints.is_empty());
    for (place, (slice, endpoints)) in plans.into_iter().enumerate() {
        let surplus = endpoints.is_empty() && (needed || place > 0);
        write(context, &service, slice, (endpoints, &ports), surplus)?;
    }
    Ok(())
}

/// A pod is behind its Services from when it has an address until it has ended.
fn is_behind(pod: &Pod) -> bool {
    !pod.ip.is_empty() && pod.phase != Phase::Ended
}

fn endpoint(service: &Service, pod: &Pod) -> Endpoint {
    let terminating = pod.meta.deleting;
    Endpoint {
        pod: pod.meta.key.name().to_owned(),
        uid: pod.meta.uid.clone(),
        address: pod.ip.clone(),
        node: pod.node.clone(),
        ready: service.publishes_not_ready || (pod.ready && !terminating),
        serving: pod.ready,
        terminating,
    }
}

/// Takes out of `wanted` what is in this slice already: an endpoint stays where it is.
fn stay(slice: &EndpointSlice, wanted: &mut BTreeMap<String, Endpoint>) -> Vec<Endpoint> {
    slice.endpoints.iter().filter_map(|endpoint| wanted.remove(&endpoint.uid)).collect()
}

/// Gives newcomers a place: where there is room, and then in slices of their own. There is always at least one.
fn settle<T>(plans: &mut Vec<(Option<T>, Vec<Endpoint>)>, newcomers: impl Iterator<Item = Endpoint>) {
    for newcomer in newcomers {
        match plans.iter_mut().find(|(_, endpoints)| endpoints.len() < CAPACITY) {
            Some((_, endpoints)) => endpoints.push(newcomer),
            None => plans.push((None, vec![newcomer])),
        }
    }
    if plans.is_empty() {
        plans.push((None, Vec::new()));
    }
}

fn write(
    context: &ReconcileContext<'_>,
    service: &Service,
    slice: Option<&EndpointSlice>,
    (endpoints, ports): (Vec<Endpoint>, &Value),
    surplus: bool,
) -> Result<(), Refusal> {
    let Some(slice) = slice else {
        if surplus {
            return Ok(());
        }
        return context.api.create(new(service, &endpoints, ports), MANAGER).map(drop);
    };
    let key = &slice.meta.key;
    if surplus {
        return context.api.delete("endpointslices", key.namespace(), key.name(), MANAGER);
    }
    if slice.endpoints == endpoints && slice.ports == *ports {
        return Ok(());
    }
    let namespace = key.namespace();
    let endpoints: Vec<Value> = endpoints.iter().map(|endpoint| written(endpoint, namespace)).collect();
    context.merge("endpointslices", key, json!({"endpoints": endpoints, "ports": ports}), MANAGER)
}

fn new(service: &Service, endpoints: &[Endpoint], ports: &Value) -> Value {
    let (namespace, name) = (service.meta.key.namespace(), service.meta.key.name());
    let mut labels = service.meta.labels.clone();
    labels.insert(SERVICE_NAME.to_owned(), name.to_owned());
    labels.insert(MANAGED_BY.to_owned(), OURS.to_owned());
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{name}-"), "namespace": namespace, "labels": labels,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": name, "uid": service.meta.uid,
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "addressType": "IPv4",
        "endpoints": endpoints.iter().map(|endpoint| written(endpoint, namespace)).collect::<Vec<_>>(),
        "ports": ports,
    })
}

fn written(endpoint: &Endpoint, namespace: &str) -> Value {
    let Endpoint { pod, uid, address, node, ready, serving, terminating } = endpoint;
    json!({
        "addresses": [address], "nodeName": node,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": uid},
    })
}

/// The ports of the Service as they are on its pods.
fn ports(service: &Service, pod: Option<&Pod>) -> Value {
    let mut known = BTreeSet::new();
    let ports = service.ports.as_array().into_iter().flatten().filter_map(|port| {
        let number = match &port["targetPort"] {
            Value::Null => port["port"].as_i64(),
            Value::String(name) => {
                let named = pod.into_iter().flat_map(|pod| &pod.ports).find(|(known, _)| known == name);
                named.map(|(_, number)| *number)
            }
            number => number.as_i64(),
        }?;
        let (name, protocol) = (port["name"].as_str().unwrap_or_default(), port["protocol"].as_str().unwrap_or("TCP"));
        let fields = [("name", json!(name)), ("port", json!(number)), ("protocol", json!(protocol))];
        let fields: Map<String, Value> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        known.insert((name.to_owned(), number)).then_some(Value::Object(fields))
    });
    Value::Array(ports.collect())
}
