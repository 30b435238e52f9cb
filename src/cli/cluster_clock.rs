//! What time it is in the cluster, as its API server says in the header `Date` of each answer: ages and deadlines are told by it.
//! A laptop may be minutes off, and the cluster of the demo is a day behind and hurries.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http::{Request, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::{Client, client::Body};
use tokio::{task::AbortHandle, time::sleep};

/// Clocks that are no further apart are the same: the header has whole seconds, and an answer takes its time.
const SAME: SignedDuration = SignedDuration::from_secs(2);

/// A clock that is further off may also go at another pace.
const FAR: SignedDuration = SignedDuration::from_mins(1);

/// The time in the cluster now; the one here, where it does not say.
pub async fn now(client: &Client) -> Timestamp {
    let ahead = asked(client).await.unwrap_or_default();
    moved(Timestamp::now(), ahead)
}

/// The cluster's clock, looked at for as long as this lives.
pub struct ClusterClock {
    /// How far it is ahead of the one here, in milliseconds.
    ahead: Arc<AtomicI64>,
    looking: AbortHandle,
}

impl ClusterClock {
    /// Begins to look at it: every minute, and twice a second where it is far off.
    pub fn follow(client: Client) -> Self {
        let ahead = Arc::new(AtomicI64::new(0));
        let known = ahead.clone();
        let look = async move {
            loop {
                let found = asked(&client).await;
                if let Some(ahead) = found {
                    known.store(i64::try_from(ahead.as_millis()).unwrap_or(0), Ordering::Relaxed);
                }
                let is_far = found.is_some_and(|ahead| ahead.abs() > FAR);
                sleep(if is_far { Duration::from_millis(500) } else { Duration::from_mins(1) }).await;
            }
        };
        Self { ahead, looking: tokio::spawn(look).abort_handle() }
    }

    /// The time in the cluster now.
    pub fn now(&self) -> Timestamp {
        moved(Timestamp::now(), SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed)))
    }
}

impl Drop for ClusterClock {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

/// How far the cluster's clock is ahead of the one here. Whoever may ask nothing else may ask for the version.
async fn asked(client: &Client) -> Option<SignedDuration> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let answer = client.send(request).await.ok()?;
    ahead(answer.headers().get(DATE)?.to_str().ok()?, Timestamp::now())
}

/// The same by the header, read at `here`.
fn ahead(date: &str, here: Timestamp) -> Option<SignedDuration> {
    let there = rfc2822::parse(date).ok()?.timestamp();
    let ahead = there.duration_since(here);
    Some(if ahead.abs() <= SAME { SignedDuration::ZERO } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_a_day_behind_is_told_by_its_date() {
        let here: Timestamp = "2026-03-03T09:00:00.4Z".parse().unwrap();
        let behind = ahead("Mon, 02 Mar 2026 09:00:00 GMT", here).unwrap();
        assert_eq!(moved(here, behind).to_string(), "2026-03-02T09:00:00Z");
    }

    #[test]
    fn clocks_that_are_a_moment_apart_are_the_same() {
        let here: Timestamp = "2026-03-02T09:00:01.9Z".parse().unwrap();
        assert_eq!(ahead("Mon, 02 Mar 2026 09:00:00 GMT", here), Some(SignedDuration::ZERO));
    }

    #[test]
    fn what_is_no_date_is_none() {
        assert_eq!(ahead("yesterday", Timestamp::UNIX_EPOCH), None);
    }
}
