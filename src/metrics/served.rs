//! How the requests of the present stage were divided between the versions, by the counters that the checks read anyway.

use std::time::Duration;

use super::{asked::Plan, fault::Counting, grid::later};
use crate::judge::{Arm, Block, Divided, Division, Meaning, Series};

/// At least so long after a weight came into force, requests may still be divided by the one before: a gateway may follow
/// what it has accepted a little later.
const LATE: Duration = Duration::from_secs(5);

/// The requests of the stage that settled blocks have come to.
#[derive(Debug, Default)]
pub(super) struct ServedWatch {
    place: usize,
    division: Option<Division>,
}

impl ServedWatch {
    /// Takes in what was settled of a stretch in the stage at `place`, one block for each measure, by counters that are
    /// scraped so far apart: all measures count the same requests.
    ///
    /// A counter shows what was up to its last scrape, which may be from before the weight: the first two scrapes do not
    /// count. Nor does a block of which only one version is known, or one in which other weights were in force.
    pub(super) fn take(
        &mut self,
        plan: &Plan,
        (place, scrape): (usize, Option<Duration>),
        blocks: &[Block],
        series: &[Series],
    ) {
        let mut since = plan.stages.iter().take(place + 1).skip(self.place + 1);
        if since.any(|stage| stage.part.is_none()) {
            self.division = None;
        }
        self.place = self.place.max(place);
        let stage = plan.stages.get(place).filter(|stage| !stage.is_disturbed());
        let Some(((stage, scrape), block)) = stage.zip(scrape).zip(blocks.first()) else { return };
        let is_settled = block.start >= later(stage.since, LATE.max(2 * scrape));
        if is_settled && [Arm::Canary, Arm::Stable].into_iter().all(|arm| is_counted(arm, series)) {
            let new = || Division::new(plan.block(scrape), scrape);
            self.division.get_or_insert_with(new).take(block);
        }
    }

    /// How requests were divided in the last of the plan's stages; nothing while too little is known of it.
    pub(super) fn divided(&self, plan: &Plan) -> Option<Divided> {
        let is_by_gateway = plan.source.counting == Counting::Gateway;
        let served = self.division.as_ref()?.served().filter(|_| self.place + 1 == plan.stages.len())?;
        Some(Divided { served, is_by_gateway })
    }
}

/// Whether there is a counter of all requests of a version.
fn is_counted(arm: Arm, series: &[Series]) -> bool {
    series.iter().any(|series| series.arm == arm && series.meaning != Meaning::Failures)
}
