//! The Rollouts that gates of one wait for.

use std::collections::BTreeSet;

use kube::ResourceExt;
use tidegate_api::{Phase, Rollout, RolloutStatus, condition::kind};
use tidegate_planner::plan::OtherRolloutState;

use super::Context;

/// A Rollout, by namespace and name.
type Path = (String, String);

/// What is known of those that gates of `rollout` name.
pub fn of(context: &Context, rollout: &Rollout) -> Vec<OtherRolloutState> {
    let named: BTreeSet<_> = awaited(rollout).collect();
    let own = path_of(rollout);
    named.into_iter().filter_map(|path| state(context, &own, path)).collect()
}

fn state(context: &Context, own: &Path, path: Path) -> Option<OtherRolloutState> {
    let found = context.caches.rollout(&path.0, &path.1)?;
    let status = found.status.clone().unwrap_or_default();
    let circle = way_back(context, own, &path).map(|way| {
        let told =
            |(namespace, name): &Path| if *namespace == own.0 { name.clone() } else { format!("{namespace}/{name}") };
        [std::slice::from_ref(own), &way].concat().iter().map(told).collect::<Vec<_>>().join(" → ")
    });
    Some(OtherRolloutState {
        unready: unready(context, &found, path.0 == own.0),
        images: status.stable.map(|stable| stable.images).unwrap_or_default(),
        circle,
        namespace: path.0,
        name: path.1,
    })
}

/// Why it does not serve what its Deployment asks for, if it does not.
fn unready(context: &Context, other: &Rollout, is_neighbour: bool) -> Option<String> {
    let status = other.status.clone().unwrap_or_default();
    let asked = context.caches.deployments.get(&other.namespace().unwrap_or_default(), &other.spec.workload.name);
    let looked_at = status.workload.as_ref().and_then(|workload| workload.observed_generation);
    if asked.is_some_and(|deployment| deployment.metadata.generation != looked_at) {
        return Some("its Deployment was changed a moment ago".to_owned());
    }
    standing(status, is_neighbour)
}

/// Why a Rollout is not where others wait for it to be, if it is not. Whoever may read another namespace is for that one to
/// say: of a Rollout there, no more is told than its phase.
fn standing(status: RolloutStatus, is_neighbour: bool) -> Option<String> {
    let is_ready =
        status.conditions.iter().any(|condition| condition.type_ == kind::READY && condition.status == "True");
    let why = || match status.phase {
        _ if is_neighbour => status.message,
        Phase::Stable => "it is Stable, and not ready".to_owned(),
        phase => format!("it is {phase:?}"),
    };
    (status.phase != Phase::Stable || !is_ready).then(why)
}

/// The way from `path` back to `own` by what gates wait for, if there is one.
fn way_back(context: &Context, own: &Path, path: &Path) -> Option<Vec<Path>> {
    let mut seen = BTreeSet::from([path.clone()]);
    let mut ways = vec![vec![path.clone()]];
    while let Some(way) = ways.pop() {
        let last = way.last()?;
        if last == own {
            return Some(way);
        }
        let Some(found) = context.caches.rollout(&last.0, &last.1) else { continue };
        for next in awaited(&found).filter(|next| seen.insert(next.clone())) {
            ways.push([way.clone(), vec![next]].concat());
        }
    }
    None
}

/// The Rollouts that gates of `rollout` name.
fn awaited(rollout: &Rollout) -> impl Iterator<Item = Path> {
    let own = rollout.namespace().unwrap_or_default();
    let others = rollout.spec.all_gates().filter_map(|gate| gate.rollouts.as_ref()).flatten();
    let paths: Vec<_> =
        others.map(|other| (other.namespace.clone().unwrap_or_else(|| own.clone()), other.name.clone())).collect();
    paths.into_iter()
}

fn path_of(rollout: &Rollout) -> Path {
    (rollout.namespace().unwrap_or_default(), rollout.name_any())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_phase(phase: Phase, ready: &str) -> RolloutStatus {
        let condition = json!({
            "type": "Ready", "status": ready, "reason": "It", "message": "", "lastTransitionTime": "2026-03-02T09:00:00Z",
        });
        RolloutStatus {
            phase,
            message: "its customers are failing: checkout of acme".to_owned(),
            conditions: vec![serde_json::from_value(condition).unwrap()],
            ..RolloutStatus::default()
        }
    }

    #[test]
    fn of_a_rollout_of_another_namespace_no_more_is_told_than_its_phase() {
        let own = standing(in_phase(Phase::Reverted, "True"), true);
        assert_eq!(own.as_deref(), Some("its customers are failing: checkout of acme"));
        assert_eq!(standing(in_phase(Phase::Reverted, "True"), false).as_deref(), Some("it is Reverted"));
        assert_eq!(standing(in_phase(Phase::Stable, "False"), false).as_deref(), Some("it is Stable, and not ready"));
        for is_neighbour in [true, false] {
            assert_eq!(standing(in_phase(Phase::Stable, "True"), is_neighbour), None);
        }
    }
}
