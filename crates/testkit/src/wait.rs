//! Waiting for a condition, with a sentence for the day it does not come true.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How soon a condition is looked at again at first.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How soon at the latest: a dozen behaviours wait side by side, and each look takes time from the others.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// Looks until `look` finds something, each time after a pause of a tenth of what it has waited; `what` completes the
/// sentence "waited … for …".
pub async fn until<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        let waited = began.elapsed();
        if waited >= deadline {
            bail!("waited {deadline:?} in vain for {what}");
        }
        sleep((waited / 10).clamp(FIRST_PAUSE, LONGEST_PAUSE)).await;
    }
}
