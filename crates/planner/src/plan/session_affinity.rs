//! Session affinity: users stay on the version that they were given once, by a cookie that is good for one generation.

use tidegate_api::{Percent, SessionGeneration};

use crate::plan::Planner;

impl Planner<'_> {
    /// How users come to the versions that they stay on, now that those who are known came to theirs at a weight of
    /// `before`. A cookie of another generation, with another share, must not lead anybody.
    pub(super) fn next_generation(&self, anew: bool, before: Percent) -> Option<SessionGeneration> {
        let version = self.status.canary.as_ref().filter(|_| self.rollout.spec.keeps_users())?;
        let known = self.status.stage.as_ref().and_then(|stage| stage.session_generation.clone()).filter(|_| !anew);
        Some(match known {
            Some(known) => SessionGeneration { before, ..known },
            None => SessionGeneration {
                id: format!("{}-{:x}", version.revision, self.now.as_second()),
                before: Percent::ZERO,
            },
        })
    }

    /// The same when the present stage asks for `weight`, whatever it asked for until now.
    pub(super) fn generation_at(&self, weight: Percent) -> Option<SessionGeneration> {
        let stage = self.status.stage.as_ref()?;
        let in_force = stage.since.map(|_| stage.own_weight());
        let before = in_force.or(stage.session_generation.as_ref().map(|known| known.before)).unwrap_or_default();
        self.next_generation(weight < stage.weight, before)
    }
}
