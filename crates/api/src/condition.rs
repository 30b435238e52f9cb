//! The types and reasons of conditions: one list, so that none is spelled twice.

/// Condition types.
///
/// `Reconciling` and `Stalled` follow kstatus: they are present and `True` only while they hold.
/// <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>
pub mod kind {
    /// The version that the Deployment asks for is the one that serves.
    pub const READY: &str = "Ready";
    /// A new version is on its way and moving.
    pub const PROGRESSING: &str = "Progressing";
    /// The pods that are meant to serve do.
    pub const HEALTHY: &str = "Healthy";
    /// Nothing will happen until somebody acts.
    pub const STALLED: &str = "Stalled";
    /// The cluster is being brought to what the spec says.
    pub const RECONCILING: &str = "Reconciling";
    /// It works, but hardly as somebody wants it: nothing waits for it, and somebody should look. Present only while it
    /// holds.
    pub const WARNING: &str = "Warning";
}

/// Reasons of conditions, transitions and events.
pub mod reason {
    /// The spec breaks a rule that the API server could not refuse.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The Deployment does not exist.
    pub const WORKLOAD_NOT_FOUND: &str = "WorkloadNotFound";
    /// `spec.workload` names another Deployment than the one whose pods the Rollout has.
    pub const WORKLOAD_CHANGED: &str = "WorkloadChanged";
    /// The Service does not exist.
    pub const SERVICE_NOT_FOUND: &str = "ServiceNotFound";
    /// The Service selects no pods, or not those of the Deployment.
    pub const SERVICE_UNUSABLE: &str = "ServiceUnusable";
    /// The route does not exist.
    pub const ROUTE_NOT_FOUND: &str = "RouteNotFound";
    /// The route does not mention the Service, or cannot carry weights.
    pub const ROUTE_UNUSABLE: &str = "RouteUnusable";
    /// The gateway refuses the route as a rollout needs it.
    pub const ROUTE_REFUSED: &str = "RouteRefused";
    /// The gateway has not said within the progress deadline that the route is in force.
    pub const ROUTE_NOT_CONFIRMED: &str = "RouteNotConfirmed";
    /// Requests stopped, or failed for both versions, right after the route was written.
    pub const ROUTE_BROKEN: &str = "RouteBroken";
    /// A route points at the Service, and the Rollout does not name it.
    pub const ROUTE_NOT_NAMED: &str = "RouteNotNamed";
    /// The new version is given another share of the requests than its weight promises.
    pub const SHARE_OFF: &str = "ShareOff";
    /// A policy is attached to the Service, and to neither of those that a rollout adds.
    pub const POLICY_NOT_ATTACHED: &str = "PolicyNotAttached";
    /// The Gateway API is not installed.
    pub const ROUTE_KIND_MISSING: &str = "GatewayAPINotInstalled";
    /// No Prometheus endpoint of that name is configured.
    pub const ENDPOINT_NOT_FOUND: &str = "PrometheusEndpointNotFound";
    /// A check's template is missing, or its parameters do not fit.
    pub const CHECK_UNUSABLE: &str = "CheckUnusable";
    /// Another Rollout has the Deployment, the Service or the route.
    pub const CONFLICT: &str = "Conflict";
    /// An autoscaler still targets the Deployment.
    pub const AUTOSCALER_ON_WORKLOAD: &str = "AutoscalerTargetsDeployment";
    /// The Deployment has not finished its own rollout yet.
    pub const WORKLOAD_INCOMPLETE: &str = "DeploymentIncomplete";
    /// The Deployment does not ask for `spec.workload.image` yet.
    pub const WORKLOAD_BEHIND: &str = "DeploymentBehind";
    /// The Deployment's pods are being taken over.
    pub const ADOPTING: &str = "Adopting";
    /// The Deployment's pods were taken over.
    pub const ADOPTED: &str = "Adopted";
    /// One version serves, none is on its way.
    pub const STABLE: &str = "Stable";
    /// The Deployment asks for another version than the one that serves, and it has not started yet.
    pub const VERSION_WAITS: &str = "VersionWaits";
    /// A new version was found.
    pub const STARTED: &str = "RolloutStarted";
    /// A stage's weight is in force.
    pub const STAGE_ENTERED: &str = "StageEntered";
    /// A stage was left with enough evidence.
    pub const STAGE_PASSED: &str = "StagePassed";
    /// The new version's pods are gone from behind the Service.
    pub const CANARY_LOST: &str = "CanaryLost";
    /// A pod that answers the bad requests of a check, alone, is deleted.
    pub const SUSPECT_POD_REPLACED: &str = "SuspectPodReplaced";
    /// `spec.paused` is set.
    pub const PAUSED: &str = "Paused";
    /// Checks failed.
    pub const CHECK_FAILED: &str = "CheckFailed";
    /// The stage's deadline passed without enough evidence.
    pub const INCONCLUSIVE: &str = "Inconclusive";
    /// The new version passed its last stage.
    pub const PROMOTED: &str = "Promoted";
    /// Traffic went back to the stable version.
    pub const REVERTED: &str = "Reverted";
    /// The new pods did not become ready, or the gateway did not accept the weight, in time.
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// Another template came while one was on its way.
    pub const SUPERSEDED: &str = "Superseded";
    /// The Deployment asks for the stable version again.
    pub const BACK_TO_STABLE: &str = "BackToStable";
    /// Somebody else keeps changing what Tidegate writes.
    pub const CONTENTION: &str = "Contention";
    /// Pods that belong to neither revision are behind the Service.
    pub const FOREIGN_PODS: &str = "ForeignPods";
    /// Somebody else sets the Deployment's `spec.replicas`.
    pub const REPLICAS_IN_WORKLOAD: &str = "ReplicasInDeployment";
    /// No pod of the stable version is ready.
    pub const STABLE_NOT_READY: &str = "StableNotReady";
    /// The stable version fails itself, or is far worse than it was: the stage waits.
    pub const STABLE_UNWELL: &str = "StableUnwell";
    /// The stage does not wait for the stable version any more.
    pub const STABLE_UNWELL_OVER: &str = "StableUnwellOver";
    /// The stable version is down, and the new one takes over.
    pub const STABLE_LOST: &str = "StableLost";
    /// The Deployment gets its pods back.
    pub const HANDING_BACK: &str = "HandingBack";
    /// The cluster refused to let the ReplicaSet change its owner.
    pub const ADOPTION_REFUSED: &str = "AdoptionRefused";
    /// The cluster refused a write.
    pub const WRITE_REFUSED: &str = "WriteRefused";
}
