//! The schemas of the kinds that every cluster has, as their types tell them.

use k8s_openapi::{
    Resource,
    api::{
        apps::v1 as apps, authentication::v1 as authentication, authorization::v1 as authorization,
        autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling, batch::v1 as batch,
        coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
        networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The component that describes what every object has.
pub(super) const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A kind, and what describes it.
struct Described {
    api_version: &'static str,
    kind: &'static str,
    name: fn() -> std::borrow::Cow<'static, str>,
    describe: fn(&mut SchemaGenerator) -> Schema,
}

const fn kind<T: Resource + JsonSchema>() -> Described {
    Described {
        api_version: T::API_VERSION,
        kind: T::KIND,
        name: T::schema_name,
        describe: SchemaGenerator::subschema_for::<T>,
    }
}

const KINDS: &[Described] = &[
    kind::<core::Namespace>(),
    kind::<core::Node>(),
    kind::<core::Pod>(),
    kind::<core::Service>(),
    kind::<core::Endpoints>(),
    kind::<core::Event>(),
    kind::<core::ConfigMap>(),
    kind::<core::Secret>(),
    kind::<core::ServiceAccount>(),
    kind::<core::ResourceQuota>(),
    kind::<core::LimitRange>(),
    kind::<core::PersistentVolumeClaim>(),
    kind::<apps::Deployment>(),
    kind::<apps::ReplicaSet>(),
    kind::<apps::StatefulSet>(),
    kind::<apps::DaemonSet>(),
    kind::<apps::ControllerRevision>(),
    kind::<batch::Job>(),
    kind::<batch::CronJob>(),
    kind::<autoscaling::HorizontalPodAutoscaler>(),
    kind::<autoscaling_v1::HorizontalPodAutoscaler>(),
    kind::<discovery::EndpointSlice>(),
    kind::<networking::Ingress>(),
    kind::<networking::NetworkPolicy>(),
    kind::<scheduling::PriorityClass>(),
    kind::<coordination::Lease>(),
    kind::<rbac::Role>(),
    kind::<rbac::RoleBinding>(),
    kind::<rbac::ClusterRole>(),
    kind::<rbac::ClusterRoleBinding>(),
    kind::<policy::PodDisruptionBudget>(),
    kind::<events::Event>(),
    kind::<authentication::SelfSubjectReview>(),
    kind::<authentication::TokenReview>(),
    kind::<authorization::SelfSubjectAccessReview>(),
    kind::<authorization::SubjectAccessReview>(),
    kind::<authorization::SelfSubjectRulesReview>(),
    kind::<apiextensions::CustomResourceDefinition>(),
];

/// Schemas by their names, of which those of built-in kinds refer to each other.
#[derive(Debug)]
pub(super) struct Components {
    generator: SchemaGenerator,
}

impl Components {
    pub(super) fn new() -> Self {
        let mut generator = SchemaSettings::openapi3().into_generator();
        generator.subschema_for::<ObjectMeta>();
        Self { generator }
    }

    /// Adds a schema.
    pub(super) fn add(&mut self, name: &str, schema: Value) {
        self.generator.definitions_mut().insert(name.to_owned(), schema);
    }

    /// Adds the schema of a built-in kind with all that it refers to, and tells its name.
    pub(super) fn add_built_in(&mut self, api_version: &str, kind: &str) -> String {
        match KINDS.iter().find(|it| it.api_version == api_version && it.kind == kind) {
            Some(found) => {
                (found.describe)(&mut self.generator);
                (found.name)().into_owned()
            }
            None => kind.to_owned(),
        }
    }

    /// Writes down which kind the schema of that name is of.
    pub(super) fn mark(&mut self, name: &str, kinds: &Value) {
        let schema = self.generator.definitions_mut().get_mut(name);
        if let Some(fields) = schema.and_then(Value::as_object_mut) {
            fields.insert("x-kubernetes-group-version-kind".to_owned(), kinds.clone());
        }
    }

    /// All of them, in the form that `OpenAPI` 3 asks for.
    pub(super) fn take(mut self) -> Map<String, Value> {
        self.generator.take_definitions(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, reviews};

    #[test]
    fn every_kind_that_is_served_is_described() {
        for resource in catalogue::built_in().chain([catalogue::events_v1()]).chain(reviews::kinds()) {
            for version in &resource.versions {
                let group = Some(&resource.group).filter(|group| !group.is_empty());
                let api_version = group.map_or_else(|| version.clone(), |group| format!("{group}/{version}"));
                let mut components = Components::new();
                let name = components.add_built_in(&api_version, &resource.kind);
                assert!(components.take().contains_key(&name), "{api_version} {}", resource.kind);
            }
        }
    }
}
