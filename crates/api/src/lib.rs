//! What users write and read: the `Rollout` resource and the templates of its checks, their validation, its conditions and reasons.
//!
//! Nothing here talks to a cluster. Defaults are applied when a field is read ([`RolloutSpec`]'s methods), never
//! written into the object, so that Git and the cluster agree at rest.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

mod analysis;
mod approval;
mod cadence;
mod causes;
mod certainty;
mod check_template;
mod command;
pub mod condition;
mod control;
mod culprit;
mod degrade;
mod described;
mod drill;
mod exclude;
mod gate;
mod gate_status;
pub mod manifest;
mod matches;
pub mod metadata;
pub mod nearest;
mod one_line;
mod preset;
mod reason;
mod release_count;
mod restart;
mod rollback;
mod rollout;
mod schedule;
mod schema;
mod stage;
mod stage_check;
mod stage_status;
mod status;
mod track;
mod traffic;
mod units;
mod validation;
pub mod verdict;
mod watch;
pub mod yaml;
mod yes;

pub use analysis::{
    Analysis, Check, CounterSelectors, ErrorRate, HistogramSelector, Latency, OnStableUnwell, Query, QueryRelative,
    Reduce, Relative, SuspectPod, TimeUnit,
};
pub use approval::Approved;
pub use cadence::CadenceStep;
pub use causes::Causes;
pub use certainty::{Mode, Statistics, Strictness};
pub use check_template::{
    AlternativeBuckets, AlternativeSelector, CheckTemplate, CheckTemplateKind, CheckTemplateRef, CheckTemplateSpec,
    ClusterCheckTemplate, ClusterCheckTemplateSpec, LatencySource, Parameter, ParameterType, ParameterValues,
    QuerySource, RequestSource, StatusLabel, VARIABLES,
};
pub use command::{ALL_STAGES, Asked, Command};
pub use culprit::Culprit;
pub use degrade::{Degrade, DegradeState, DegradedStatus};
pub use described::Described;
pub use drill::{Drill, DrillState, DrillStatus};
pub use exclude::{Exclude, Probes};
pub use gate::{Approval, Gate, Gates, JobGate, OnTimeout, OtherRevision, OtherRollout, QueryGate, WebhookGate};
pub use gate_status::{ApprovalStatus, GateState, GateStatus};
pub use matches::{Match, Named, SessionPersistence};
pub use metadata::{
    finalizer::FINALIZER,
    label::{GATE_LABEL, POD_TEMPLATE_HASH, ROLLOUT_LABEL, ROLLOUT_UID_LABEL},
};
pub use one_line::{is_unseen, one_line};
pub use preset::Preset;
pub use reason::{EventType, Reason};
pub use release_count::ReleaseCount;
pub use restart::RestartStatus;
pub use rollback::{FormerRevision, RollbackWindow};
pub use rollout::{OnFailure, OnInconclusive, Rollout, RolloutSpec, WorkloadKind, WorkloadRef};
pub use schedule::{Days, Schedule, Window};
pub use stage::{Preview, Replicas, Stage};
pub use stage_check::{CheckOverride, LimitOverride, StageCheck};
pub use stage_status::{Disturbance, SessionGeneration, StageBegun, StagePart, StageStatus, SteppedBack};
pub use status::{
    AdoptionMode, AdoptionStatus, AdoptionStep, CheckStatus, CommandStatus, Contention, FailedRevision, Phase,
    PresetStatus, ReplacedPod, RevisionStatus, RolloutStatus, RouteMode, Scaled, TakenBack, Transition, Verdict,
    WorkloadStatus,
};
pub use track::{ConfigurationKind, Tracked};
pub use traffic::{
    Acceptance, Capacity, CustomRoute, GatewayApi, GatewayRouteKind, OnShareOff, Route, RouteRef, Setting, Traffic,
    WEIGHTED_KINDS, WeightedRouteRef,
};
pub use units::{Percent, Quantile, Span, UnitError, unquoted};
pub use validation::{BrokenRule, Invalid, broken_rules, validate};
pub use watch::{OnWatchFailure, Watch, WatchStatus};
pub use yes::Yes;

/// The definitions of all resources, for the API server to know them.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [Rollout::crd(), CheckTemplate::crd(), ClusterCheckTemplate::crd()]
}
