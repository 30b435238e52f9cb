//! One shop: a Deployment, a Service and an HTTPRoute, all called `checkout`, its customers and its operator.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod, Service},
};
use kube::{
    Api, Client, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, PropagationPolicy,
    },
};
use serde_json::{Value, json};
use tidegate_api::Rollout;

use super::{
    cluster,
    control_plane::{Identity, kubeconfig_path},
    envoy::authority,
    gateway::{InForce, route_resource},
    load::{DataPlane, Load},
    operator::{Operator, RunningOperator},
    pod_server::Faults,
    snapshot::{NAME, Snapshot, Watches, runs, share, weights},
    wait::until,
};

/// An open shop. When dropped, its customers leave, its operator is killed and its namespace is deleted.
pub struct Shop {
    /// As the administrator.
    pub client: Client,
    /// Its own namespace.
    pub namespace: String,
    /// The name of its Deployment.
    pub workload: String,
    /// Its customers.
    pub load: Option<Load>,
    /// Its operators: usually one.
    pub operators: Vec<RunningOperator>,
    pub(super) how: Operator,
    pub(super) data_plane: DataPlane,
    pub(super) watches: Watches,
    pub(super) has_route: bool,
}

impl Shop {
    /// Everything, as the watches show it now.
    pub fn now(&self) -> Snapshot {
        let in_force = self.data_plane.gateway.in_force(&self.namespace, NAME);
        self.watches.snapshot(&in_force.map(|in_force| in_force.backends).unwrap_or_default())
    }

    /// Waits until `holds`; `what` completes the sentence "waited for …". Fails with all there is to know.
    pub async fn wait(&self, what: &str, deadline: Duration, holds: impl Fn(&Snapshot) -> bool) -> Result<Snapshot> {
        let found = until(what, deadline, || async { Some(self.now()).filter(&holds) }).await;
        match found {
            Ok(snapshot) => Ok(snapshot),
            Err(error) => Err(anyhow!("{error}\n{}", self.diagnosis().await)),
        }
    }

    /// Watches for `time` that `holds` all along. For what must not happen, which no condition can announce.
    pub async fn stays(&self, what: &str, time: Duration, holds: impl Fn(&Snapshot) -> bool) -> Result<()> {
        match until(what, time, || async { (!holds(&self.now())).then_some(()) }).await {
            Err(_) => Ok(()),
            Ok(()) => Err(anyhow!("it did not last that {what}\n{}", self.diagnosis().await)),
        }
    }

    /// Fails with all there is to know unless `holds`.
    pub async fn check(&self, what: &str, holds: bool) -> Result<()> {
        ensure!(holds, "it is not so that {what}\n{}", self.diagnosis().await);
        Ok(())
    }

    /// How many pods were ever created here.
    pub fn pods_created(&self) -> usize {
        self.data_plane.kubelet.created(&self.namespace)
    }

    /// Starts an operator, and returns its place in `operators`.
    pub fn start_operator(&mut self) -> Result<usize> {
        let place = self.operators.len();
        let name = format!("{}-operator-{place}", self.namespace);
        self.operators.push(Operator { name, ..self.how.clone() }.start()?);
        Ok(place)
    }

    /// The same, as somebody else than its own service account.
    pub fn start_operator_as(&mut self, who: Identity) -> Result<usize> {
        self.how.kubeconfig = kubeconfig_path(&self.how.directory, who);
        self.start_operator()
    }

    /// The shop's first operator.
    pub fn operator(&mut self) -> Result<&mut RunningOperator> {
        self.operators.first_mut().context("the shop has no operator")
    }

    /// Creates or replaces the Rollout `checkout`. What names the shop's own objects is filled in.
    pub async fn apply_rollout(&self, spec: Value) -> Result<()> {
        self.apply_rollout_as(NAME, spec).await
    }

    /// The same under another name.
    pub async fn apply_rollout_as(&self, name: &str, mut spec: Value) -> Result<()> {
        let mut whole = json!({"workload": {"kind": "Deployment", "name": self.workload}, "service": NAME});
        if self.has_route {
            whole["traffic"] = json!({"gatewayAPI": {"routes": [{"name": NAME}]}});
        }
        if let (Some(whole), Some(spec)) = (whole.as_object_mut(), spec.as_object_mut()) {
            whole.append(spec);
        }
        let api = self.rollouts();
        let object = DynamicObject::new(name, &ApiResource::erase::<Rollout>(&())).data(json!({"spec": whole}));
        if api.get_opt(name).await?.is_none() {
            api.create(&PostParams::default(), &object).await?;
            return Ok(());
        }
        // The operator writes the same object; the user's tool tries until it is the last.
        until("the Rollout to be replaced", Duration::from_secs(5), || async {
            let metadata = api.get(name).await.ok()?.metadata;
            api.replace(name, &PostParams::default(), &DynamicObject { metadata, ..object.clone() }).await.ok()
        })
        .await?;
        Ok(())
    }

