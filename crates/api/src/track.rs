//! `spec.track`: configuration that is released with the version that reads it.

use std::fmt;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{culprit, schema};

/// A ConfigMap or a Secret in the namespace of the Rollout whose content is part of a version: another content is another
/// version. The pods of a version read an immutable copy of it, so that those of the stable version keep the content that
/// they were judged with, and have it again when traffic goes back to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
#[x_kube(validation = ("has(self.configMap) != has(self.secret)", culprit::TRACK_NAMES))]
pub struct Tracked {
    /// The name of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub config_map: Option<String>,

    /// The name of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret: Option<String>,

    /// Keys that rotate, such as those of a certificate: what they hold makes no new version and is in no copy. All pods
    /// read them in the object itself, as if it were not tracked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub ignore: Vec<String>,
}

/// The kinds of object that hold configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigurationKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl ConfigurationKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ConfigMap, Self::Secret];

    /// As Kubernetes writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// Its objects, as paths of the API name them.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
        }
    }
}

impl fmt::Display for ConfigurationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Tracked {
    /// Which object it is. What names none, an API server without CEL lets through; nothing is called like that.
    #[must_use]
    pub fn object(&self) -> (ConfigurationKind, &str) {
        match (&self.config_map, &self.secret) {
            (Some(name), _) => (ConfigurationKind::ConfigMap, name),
            (None, secret) => (ConfigurationKind::Secret, secret.as_deref().unwrap_or_default()),
        }
    }
}
