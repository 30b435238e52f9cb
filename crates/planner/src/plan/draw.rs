//! Who stays on which version: users that were drawn once, by a cookie that is good for one draw.

use tidegate_api::{Draw, Percent};

use crate::plan::Plan;

impl Plan<'_> {
    /// How users come to the versions that they stay on, now that those who are known came to theirs at a weight of
    /// `before`. A cookie of another draw, with another share, must not lead anybody.
    pub(super) fn drawn(&self, anew: bool, before: Percent) -> Option<Draw> {
        let version = self.status.canary.as_ref().filter(|_| self.rollout.spec.keeps_users())?;
        let known = self.status.stage.as_ref().and_then(|stage| stage.draw.clone()).filter(|_| !anew);
        Some(match known {
            Some(known) => Draw { before, ..known },
            None => Draw { id: format!("{}-{:x}", version.revision, self.now.as_second()), before: Percent::ZERO },
        })
    }

    /// The same when the present stage asks for `weight`, whatever it asked for until now.
    pub(super) fn drawn_again(&self, weight: Percent) -> Option<Draw> {
        let stage = self.status.stage.as_ref()?;
        let in_force = stage.since.map(|_| stage.own_weight());
        let before = in_force.or(stage.draw.as_ref().map(|draw| draw.before)).unwrap_or_default();
        self.drawn(weight < stage.weight, before)
    }
}
