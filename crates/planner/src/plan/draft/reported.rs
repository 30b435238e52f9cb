//! What the status reports and no decision goes by: counts, conditions, and what was looked at.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tidegate_api::{RevisionStatus, WorkloadStatus};

use super::Draft;

impl Draft {
    /// Which generation of the Rollout was looked at.
    pub(in crate::plan) fn observe_generation(&mut self, generation: Option<i64>) {
        self.0.observed_generation = generation;
    }

    /// What the Deployment asks for.
    pub(in crate::plan) fn note_workload(&mut self, workload: Option<WorkloadStatus>) {
        self.0.workload = workload;
    }

    /// Fills in the pods of each revision by `count`, and of both together.
    pub(in crate::plan) fn count_pods(&mut self, count: impl Fn(&mut RevisionStatus)) {
        [&mut self.0.stable, &mut self.0.canary].into_iter().flatten().for_each(count);
        let revisions = [&self.0.stable, &self.0.canary];
        self.0.replicas = revisions.into_iter().flatten().map(|revision| revision.replicas).sum();
    }

    /// What selects the pods that the scale subresource speaks of.
    pub(in crate::plan) fn select(&mut self, selector: String) {
        self.0.selector = selector;
    }

    /// The conditions.
    pub(in crate::plan) fn set_conditions(&mut self, conditions: Vec<Condition>) {
        self.0.conditions = conditions;
    }
}
