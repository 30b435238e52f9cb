//! What the checks said at the last look, for as long as the stage's cadence lets it stand.
//!
//! Looks that come rarely lose nothing: counters are read block by block up to where the last look had come, and a query for
//! each of its instants since.

use jiff::Timestamp;
use tidegate_api::{CheckStatus, Verdict};

use super::{
    analyzer::{AnalysisRequest, AnalysisResult},
    grid::{later, span},
};

/// A look at the checks of a stage that has a cadence.
#[derive(Debug)]
pub(super) struct LastLook {
    stage: String,
    since: Timestamp,
    at: Timestamp,
    /// When to look again whatever the cadence says: the answer was not final.
    soon: Option<Timestamp>,
    said: AnalysisResult,
}

impl LastLook {
    /// The look of `request`, which `said` this; nothing where no cadence spaces looks out.
    pub(super) fn new(request: &AnalysisRequest<'_>, soon: Option<Timestamp>, said: &AnalysisResult) -> Option<Self> {
        let since = request.since?;
        let last = Self { stage: request.stage.name.clone(), since, at: request.now, soon, said: said.clone() };
        last.next(request).map(|_| last)
    }

    /// When the next look is due, as the spec has it now; nothing where what was said does not stand any more.
    pub(super) fn next(&self, request: &AnalysisRequest<'_>) -> Option<Timestamp> {
        let is_of_stage = self.stage == request.stage.name && Some(self.since) == request.since;
        let due = later(self.since, request.stage.next_look(span(self.since, self.at)).filter(|_| is_of_stage)?);
        Some(self.soon.map_or(due, |soon| soon.min(due)))
    }

    /// What was said, where that stands at the time of `request`.
    pub(super) fn stands(&self, request: &AnalysisRequest<'_>) -> Option<AnalysisResult> {
        let next = self.next(request).filter(|next| request.now < *next)?;
        Some(AnalysisResult { next, outage: None, ..self.said.clone() })
    }
}

/// When there may be enough to leave the stage, where its bake is over and `checks` say how much longer that takes: it does
/// not wait for the next look of a cadence.
pub(super) fn enough_at(request: &AnalysisRequest<'_>, checks: &[CheckStatus]) -> Option<Timestamp> {
    request.since.filter(|since| span(*since, request.now) >= request.stage.bake().duration())?;
    let undecided = checks.iter().filter(|check| check.verdict == Verdict::NeedMoreData);
    let times: Option<Vec<_>> = undecided.map(|check| check.more_time).collect();
    Some(later(request.now, times?.into_iter().max()?.duration()))
}

#[cfg(test)]
mod tests;
