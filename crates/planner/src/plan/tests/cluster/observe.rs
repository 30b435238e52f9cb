//! The cluster as Tidegate's caches see it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kube::ResourceExt;
use tidegate_api::{Rollout, validate};

use super::Cluster;
use crate::{
    plan::{Observed, RefusedWrite, Route, Served, ServingPod, looks_at_pods, suspects},
    traffic::RouteId,
    workload::{ReplicaSet, ownership},
};

impl Cluster {
    /// What a look at the cluster around `rollout` shows.
    pub fn observe(&self, rollout: &Rollout, refused: Option<RefusedWrite>) -> Observed {
        let names = self.service_names();
        let owned_by = |uid: Option<&str>| -> Vec<Arc<ReplicaSet>> {
            let sets = self.replica_sets.values().filter(|set| uid.is_some() && set.holder() == uid);
            sets.cloned().map(Arc::new).collect()
        };
        let service = |name: &str| self.services.get(name).cloned().map(Arc::new);
        let mut observed = Observed {
            invalid: invalid(rollout),
            workload: self.deployment.clone().map(Arc::new),
            replica_sets: owned_by(rollout.metadata.uid.as_deref()),
            workload_replica_sets: owned_by(
                self.deployment.as_ref().and_then(|deployment| deployment.metadata.uid.as_deref()),
            ),
            orphans: self
                .replica_sets
                .values()
                .filter(|set| self.is_orphan(&set.metadata))
                .cloned()
                .map(Arc::new)
                .collect(),
            orphaned_services: [&names.stable, &names.canary]
                .into_iter()
                .filter_map(|name| self.services.get(name))
                .filter(|service| self.is_orphan(&service.metadata))
                .cloned()
                .map(Arc::new)
                .collect(),
            autoscaler: self.autoscaler.clone(),
            service: service(&names.service),
            stable_service: service(&names.stable),
            canary_service: service(&names.canary),
            previews: self
                .services
                .values()
                .filter(|service| ownership::is_of(rollout, *service))
                .filter(|service| ![&names.stable, &names.canary].contains(&&service.name_any()))
                .cloned()
                .map(Arc::new)
                .collect(),
            ready_pods: [&names.service, &names.stable, &names.canary]
                .into_iter()
                .map(|name| (name.clone(), self.endpoints.get(name).cloned().unwrap_or_default()))
                .collect(),
            pods: looks_at_pods(rollout).then(|| self.pods_behind(&names.service)),
            routes: rollout
                .spec
                .routes()
                .iter()
                .map(|spec| {
                    let id = RouteId::of(spec, "shop");
                    let object = self.routes.get(&id.name).cloned();
                    Route { spec: spec.clone(), id, accepted: None, kind: Served::Yes, object, written: None }
                })
                .collect(),
            bypassing_routes: self.bypassing_routes.clone(),
            policies_left_behind: self.policies.clone(),
            grants: Vec::new(),
            gateway_features: Vec::new(),
            rival: self.rival.clone(),
            cluster_schedule: self.schedule.clone(),
            other_rollouts: self.other_rollouts.clone(),
            unusable_gate: None,
            preview_taken: None,
            are_approvals_verified: false,
            endpoint_known: true,
            unusable_check: None,
            refused,
            configuration: self.configuration(rollout),
            editors: BTreeMap::new(),
        };
        let suspects = suspects(rollout, &observed).into_iter();
        observed.editors = suspects.map(|suspect| (suspect.object(rollout), "argocd-controller".to_owned())).collect();
        observed
    }

    /// The pods behind a Service: those in its endpoints are ready, whatever became of them since.
    fn pods_behind(&self, service: &str) -> Vec<ServingPod> {
        let ready = self.endpoints.get(service).cloned().unwrap_or_default();
        let selected = self.replica_sets.values().filter(|set| self.selects(service, set));
        let pods = selected.flat_map(|set| self.pods.get(set.name()).into_iter().flatten()).map(|pod| pod.name.clone());
        let all: BTreeSet<_> = pods.chain(ready.iter().cloned()).collect();
        let serving = |name: String| ServingPod {
            uid: name.clone(),
            is_ready: ready.contains(&name),
            is_terminating: false,
            name,
        };
        all.into_iter().map(serving).collect()
    }
}

thread_local! {
    static VALIDATED: RefCell<HashMap<String, Option<String>>> = RefCell::default();
}

/// What is wrong with the spec. Looked at once for each spec, as in the controller: it takes longer than all the rest.
fn invalid(rollout: &Rollout) -> Option<String> {
    let spec = serde_json::to_string(&rollout.spec).unwrap();
    let look = || validate(rollout).err().map(|invalid| invalid.to_string());
    VALIDATED.with_borrow_mut(|known| known.entry(spec).or_insert_with(look).clone())
}
