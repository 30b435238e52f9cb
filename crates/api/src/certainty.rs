//! How a verdict comes about, and how sure it has to be.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Percent;

/// How a count of bad requests becomes a verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// By a test that may be looked at at any moment: with too few requests it says so instead of guessing.
    #[default]
    Sequential,
    /// By the plain share of bad requests once there are a hundred, as other tools do. Chance decides near the limit.
    Threshold,
}

/// How sure a verdict has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strictness {
    /// For what can be repaired: of versions at the limit one in five passes a stage (one in twenty the last), and of
    /// those that keep it one in a thousand fails.
    Low,
    /// Of versions at the limit one in twenty passes a stage (one in a hundred the last), and of those that keep it one
    /// in a hundred fails.
    #[default]
    Normal,
    /// For what must not go wrong: of versions at the limit one in a hundred passes a stage (one in a thousand the
    /// last), and of those that keep it one in twenty fails.
    High,
}

/// The numbers behind a verdict. Each is an upper bound, however often somebody looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How likely a version that keeps all its limits is failed, over a whole rollout: 0.001% to 20%. Default: 1%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("double(string(self).replace('%', '')) >= 0.001 && double(string(self).replace('%', '')) <= 20.0", "falseFail must be between 0.001% and 20%"))]
    pub false_fail: Option<Percent>,

    /// How likely a version that is just beyond a limit passes a stage: 0.001% to 50%. Default: 5%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("double(string(self).replace('%', '')) >= 0.001 && double(string(self).replace('%', '')) <= 50.0", "falsePass must be between 0.001% and 50%"))]
    pub false_pass: Option<Percent>,

    /// The same for the last stage, after which there is no way back without a release. Default: 1%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("double(string(self).replace('%', '')) >= 0.001 && double(string(self).replace('%', '')) <= 50.0", "falsePassOfLast must be between 0.001% and 50%"))]
    pub false_pass_of_last: Option<Percent>,

    /// How many requests go bad together, such as 5 where one lost node fails five requests at once; from 1 to 50.
    /// Default: learned from what the stable version did before, or 2 where there is too little of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 50.0))]
    pub overdispersion: Option<f64>,
}
