//! Deployments.

use serde_json::Value;

use super::{
    Cached,
    meta::{Meta, count},
    replica_set::{REVISION, fingerprint},
    selector::Selector,
};

/// A Deployment.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Deployment {
    pub meta: Meta,
    pub selector: Selector,
    /// What tells its template from others.
    pub template: String,
    pub replicas: i32,
    pub paused: bool,
    pub min_ready_seconds: i32,
    /// How many old ReplicaSets without pods are kept.
    pub history_limit: i32,
    /// How long it may go without progress, in seconds; nothing where that does not matter.
    pub progress_deadline: Option<i32>,
    pub strategy: Strategy,
    /// How often the name of a new ReplicaSet was taken by another template.
    pub collisions: u32,
    /// The number of its newest revision.
    pub revision: i64,
    /// Its status as it stands.
    pub status: Value,
}

/// How pods are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::controllers) enum Strategy {
    /// The old ones go before the new ones come.
    Recreate,
    /// So many at a time.
    RollingUpdate {
        /// How many pods there may be above the count.
        max_surge: i32,
        /// How many pods may be missing from the count.
        max_unavailable: i32,
    },
}

impl Deployment {
    /// How many pods there may be above the count.
    pub(in crate::controllers) fn max_surge(&self) -> i32 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::RollingUpdate { max_surge, .. } => max_surge,
        }
    }

    /// How many pods it has, as it last said.
    pub(in crate::controllers) fn seen_replicas(&self) -> i32 {
        count(&self.status["replicas"]).unwrap_or(0)
    }

    /// How many pods may be missing from the count.
    pub(in crate::controllers) fn max_unavailable(&self) -> i32 {
        match self.strategy {
            Strategy::RollingUpdate { max_unavailable, .. } if self.replicas > 0 => max_unavailable.min(self.replicas),
            _ => 0,
        }
    }
}

impl Cached for Deployment {
    fn read(meta: Meta, object: &Value, before: Option<&Self>) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let known = before.filter(|before| before.meta.uid == meta.uid && before.meta.generation == meta.generation);
        let replicas = count(&spec["replicas"]).unwrap_or(1);
        let deadline = count(&spec["progressDeadlineSeconds"]).unwrap_or(600);
        Self {
            selector: known.map_or_else(|| Selector::read(&spec["selector"]), |known| known.selector.clone()),
            template: known.map_or_else(|| fingerprint(&spec["template"]), |known| known.template.clone()),
            replicas,
            paused: spec["paused"] == true,
            min_ready_seconds: count(&spec["minReadySeconds"]).unwrap_or(0),
            history_limit: count(&spec["revisionHistoryLimit"]).unwrap_or(10),
            // The largest number stands for none: the field has a default and cannot be left out.
            progress_deadline: Some(deadline).filter(|deadline| *deadline != i32::MAX),
            strategy: strategy(&spec["strategy"], replicas),
            collisions: count(&status["collisionCount"]).and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            revision: object["metadata"]["annotations"][REVISION].as_str().and_then(|it| it.parse().ok()).unwrap_or(0),
            status: status.clone(),
            meta,
        }
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn selector(&self) -> Option<&Selector> {
        Some(&self.selector)
    }
}

/// Surge is rounded up and unavailability down; if both come to nothing, one pod may be missing, or nothing would
/// ever move.
///
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable>
fn strategy(strategy: &Value, replicas: i32) -> Strategy {
    if strategy["type"] == "Recreate" {
        return Strategy::Recreate;
    }
    let rolling = &strategy["rollingUpdate"];
    let max_surge = share(&rolling["maxSurge"], replicas, f64::ceil);
    let max_unavailable = share(&rolling["maxUnavailable"], replicas, f64::floor);
    let stuck = max_surge == 0 && max_unavailable == 0;
    Strategy::RollingUpdate { max_surge, max_unavailable: if stuck { 1 } else { max_unavailable } }
}

/// A count, or a percentage of all; a quarter where nothing is said.
fn share(value: &Value, replicas: i32, round: fn(f64) -> f64) -> i32 {
    if let Some(count) = count(value) {
        return count.max(0);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<f64>().ok()).unwrap_or(25.0);
    let pods = round(percent.clamp(0.0, 1000.0) * f64::from(replicas) / 100.0);
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and casts of floats saturate")]
    let pods = pods as i32;
    pods
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rolling(max_surge: i32, max_unavailable: i32) -> Strategy {
        Strategy::RollingUpdate { max_surge, max_unavailable }
    }

    #[test]
    fn surge_is_rounded_up_and_unavailability_down() {
        assert_eq!(strategy(&json!(null), 10), rolling(3, 2));
        let both = json!({"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 1}});
        assert_eq!(strategy(&both, 3), rolling(2, 1));
    }

    #[test]
    fn a_strategy_that_could_not_move_may_do_without_one_pod() {
        assert_eq!(strategy(&json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}), 3), rolling(0, 1));
    }
}
