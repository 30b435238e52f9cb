//! Waiting for many Rollouts.

use std::time::Duration;

use anyhow::Result;

use crate::shop::Place;

/// How long anything may take; far more than it should.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Waits until `holds` was true of each of `places`, one after the other: to look at all of them each time would cost
/// more than what is measured.
pub async fn each(what: &str, places: &[Place], holds: impl Fn(&Place) -> bool) -> Result<()> {
    let mut waiting = places.iter().peekable();
    tidegate_testkit::wait::until(what, PATIENCE, || {
        while waiting.next_if(|place| holds(place)).is_some() {}
        let done = waiting.peek().is_none();
        async move { done.then_some(()) }
    })
    .await
}
