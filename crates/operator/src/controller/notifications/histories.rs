//! What Rollouts did, as their statuses say.

use std::sync::Arc;

use jiff::Timestamp;
use tidegate_notify::Subject;

use super::Told;
use crate::controller::caches::Caches;

/// After so many Rollouts, others have their turn.
const AT_ONCE: usize = 64;

/// All transitions after `since`, those of each Rollout in their order.
pub async fn after(caches: &Arc<Caches>, since: Timestamp) -> Vec<Told> {
    let mut all = Vec::new();
    for (place, watched) in caches.rollouts.state().into_iter().enumerate() {
        if place % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let Ok(rollout) = watched.open(caches.in_use()) else { continue };
        let history = rollout.status.iter().flat_map(|status| status.history.iter().rev());
        let transitions: Vec<_> = history.filter(|step| step.at > since).cloned().collect();
        if !transitions.is_empty() {
            all.push(Told { subject: Subject::of(&rollout), transitions });
        }
    }
    all
}
