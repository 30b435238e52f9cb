//! What stable was like before the rollout began: read once, and known for as long as the evidence is.

use std::time::Duration;

use tidegate_judge::Baseline;
use tokio::time::Instant;

use super::{HISTORY, Tracker};
use crate::{error::QueryError, history, prometheus::Prometheus};

impl Tracker {
    /// Learns what stable was like before the rollout began.
    pub(super) async fn learn(
        &mut self,
        prometheus: &Prometheus,
        block: Duration,
        deadline: Instant,
    ) -> Result<(), QueryError> {
        if self.lacks_history() {
            let asked = (&self.plan, &self.asked(), self.volume.weight());
            self.teach(history::read(prometheus, asked, (block, HISTORY), deadline).await?);
        }
        Ok(())
    }

    /// Whether something is counted of which nobody knows what stable was like.
    pub(crate) fn lacks_history(&self) -> bool {
        !self.plan.measures().iter().all(|measure| self.baselines.iter().any(|(known, _)| known == measure))
    }

    /// Takes what stable was like before, for each of the plan's measures.
    pub(crate) fn teach(&mut self, learned: Vec<Baseline>) {
        let known = |learned: Baseline| learned.with_overdispersion(self.plan.overdispersion);
        self.baselines = self.plan.measures().into_iter().zip(learned.into_iter().map(known)).collect();
        if self.evidence.is_empty() {
            self.evidence = self.fresh(self.place);
        }
    }
}
