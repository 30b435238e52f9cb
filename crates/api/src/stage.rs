//! One stage of the way to all of the traffic.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    cadence::CadenceStep,
    culprit,
    degrade::Degrade,
    drill::Drill,
    gate::Gate,
    matches::Match,
    rollout::OnFailure,
    stage_check::StageCheck,
    units::{Percent, Span},
};

/// One step of the way to all of the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.deadline) || !has(self.bake) || duration(self.deadline) >= duration(self.bake)").message("a stage's deadline must not be shorter than its bake").field_path(".deadline"),
    validation = Rule::new("!has(self.stableReplicas) || double(string(self.weight).replace('%', '')) == 100.0").message("stableReplicas goes with a weight of 100% alone: below it, the stable version still serves").field_path(".stableReplicas")
)]
pub struct Stage {
    /// What the stage is called in the status and in events.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The share of traffic that the new version gets. With 0%, and neither `match` nor `mirror`, its pods are up and get
    /// none: no check can say anything of it, and the stage is left after its bake and its gates.
    pub weight: Percent,

    /// A Service that leads to the new version's pods while the stage lasts, for whoever tries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,

    /// Requests that the new version gets whatever its weight: those that one of these describes. With a weight of 0%
    /// nobody else sees it. HTTPRoutes can say it, and GRPCRoutes but for parameters of a query.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Option<Vec<Match>>,

    /// The part of all requests of which the new version gets a copy. Nobody sees what it answers to those, but they
    /// count for the checks. HTTPRoutes and GRPCRoutes can say it. Only for requests that may be made twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Percent>,

    /// How many pods the new version has while the stage lasts: a count, or a percentage of `spec.replicas`.
    /// Default: the share of its weight and of what is mirrored, rounded up, and at least one. Fewer are taken as they are written: whoever asks for them knows that
    /// they carry the weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,

    /// With a weight of 100%, and routes: how many pods of the stable version stay up while the stage lasts: a count, or a
    /// percentage of `spec.replicas`. The others go when the weight is in force and `drain` is over. Fewer than all of them
    /// do not take all of the traffic back at once: then it goes back as fast as the others are ready again, as with
    /// `capacity: Progressive`. Default: all of them; with `capacity: Progressive`, one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_replicas: Option<Replicas>,

    /// How long the stage lasts at least, from the moment its weight is in force. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,

    /// How long the stage may wait for evidence, from the moment its weight is in force. Then `onInconclusive`
    /// applies. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,

    /// How often the checks are asked, by time in the stage: often at first, rarely when it has gone well for long. A look is
    /// never later than it says, and there is one where the bake and the deadline end; nothing that is counted in between is
    /// lost. Never more often than without it. Default: whenever there is something new to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = (
        CadenceStep::RISES,
        culprit::CADENCE_FALLS
    ))]
    pub cadence: Option<Vec<CadenceStep>>,

    /// Instead of the Rollout's `onFailure`, while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// Instead of the Rollout's `degrade`, while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<Degrade>,

    /// Proves the way back: when the stage has passed, the weight of the one before it comes back into force, and only then
    /// the version goes on. Not for the first stage, nor the last. Once for each version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,

    /// Who or what else has to say yes before the stage begins. Of the first stage, before the version starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub before: Vec<Gate>,

    /// Who or what else has to say yes, when the stage has passed, before it is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub after: Vec<Gate>,

    /// Other limits for checks, by name, and checks of the stage's own, while it lasts. What a check of its own counts begins
    /// with the stage, and is forgotten when the stage is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Option<Vec<StageCheck>>,
}

impl Stage {
    /// What the time after a promotion is called; with a space, which no name in a spec has.
    pub const WATCH: &str = "after promotion";

    /// 5 % → 25 % → 100 %, ten minutes each.
    pub(super) fn defaults() -> Vec<Self> {
        [("canary", 5.0), ("quarter", 25.0), ("full", 100.0)]
            .map(|(name, weight)| Self { name: name.to_owned(), ..Self::with_weight(Percent::new(weight)) })
            .into()
    }

    /// One of that weight, without a name, and with the default of everything else.
    pub(super) fn with_weight(weight: Percent) -> Self {
        Self {
            name: String::new(),
            weight,
            preview: None,
            matches: None,
            mirror: None,
            replicas: None,
            stable_replicas: None,
            bake: None,
            deadline: None,
            cadence: None,
            on_failure: None,
            degrade: None,
            drill: None,
            before: Vec::new(),
            after: Vec::new(),
            checks: None,
        }
    }

    /// Whether it is no stage on the way, but the time after the promotion: [`crate::Watch::stage`].
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.name == Self::WATCH
    }

    /// Whether it gives the new version more than a share of all requests.
    #[must_use]
    pub fn gives_more_than_a_share(&self) -> bool {
        self.matches.is_some() || self.mirror.is_some()
    }

    /// Whether the new version gets requests of users in it, or copies of them.
    #[must_use]
    pub fn gives_requests(&self) -> bool {
        self.weight > Percent::ZERO || self.gives_more_than_a_share()
    }

    /// What it gives the new version, as a sentence has it: `5% of the traffic and the requests that match`.
    #[must_use]
    pub fn gives(&self) -> String {
        let has_share = self.weight > Percent::ZERO || !self.gives_more_than_a_share();
        let share = has_share.then(|| format!("{} of the traffic", self.weight));
        let matches = self.matches.as_ref().map(|_| "the requests that match".to_owned());
        let mirror = self.mirror.map(|part| format!("copies of {part} of all requests"));
        let parts: Vec<_> = [share, matches, mirror].into_iter().flatten().collect();
        parts.join(" and ")
    }

    /// [`Self::bake`], or its default.
    #[must_use]
    pub fn bake(&self) -> Span {
        self.bake.unwrap_or(Span::seconds(600))
    }
}

/// A Service for whoever tries a version out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Its name. It is made when the stage begins, with the ports of the Rollout's Service, and goes when the stage is left.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub service: String,
}

/// A number of pods: a count, or a percentage of `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replicas {
    /// That many pods.
    Count(i32),
    /// That part of `spec.replicas`, rounded up.
    Share(Percent),
}

impl Replicas {
    /// How many pods that is, where `total` are asked for.
    #[must_use]
    pub fn of(self, total: i32) -> i32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => share.of(total),
        }
    }
}

impl Serialize for Replicas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_i32(*count),
            Self::Share(share) => share.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Replicas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum CountOrShare {
            Count(i32),
            Share(Percent),
        }
        Ok(match CountOrShare::deserialize(deserializer)? {
            CountOrShare::Count(count) => Self::Count(count),
            CountOrShare::Share(share) => Self::Share(share),
        })
    }
}

impl JsonSchema for Replicas {
    fn schema_name() -> Cow<'static, str> {
        "Replicas".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 12,
            "x-kubernetes-validations": [{
                "rule": "string(self).matches('^([1-9][0-9]{0,5}|(100|[1-9][0-9]?)%)$')",
                "message": "must be a number of pods of at least 1, or a percentage between 1% and 100%",
            }],
        })
    }
}
