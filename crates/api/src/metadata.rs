//! The names by which Tidegate marks objects of the cluster, and finds them.

use crate::described::{Described, described};

/// What the keys of labels and annotations begin with that are Tidegate's own. On a pod template, none of them makes a new
/// version.
pub const OWN_PREFIX: &str = "tidegate.dev/";

/// What the names of all field managers of Tidegate begin with. Who writes under such a name is never taken for somebody
/// else.
pub const MANAGER_PREFIX: &str = "tidegate";

/// Names of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// What they are names of, and where that is explained: Markdown.
    pub about: &'static str,
    /// The names.
    pub names: &'static [Described],
}

/// Declares groups of names: for each a module of constants, and an entry in [`GROUPS`].
macro_rules! groups {
    ($($(#[doc = $about:literal])+ $module:ident { $($names:tt)+ })+) => {
        $($(#[doc = $about])+ pub mod $module {
            super::described! { $($names)+ }
        })+

        /// All of them, in the order in which they are declared.
        pub const GROUPS: &[Group] = &[$(Group { about: concat!($($about),+), names: $module::ALL }),+];
    };
}

groups! {
    /// Finalizers
    finalizer {
        /// On every Rollout whose Deployment was taken over: a Rollout that is deleted hands the Deployment back before it
        /// goes. Whoever takes it off by hand leaves the pods to the Deployment as they are; the next Rollout of it takes
        /// them over.
        FINALIZER = "tidegate.dev/hand-back";
    }

    /// Labels
    label {
        /// On every object that Tidegate creates or takes over: the name of the Rollout that it belongs to. Left out where
        /// the name has more than 63 characters.
        ROLLOUT_LABEL = "tidegate.dev/rollout";
        /// On every object that Tidegate creates or takes over: the UID of the Rollout that it belongs to. What has
        /// another one is left alone, unless that Rollout is gone.
        ROLLOUT_UID_LABEL = "tidegate.dev/rollout-uid";
        /// On the Job that answers for a gate: the gate's name.
        GATE_LABEL = "tidegate.dev/gate";
        /// On the copies of tracked configuration, ConfigMaps and Secrets alike: the name of the object that it is a copy
        /// of, cut where it has more than 63 characters. The ReplicaSets that own a copy are the versions that read it.
        COPY_OF_LABEL = "tidegate.dev/copy-of";
        /// On ReplicaSets and their pods, and in the selectors of the Services of a rollout: the version, by the hash of
        /// its pod template.
        /// [Kubernetes' own](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label);
        /// ReplicaSets that Tidegate makes have it, too.
        POD_TEMPLATE_HASH = "pod-template-hash";
        /// Read on EndpointSlices: the Service whose pods they list.
        /// [Kubernetes' own](https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#ownership).
        SERVICE_NAME_LABEL = "kubernetes.io/service-name";
    }

    /// Annotations of a Rollout, by which people ask something of a rollout ([commands.md](../commands.md))
    annotation {
        /// `REVISION`, and perhaps ` by NAME`: all traffic goes back to the stable version.
        ABORT_ANNOTATION = "tidegate.dev/abort";
        /// `REVISION/STAGE`: the stage is left without waiting; `REVISION/*`: every stage is.
        PROMOTE_ANNOTATION = "tidegate.dev/promote";
        /// `REVISION`: a version that failed is tried again.
        RETRY_ANNOTATION = "tidegate.dev/retry";
        /// `REVISION`: the pods of the stable version are replaced by others of the same version.
        RESTART_ANNOTATION = "tidegate.dev/restart";
        /// `REVISION/GATE by NAME`, and perhaps ` of GROUP`; several with a semicolon between them: that person says yes to
        /// that gate.
        APPROVE_ANNOTATION = "tidegate.dev/approve";
    }

    /// Field managers
    field_manager {
        /// Writes the status of Rollouts.
        STATUS_MANAGER = "tidegate-status";
        /// Writes the finalizer of Rollouts, and `spec.replicas` when a Deployment is taken over whose Rollout has none.
        ROLLOUT_MANAGER = "tidegate-rollout";
        /// Writes Deployments and ReplicaSets: counts, pause, owners.
        WORKLOAD_MANAGER = "tidegate-workload";
        /// Writes routes, and the Services of a rollout.
        TRAFFIC_MANAGER = "tidegate-traffic";
        /// Makes the Jobs that answer for gates.
        GATE_MANAGER = "tidegate-gate";
        /// Makes the copies of tracked configuration, and writes who owns them.
        CONFIGURATION_MANAGER = "tidegate-configuration";
        /// Writes annotations of Rollouts, and `spec.paused`, for whoever gives a command.
        COMMAND_MANAGER = "tidegate-command";
    }

    /// Names of objects, or parts of them
    object {
        /// What the name of the Service ends with that selects the pods of the stable version while a rollout lasts; before
        /// it stands the name of the Rollout's Service, cut where both together have more than 63 characters.
        STABLE_SUFFIX = "-stable";
        /// The same for the new version.
        CANARY_SUFFIX = "-canary";
        /// What the name of the cookie begins with that keeps a user on one version
        /// (`spec.traffic.sessionPersistence`); behind it stands the name of the Service.
        COOKIE_PREFIX = "tidegate-";
        /// The Lease by which one of several operators leads, in the namespace of the operator, unless `--lease-name` says
        /// otherwise.
        LEASE = "tidegate";
        /// The ConfigMap with the record of what receivers of notifications were told, in the namespace of the operator, unless
        /// `--notifications-record` says otherwise.
        NOTIFICATIONS = "tidegate-notifications";
        /// Who reports the events of Rollouts (`reportingController`).
        EVENT_CONTROLLER = "tidegate.dev/tidegate";
    }
}
