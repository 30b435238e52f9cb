//! Which requests are none of users', and say nothing about a version.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const PATHS: &str = "paths are left out as a whole, or with /* at the end all that begin so: /internal/* is one, and * or /* would leave out every request";
const USER_AGENTS: &str = "user agents are left out as a whole, or with /* at the end all that begin so: curl/* is one, and * or /* would leave out every request";

/// Requests that do not count, by what the labels of their series say of where they went or who sent them. Series without
/// such labels count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.paths) || self.paths.all(p, !p.endsWith('*') || p.endsWith('**') || (p.endsWith('/*') && p.size() > 2))").message(PATHS).field_path(".paths"),
    validation = Rule::new("!has(self.userAgents) || self.userAgents.all(p, !p.endsWith('*') || p.endsWith('**') || (p.endsWith('/*') && p.size() > 2))").message(USER_AGENTS).field_path(".userAgents")
)]
pub struct Exclude {
    /// What becomes of the requests that probes and scrapes make as a rule, such as those of `/metrics`, `/healthz` and
    /// gRPC's health service. Default: `Exclude`; where a gateway counts, which sees none of the kubelet's or of
    /// Prometheus', `Count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,

    /// More that is left out, by its path, route, handler, or gRPC service: each as the label has it, such as `/warm-up` or
    /// `/orders/{id}`, or with `/*` at its end for all that begins so. A query (`?…`) and a slash at the end of a label do
    /// not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub paths: Option<Vec<String>>,

    /// More that is left out, by who sent it, where a label has the user agent: such as `curl/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 256)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub user_agents: Option<Vec<String>>,
}

/// What becomes of the requests of probes and scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Probes {
    /// They do not count.
    Exclude,
    /// They count as all others: for a service that answers nothing else.
    Count,
}
