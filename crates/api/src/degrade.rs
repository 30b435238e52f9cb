//! `degrade`: what a version that fails may do without, before traffic is taken from it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    culprit,
    gate::{Gate, JobGate, WebhookGate},
    units::Span,
};

/// What is tried once for a version, when a check fails in a stage, before `onFailure` applies: a service switches a feature
/// off, or a Job does, and the version is judged anew without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Degrade {
    /// Who switches it off. An answer of go means that it is off; stop, that it cannot be, and `onFailure` applies at once.
    #[schemars(with = "Switch")]
    pub by: Gate,

    /// The checks that it may help: where any other fails, before or meanwhile, `onFailure` applies at once. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub checks: Option<Vec<String>>,

    /// How long the answer may take, and how long it then takes to have an effect: until that is over, the checks that it may
    /// help are not held against the version. At most 15m. Default: 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) <= duration('15m')", "wait must be at most 15m: users meet a version that fails for so long"))]
    pub wait: Option<Span>,
}

/// The gates that can switch something off, as users write them: the others only say yes or no.
#[derive(Deserialize, KubeSchema)]
#[expect(dead_code, reason = "it is the schema of a Gate alone")]
#[x_kube(validation = ("has(self.webhook) != has(self.job)", culprit::SWITCH_TAKES))]
struct Switch {
    /// What it is called in the status, in events and in what the service is told. No gate of the Rollout may have its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    name: String,
    /// Asks a service of the platform team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookGate>,
    /// Runs a Job, whose end is the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobGate>,
}

impl Degrade {
    /// [`Self::wait`], or its default.
    #[must_use]
    pub fn wait(&self) -> Span {
        self.wait.unwrap_or(Span::seconds(120))
    }
}

/// A version that failed, and is judged without what it may do without.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DegradedStatus {
    /// The name of the stage in which it failed.
    pub stage: String,
    /// The name of who switches it off, as in `status.gates`.
    pub by: String,
    /// When it failed.
    pub at: Timestamp,
    /// The checks that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    pub state: DegradeState,
    /// From when on it is judged anew. Absent until something was switched off, and has had time to have an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Where the answer to a failure stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DegradeState {
    /// Somebody is asked to help, or has, and the effect is awaited.
    #[default]
    Asking,
    /// It was switched off: the version is judged anew.
    Helped,
    /// Nobody could help in time, or something else failed meanwhile.
    InVain,
}
