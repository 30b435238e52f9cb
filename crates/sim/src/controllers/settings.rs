//! Which models run, and how fast.

use std::time::Duration;

use super::Delay;

/// Which models run, and how fast.
#[derive(Debug, Clone, Default)]
pub struct ModelSettings {
    /// Which models run.
    pub models: Models,
    /// How long each of them takes.
    pub pace: Pace,
    /// How pods behave for which nothing else was said.
    pub pods: super::PodBehaviour,
    /// How the gateway behaves at first.
    pub gateway: super::GatewayMode,
}

/// Which models run: somebody else may play the part of those that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is switched by itself")]
pub struct Models {
    /// The Deployment controller.
    pub deployments: bool,
    /// The ReplicaSet controller.
    pub replica_sets: bool,
    /// The Job controller.
    pub jobs: bool,
    /// The EndpointSlice controller.
    pub endpoint_slices: bool,
    /// The horizontal pod autoscaler.
    pub autoscalers: bool,
    /// Scheduler, nodes and kubelets.
    pub kubelets: bool,
    /// The gateway.
    pub gateway: bool,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            deployments: true,
            replica_sets: true,
            jobs: true,
            endpoint_slices: true,
            autoscalers: true,
            kubelets: true,
            gateway: true,
        }
    }
}

/// How long each model takes to react. The defaults are those of a cluster that is well.
#[derive(Debug, Clone)]
pub struct Pace {
    /// The Deployment controller, after a change.
    pub deployments: Delay,
    /// The ReplicaSet controller, after a change.
    pub replica_sets: Delay,
    /// The Job controller, after a change.
    pub jobs: Delay,
    /// The EndpointSlice controller, after a change; it waits a little to see more at once.
    pub endpoint_slices: Delay,
    /// The scheduler, after a pod was created.
    pub scheduler: Delay,
    /// The gateway, from a changed route to its being in force.
    pub gateway: Delay,
    /// The data plane, from a changed EndpointSlice to the last proxy that knows it.
    pub data_plane: Delay,
    /// How many nodes there are.
    pub nodes: u16,
    /// After how long a node that does not answer counts as lost, and its pods as not ready.
    pub node_grace: Duration,
    /// After how long more its pods are deleted.
    pub node_eviction: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            deployments: Delay::millis(1, 50),
            replica_sets: Delay::millis(1, 50),
            jobs: Delay::millis(1, 50),
            endpoint_slices: Delay::millis(100, 300),
            scheduler: Delay::millis(5, 50),
            gateway: Delay::millis(50, 500),
            data_plane: Delay::millis(10, 200),
            nodes: 3,
            node_grace: Duration::from_secs(40),
            node_eviction: Duration::from_mins(5),
        }
    }
}
