//! Scaling without a rollout: of a paused Deployment, and of one that was scaled in the middle of one.

use std::sync::Arc;

use tidegate_apiserver::Refusal;

use super::Revisions;
use crate::controllers::{
    ReconcileContext,
    cache::{Deployment, ReplicaSet, Strategy},
};

/// Whether the Deployment was scaled since it last scaled a ReplicaSet.
pub(super) fn is_due(deployment: &Deployment, revisions: &Revisions) -> bool {
    let mut active = revisions.all().filter(|set| set.is_active());
    active.any(|set| set.desired.is_some_and(|desired| desired != deployment.replicas))
}

/// Gives the count to the only ReplicaSet that has pods, or else to the newest; shares it out among several.
pub(super) fn scale(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &mut Revisions,
) -> Result<(), Refusal> {
    match active_or_latest(revisions) {
        Some(Choice::New) => revisions.scale_new(context, deployment, deployment.replicas).map(drop),
        Some(Choice::Old(place)) => revisions.scale_old(context, deployment, place, deployment.replicas).map(drop),
        None if is_saturated(deployment, revisions) => {
            for place in 0..revisions.old.len() {
                revisions.scale_old(context, deployment, place, 0)?;
            }
            Ok(())
        }
        None if matches!(deployment.strategy, Strategy::RollingUpdate { .. }) => {
            share_out(context, deployment, revisions)
        }
        None => Ok(()),
    }
}

enum Choice {
    New,
    Old(usize),
}

/// The only ReplicaSet with pods; without any the new one, or else the latest of the old.
fn active_or_latest(revisions: &Revisions) -> Option<Choice> {
    let active_old: Vec<usize> =
        revisions.old.iter().enumerate().filter(|(_, set)| set.is_active()).map(|(place, _)| place).collect();
    let new_is_active = revisions.new.as_ref().is_some_and(|set| set.is_active());
    match (active_old.as_slice(), new_is_active) {
        ([], _) if revisions.new.is_some() => Some(Choice::New),
        ([], _) => revisions.old.len().checked_sub(1).map(Choice::Old),
        ([only], false) => Some(Choice::Old(*only)),
        _ => None,
    }
}

fn is_saturated(deployment: &Deployment, revisions: &Revisions) -> bool {
    revisions.new.as_ref().is_some_and(|set| {
        set.replicas == deployment.replicas
            && set.desired == Some(deployment.replicas)
            && set.seen.available == deployment.replicas
    })
}

/// Each gets its part of what is to be added or taken, by its size; what rounding leaves goes to the largest.
///
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#proportional-scaling>
fn share_out(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &mut Revisions,
) -> Result<(), Refusal> {
    let allowed = if deployment.replicas > 0 { deployment.replicas.saturating_add(deployment.max_surge()) } else { 0 };
    let change = allowed - revisions.asked();
    let mut sets: Vec<Arc<ReplicaSet>> = revisions.all().filter(|set| set.is_active()).cloned().collect();
    // The larger ones first; of the same size the newer ones where pods come, the older ones where they go.
    sets.sort_by(|a, b| {
        let by_age = a.meta.age().cmp(&b.meta.age());
        b.replicas.cmp(&a.replicas).then(if change > 0 { by_age.reverse() } else { by_age })
    });
    let mut given = 0;
    let mut counts = Vec::new();
    for set in &sets {
        let part = part_of(set, deployment, change, given);
        given += part;
        counts.push(set.replicas.saturating_add(part));
    }
    if let Some(first) = counts.first_mut() {
        *first = first.saturating_add(change - given).max(0);
    }
    for (set, count) in sets.iter().zip(counts) {
        // Even an unchanged count is written: with it goes the note that the new size was seen.
        super::scale(context, deployment, &set.meta.key, count)?;
        for known in revisions.old.iter_mut().chain(&mut revisions.new) {
            if known.meta.uid == set.meta.uid {
                Arc::make_mut(known).replicas = count;
            }
        }
    }
    Ok(())
}

fn part_of(set: &ReplicaSet, deployment: &Deployment, change: i32, given: i32) -> i32 {
    if set.replicas == 0 || change == 0 || change == given {
        return 0;
    }
    let part = if deployment.replicas == 0 {
        -set.replicas
    } else {
        let before = set.maximum.filter(|maximum| *maximum > 0).unwrap_or_else(|| deployment.seen_replicas().max(1));
        let largest = f64::from(deployment.replicas.saturating_add(deployment.max_surge()));
        let size = (f64::from(set.replicas) * largest / f64::from(before)).round();
        #[expect(clippy::cast_possible_truncation, reason = "rounded, and casts of floats saturate")]
        let size = size as i32;
        size - set.replicas
    };
    let left = change - given;
    if change > 0 { part.min(left) } else { part.max(left) }
}
