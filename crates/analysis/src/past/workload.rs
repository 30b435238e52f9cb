//! Revisions that are nobody's own: all of a workload's, and none.

use tidegate_api::RevisionStatus;

use crate::escape::ANY;

/// All revisions that `workload` ever had: in the past, none of them was the new one.
pub(super) fn any(workload: &str) -> RevisionStatus {
    RevisionStatus { revision: ANY.to_owned(), replica_set: format!("{workload}-{ANY}"), ..Default::default() }
}

/// A revision without pods. No name begins with a dash, so it has none of anybody else's.
pub(super) fn nobody() -> RevisionStatus {
    RevisionStatus::default()
}

/// The revision of a ReplicaSet of that name.
pub(super) fn of(replica_set: &str) -> RevisionStatus {
    let revision = replica_set.rsplit('-').next().unwrap_or_default().to_owned();
    RevisionStatus { revision, replica_set: replica_set.to_owned(), ..Default::default() }
}
