//! `status.route`, `status.zeroWeightsRefused` and `status.takenBack`: what the routes are to say.

use tidegate_api::{RouteMode, TakenBack};

use super::Draft;

impl Draft {
    /// What the routes lead to from now on.
    pub(in crate::plan) fn lead_routes(&mut self, to: RouteMode) {
        self.0.route = to;
    }

    /// Whether backends of weight 0 are left out from now on, since a gateway refuses them; whether they were until now.
    pub(in crate::plan) fn leave_out_zero_weights(&mut self, leave_out: bool) -> bool {
        std::mem::replace(&mut self.0.zero_weights_refused, leave_out)
    }

    /// The routes of a version were taken back.
    pub(in crate::plan) fn take_back(&mut self, taken_back: TakenBack) {
        self.0.taken_back = Some(taken_back);
    }
}
