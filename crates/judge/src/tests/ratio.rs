//! Another way to compare two versions, as a cross-check: by which of them the bad requests came from.

use crate::proportion::Proportion;

/// By how much `canary` and `stable` speak for the canary being `ratio` times as bad as stable rather than `tolerated`
/// times, as a logarithm: given that a request was bad, the canary had it with a probability that does not depend on how
/// bad stable is.
pub(super) fn ratio(canary: Proportion, stable: Proportion, ratio: f64, tolerated: f64) -> f64 {
    let part = |times: f64| times * canary.total / (times * canary.total + stable.total);
    let (alternative, null) = (part(ratio), part(tolerated));
    canary.bad * (alternative / null).ln() + stable.bad * ((1.0 - alternative) / (1.0 - null)).ln()
}
