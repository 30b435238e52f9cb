//! What a Rollout releases: its clients, and how its images behave.

use serde_json::{Value, json};
use tidegate_api::Rollout;
use tidegate_apiserver::Refusal;

use super::{ReleasedWorkload, Simulation, scheduled_step::USER};
use crate::{
    controllers::{Delay, PodBehaviour},
    metering::{Application, entrance},
    scenario::{CANARY, ConfigMapChange, Manifests, STABLE},
    traffic::{Exposed, Load},
};

impl Simulation<'_> {
    /// Sends clients to what `rollout` releases.
    pub(super) fn add(&mut self, rollout: &Rollout, manifests: &Manifests, seed: u64) {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let spec = &rollout.spec;
        let load = Load::new(self.scenario, namespace, Exposed::new(spec, &self.scenario.traffic), seed);
        let application = Application::new(namespace, entrance(spec), &spec.service, load);
        self.cluster.applications.with(|all| all.push(application));
        let subject = ReleasedWorkload {
            rollout: rollout.metadata.name.clone().unwrap_or_default(),
            namespace: namespace.to_owned(),
            workload: spec.workload.name.clone(),
            service: spec.service.clone(),
        };
        let deployment = manifests.find("Deployment", namespace, &subject.workload);
        if let Some(image) = deployment.and_then(|manifest| image(&manifest.object)) {
            self.behave(&subject, image, Some(STABLE));
        }
        self.subjects.push(subject);
    }

    /// From now on `image` behaves like `version`; without one as it did before, or else like the canary.
    pub(super) fn behave(&self, subject: &ReleasedWorkload, image: &str, version: Option<&str>) {
        let known = self.cluster.applications.with(|all| {
            let of = |it: &&Application| (&it.namespace, &it.service) == (&subject.namespace, &subject.service);
            all.iter().find(of).is_some_and(|application| application.versions.contains_key(image))
        });
        if known && version.is_none() {
            return;
        }
        let name = version.unwrap_or(CANARY);
        self.cluster.applications.set_version(&subject.namespace, &subject.service, image, name);
        if let Some(version) = self.scenario.versions.get(name) {
            let ready = Delay::LogNormal { median: version.start_up.duration(), sigma: 0.2 };
            let crashes = Delay::LogNormal { median: version.start_up.duration() / 2, sigma: 0.2 };
            let behaviour = PodBehaviour {
                ready_after: Some(ready).filter(|_| !version.crash_loop),
                crashes_after: Some(crashes).filter(|_| version.crash_loop),
                ..PodBehaviour::default()
            };
            self.cluster.controllers.set_behaviour(image, behaviour);
        }
    }
}

impl Simulation<'_> {
    /// Somebody applies a ConfigMap. Revisions that start from now on behave as that makes them.
    pub(super) fn configure(&self, subject: &ReleasedWorkload, change: &ConfigMapChange) -> Result<(), Refusal> {
        let (namespace, api) = (&subject.namespace, &self.cluster.api);
        self.cluster.applications.configure(namespace, &subject.service, change.version.as_deref());
        if let Some(known) = api.get("configmaps", namespace, &change.name) {
            let mut object = known.value().clone();
            object["data"] = json!(change.data);
            return api.update(object, USER).map(drop);
        }
        let metadata = json!({"name": change.name, "namespace": namespace});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": change.data});
        api.create(object, USER).map(drop)
    }
}

/// The image of a Deployment's first container.
fn image(deployment: &Value) -> Option<&str> {
    deployment.pointer("/spec/template/spec/containers/0/image")?.as_str()
}
