//! Whether this process leads, for everybody who is about to write.

use std::{future::pending, time::Duration};

use tokio::{sync::watch, time::Instant};

/// How long this process may count on leading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenure {
    /// It does not lead.
    None,
    /// It leads until this instant unless the lease is renewed before. Terms are counted so that one that ended and
    /// began again between two looks is not mistaken for the same one.
    Until { term: u64, until: Instant },
    /// There is no election.
    Always,
}

impl Tenure {
    /// The term that is running at `now`.
    pub(super) fn term(self, now: Instant) -> Option<u64> {
        match self {
            Self::Until { term, until } if now < until => Some(term),
            Self::None | Self::Until { .. } => None,
            Self::Always => Some(0),
        }
    }

    /// How long after `now` the term lasts unless it is renewed.
    pub(super) fn left(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Until { until, .. } if now < until => Some(until - now),
            Self::None | Self::Until { .. } | Self::Always => None,
        }
    }
}

/// Whether this process leads: to be asked before every write.
///
/// It answers from the local monotonic clock, so leadership ends at the renew deadline even when whoever renews the
/// lease is stuck or gone.
#[derive(Debug, Clone)]
pub struct Leadership {
    tenure: watch::Receiver<Tenure>,
    seen: Option<u64>,
}

impl Leadership {
    pub(super) fn new(tenure: watch::Receiver<Tenure>) -> Self {
        Self { tenure, seen: None }
    }

    /// Leads as long as the process lives: there is no election.
    #[must_use]
    pub fn always() -> Self {
        Self::new(watch::channel(Tenure::Always).1)
    }

    /// Whether this process leads now.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.term().is_some()
    }

    /// Waits until leadership began or ended since this was last called; the first call compares with not leading.
    ///
    /// It also returns when leadership ended and began again in between: another process may have led meanwhile.
    pub async fn changed(&mut self) {
        loop {
            let tenure = *self.tenure.borrow_and_update();
            let term = tenure.term(Instant::now());
            if term != self.seen {
                self.seen = term;
                return;
            }
            let lapse = async {
                match tenure {
                    Tenure::Until { until, .. } if term.is_some() => tokio::time::sleep_until(until).await,
                    _ => pending().await,
                }
            };
            let news = async {
                if self.tenure.changed().await.is_err() {
                    pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = lapse => {}
                () = news => {}
            }
        }
    }

    fn term(&self) -> Option<u64> {
        self.tenure.borrow().term(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn without_an_election_the_process_leads_from_the_start() {
        let mut leadership = Leadership::always();
        assert!(leadership.is_leader());
        leadership.changed().await;
        assert!(tokio::time::timeout(1000 * SECOND, leadership.changed()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn leadership_lapses_although_nobody_says_so() {
        let (tenure, receiver) = watch::channel(Tenure::None);
        let mut leadership = Leadership::new(receiver);
        let start = Instant::now();
        tenure.send_replace(Tenure::Until { term: 1, until: start + 10 * SECOND });
        drop(tenure);

        leadership.changed().await;
        assert!(leadership.is_leader());
        leadership.changed().await;
        assert!(!leadership.is_leader());
        assert!(start.elapsed() >= 10 * SECOND && start.elapsed() < 11 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn another_term_is_news_and_a_renewal_is_not() {
        let (tenure, receiver) = watch::channel(Tenure::None);
        let mut leadership = Leadership::new(receiver);
        let until = |seconds: u32| Instant::now() + seconds * SECOND;
        tenure.send_replace(Tenure::Until { term: 1, until: until(10) });
        leadership.changed().await;

        tenure.send_replace(Tenure::Until { term: 1, until: until(12) });
        assert!(tokio::time::timeout(SECOND, leadership.changed()).await.is_err());

        tenure.send_replace(Tenure::None);
        tenure.send_replace(Tenure::Until { term: 2, until: until(10) });
        tokio::time::timeout(SECOND, leadership.changed()).await.unwrap();
        assert!(leadership.is_leader());
    }
}
