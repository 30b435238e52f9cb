//! How soon the canary gets no request any more, and how much of that the gateway takes.

use std::fmt;

use jiff::Timestamp;
use tidegate_testkit::snapshot::{share, weights};

use crate::scenes::Played;

/// One revert, in milliseconds from the commit of the status that orders it, as a watch shows it.
pub struct Revert {
    /// Until Envoy was given the route without weight; with Traefik, when it said that it follows it.
    given: i64,
    /// Until the gateway said that it follows it.
    followed: i64,
    /// Until the last request reached the canary.
    last: i64,
}

impl Revert {
    /// The one that was committed at a moment; nothing if the weight never went back.
    pub fn of(played: &Played, canary: &str, committed: Timestamp) -> Option<Self> {
        let back = played.history.iter().rev().find(|in_force| share(&weights(&in_force.backends)) == Some(0))?;
        let since = |at: Timestamp| at.as_millisecond() - committed.as_millisecond();
        let last = played.receipt.last_of(canary)?;
        Some(Self { given: since(back.reload.began), followed: since(back.reload.done), last: since(last) })
    }
}

/// The longest time from a commit to the last request.
pub fn longest(played: &[Played]) -> i64 {
    played.iter().filter_map(|played| played.revert.as_ref()).map(|revert| revert.last).max().unwrap_or_default()
}

/// All reverts, and all reloads.
pub struct Reverts<'a>(pub &'a [Played]);

impl fmt::Display for Reverts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "milliseconds from the commit of a revert, until …")?;
        writeln!(f, "  {:<20} {:>12} {:>12} {:>12}", "", "given", "followed", "last request")?;
        for played in self.0 {
            if let Some(Revert { given, followed, last }) = &played.revert {
                writeln!(f, "  {:<20} {given:>12} {followed:>12} {last:>12}", played.name)?;
            }
        }
        let all = self.0.iter().flat_map(|played| &played.history);
        let took =
            |reload: tidegate_testkit::envoy::Reload| reload.done.duration_since(reload.began).as_secs_f64() * 1000.0;
        let mut reloads: Vec<_> = all.map(|in_force| took(in_force.reload)).collect();
        reloads.sort_by(f64::total_cmp);
        let (median, max) = (reloads.get(reloads.len() / 2), reloads.last());
        let (median, max) = (median.copied().unwrap_or_default(), max.copied().unwrap_or_default());
        writeln!(
            f,
            "the gateway's own reload, as far as it tells, {} of them: median {median:.1} ms, longest {max:.1} ms",
            reloads.len()
        )
    }
}