    /// Changes fields of the Rollout's spec, as a merge patch.
    pub async fn patch_rollout(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.rollouts().patch(NAME, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Deletes an object of Tidegate's own kinds.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tidegate.dev", "v1alpha1", kind));
        let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        objects.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Deletes the Rollout; it goes when its finalizer is gone.
    pub async fn delete_rollout(&self) -> Result<()> {
        self.rollouts().delete(NAME, &DeleteParams::default()).await?;
        Ok(())
    }

    /// The Rollouts, untyped.
    pub fn rollouts(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::erase::<Rollout>(&()))
    }

    /// Releases a version as `kubectl apply` would: the template's image and annotations, nothing else.
    pub async fn release(&self, version: &str, annotations: &[(&str, &str)]) -> Result<()> {
        let mut wanted: BTreeMap<_, _> = annotations.iter().map(|(key, value)| (*key, Value::from(*value))).collect();
        let current = self.deployments().get(&self.workload).await?;
        let template = current.spec.and_then(|spec| spec.template.metadata).and_then(|metadata| metadata.annotations);
        let old = template.unwrap_or_default();
        for gone in old.keys() {
            wanted.entry(gone).or_insert(Value::Null);
        }
        let patch = Patch::Strategic(json!({"spec": {"template": {
            "metadata": {"annotations": wanted},
            "spec": {"containers": [{"name": "app", "image": format!("shop/checkout:{version}")}]},
        }}}));
        self.deployments().patch(&self.workload, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What the shop's owner keeps in Git beside the Rollout, the route first: whatever the rig has made, at a version, and
    /// without a count.
    pub fn manifests(&self, version: &str) -> Vec<Value> {
        let seconds = self.data_plane.kubelet.life().termination_seconds();
        let mut deployment = deployment((&self.namespace, &self.workload), 0, seconds);
        if let Some(spec) = deployment["spec"].as_object_mut() {
            spec.remove("replicas");
        }
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("shop/checkout:{version}"));
        vec![route(&self.namespace, &[]), service(&self.namespace, NAME), deployment]
    }

    /// The Deployments.
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Deletes the Deployment, and waits until it is gone; its pods stay.
    pub async fn orphan_the_pods(&self) -> Result<()> {
        let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
        self.deployments().delete(&self.workload, &orphan).await?;
        self.wait("the Deployment to be gone", Duration::from_secs(30), |now| now.deployment().is_none()).await?;
        Ok(())
    }

    /// Changes the Deployment, as a merge patch under `manager`.
    pub async fn patch_deployment(&self, manager: &str, patch: Value) -> Result<()> {
        let parameters = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.deployments().patch(&self.workload, &parameters, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Changes the Service, as a strategic merge patch.
    pub async fn patch_service(&self, patch: Value) -> Result<()> {
        let services = Api::<Service>::namespaced(self.client.clone(), &self.namespace);
        services.patch(NAME, &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    /// Changes the HTTPRoute, as a merge patch under `manager`.
    pub async fn patch_route(&self, manager: &str, patch: Value) -> Result<()> {
        let parameters = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.routes().patch(NAME, &parameters, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Creates the HTTPRoute of a shop that was opened without one.
    pub async fn create_route(&self) -> Result<()> {
        cluster::create(&self.client, route(&self.namespace, &[])).await
    }

    /// The HTTPRoutes.
    pub fn routes(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &route_resource())
    }

    /// From now on, all pods of a version have these faults.
    pub fn set_faults(&self, version: &str, faults: Faults) {
        self.data_plane.kubelet.set_faults(&self.namespace, &format!("shop/checkout:{version}"), faults);
    }

    /// From now on, this pod has these faults.
    pub fn set_faults_of(&self, pod: &str, faults: Faults) {
        self.data_plane.kubelet.set_faults_of(&self.namespace, pod, faults);
    }

    /// From now on, the pods of a version that there are say that they are ready, or that they are not; they serve all
    /// the same.
    pub async fn set_ready(&self, version: &str, ready: bool) -> Result<()> {
        let api = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        let now = self.now();
        for pod in now.pods.iter().filter(|pod| runs(pod, version)) {
            let mut conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
            for condition in conditions.iter_mut().filter(|condition| condition.type_ == "Ready") {
                if ready { "True" } else { "False" }.clone_into(&mut condition.status);
            }
            let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
            api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }

    /// How much later than it says the gateway may follow a route.
    pub fn lag(&self) -> Duration {
        self.data_plane.gateway.leader.lag()
    }

    /// Everything that ever was in force on the route, oldest first.
    pub fn history(&self) -> Vec<InForce> {
        self.data_plane.gateway.history(&self.namespace, NAME)
    }

    /// What was ever in force on the route, oldest first: the canary's share in percent, or nothing where the route
    /// was the user's.
    pub fn canary_weights(&self) -> Vec<Option<u64>> {
        let mut seen = Vec::new();
        for in_force in self.history() {
            let share = share(&weights(&in_force.backends));
            if seen.last() != Some(&share) {
                seen.push(share);
            }
        }
        seen
    }

    /// Fails if any request was lost since the last count began.
    pub async fn lost_nothing(&self) -> Result<()> {
        let lost = self.load.as_ref().map(|load| load.tally().lost).unwrap_or_default();
        self.check(&format!("no request was lost ({})", lost.len()), lost.is_empty()).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let namespace = self.namespace.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { namespaces.delete(&namespace, &DeleteParams::default()).await });
        }
    }
}

/// The Deployment of a shop, by namespace and name.
pub(super) fn deployment((namespace, name): (&str, &str), replicas: i32, termination_seconds: u64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME, "team": "shop"}},
                "spec": {
                    "containers": [{
                        "name": "app",
                        "image": "shop/checkout:v1",
                        "ports": [{"name": "http", "containerPort": 8080}],
                    }],
                    "terminationGracePeriodSeconds": termination_seconds,
                },
            },
        },
    })
}

/// A Service in front of the pods of `app`.
pub(super) fn service(namespace: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app, "namespace": namespace},
        "spec": {"selector": {"app": app}, "ports": [
            // Calls come along the same routes as all other requests.
            {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"},
        ]},
    })
}

/// The HTTPRoute to the Service, with whatever other backends there are.
pub(super) fn route(namespace: &str, others: &[(String, u64)]) -> Value {
    let mut backends = vec![json!({"name": NAME, "port": 80})];
    backends.extend(others.iter().map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight})));
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "public"}], "hostnames": [authority(namespace)],
            "rules": [{"backendRefs": backends}],
        },
    })
}
