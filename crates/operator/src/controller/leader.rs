//! One leader among the replicas of the operator, by a Lease.
//!
//! The lease is only ever written under the resourceVersion that was read, so two candidates cannot both win it.
//! Losing it ends leadership and not the process: a standby keeps its caches warm and may win again. The lease keeps
//! two leaders from working against each other; what protects users' objects from a leader that was paused between
//! its question and its write is the resourceVersion of those objects.

mod decision;
mod leadership;
#[cfg(test)]
mod tests;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use self::{
    decision::{Action, Observed, decide, held, holder, released},
    leadership::Tenure,
};

use tidegate_clock::Clock;

pub use self::leadership::Leadership;
use super::error::CallError;

/// How many times a resigning leader tries to put its lease down while somebody else edits the object.
const RESIGNATIONS: u32 = 3;

/// How long that may take altogether: a process that was asked to end does not wait for an API server that hangs.
const RESIGNING: Duration = Duration::from_secs(4);

/// Which lease is stood for, under which name, and how patiently.
#[derive(Debug, Clone)]
pub struct LeaseSettings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// The name of this process, which no other process ever has.
    pub identity: String,
    /// How it is timed.
    pub timing: Timing,
    /// What time the lease is said to be taken and renewed at; nobody decides by it.
    pub clock: Clock,
}

/// How long leases last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew: Duration,
    retry: Duration,
}

/// Timings under which two processes might lead at once, or none for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// A leader would still count on a lease that others may take.
    #[error("the lease duration ({0:?}) must be longer than the renew deadline ({1:?})")]
    Lease(Duration, Duration),
    /// A leader would not get a second try.
    #[error("the renew deadline ({0:?}) must be at least twice the retry period ({1:?})")]
    Renew(Duration, Duration),
    /// A candidate would ask without a pause.
    #[error("the retry period must not be zero")]
    Retry,
}

impl Timing {
    /// `lease`: how long others leave a lease alone that does not move. `renew`: how long a leader counts on its last
    /// renewal. `retry`: how often the lease is renewed, or looked at.
    ///
    /// # Errors
    /// Unless `lease > renew >= 2 × retry > 0`.
    pub fn new(lease: Duration, renew: Duration, retry: Duration) -> Result<Self, TimingError> {
        if retry.is_zero() {
            return Err(TimingError::Retry);
        }
        if renew < 2 * retry {
            return Err(TimingError::Renew(renew, retry));
        }
        if lease <= renew {
            return Err(TimingError::Lease(lease, renew));
        }
        Ok(Self { lease, renew, retry })
    }

    /// How long one look at the lease may take: two of them fit between a renewal and the renew deadline.
    fn attempt(self) -> Duration {
        self.renew / 2
    }
}

/// Stands for the lease, and keeps it while it has it.
pub struct Candidate {
    api: Api<Lease>,
    settings: LeaseSettings,
    /// The lease as this process wrote it last; a leader renews on top of it without reading.
    mine: Option<Lease>,
    observed: Option<Observed>,
    tenure: watch::Sender<Tenure>,
    terms: u64,
    jitter: StdRng,
    trouble: Option<String>,
}

impl Candidate {
    /// A candidate that does nothing until it is [`run`](Self::run), and the leadership that it may win.
    #[must_use]
    pub fn new(client: Client, settings: LeaseSettings) -> (Self, Leadership) {
        let (tenure, receiver) = watch::channel(Tenure::None);
        let mut seed = DefaultHasher::new();
        settings.identity.hash(&mut seed);
        let candidate = Self {
            api: Api::namespaced(client, &settings.namespace),
            mine: None,
            observed: None,
            tenure,
            terms: 0,
            // Identities differ, so candidates that were started together drift apart.
            jitter: StdRng::seed_from_u64(seed.finish()),
            trouble: None,
            settings,
        };
        (candidate, Leadership::new(receiver))
    }

    /// Stands for the lease until `shutdown`, then puts it down at once, so that another one need not wait.
    ///
    /// An API server that cannot be reached ends leadership at the renew deadline, and is asked again and again.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let campaign = async {
            loop {
                let pause = self.turn().await;
                sleep(pause).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown => {}
            () = campaign => {}
        }
        self.resign().await;
    }

    /// One look at the lease; how long to wait before the next.
    async fn turn(&mut self) -> Duration {
        let limit = self.settings.timing.attempt();
        // A leader looks up from a call that hangs at the latest when its tenure ends, and says so.
        let limit = self.tenure.borrow().left(Instant::now()).map_or(limit, |left| limit.min(left));
        let outcome = timeout(limit, self.attempt()).await;
        let now = Instant::now();
        let retry = self.settings.timing.retry;
        let pause = match outcome {
            Ok(Ok(Action::Write)) => {
                self.trouble = None;
                retry
            }
            Ok(Ok(Action::Wait { until })) => {
                self.trouble = None;
                self.end("another instance holds the lease");
                self.jittered(retry).min(until - now)
            }
            Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
                tracing::debug!(lease = self.settings.name, "another instance was faster");
                self.jittered(retry)
            }
            Ok(Err(error)) => {
                self.complain(CallError::from(error).to_string());
                self.jittered(retry)
            }
            Err(_) => {
                self.complain("the API server does not answer".to_owned());
                self.jittered(retry)
            }
        };
        if self.tenure.borrow().term(now).is_none() {
            self.end("the lease could not be renewed in time");
        }
        pause
    }

    /// Reads the lease unless it is known, and writes it if that is this process's to do.
    async fn attempt(&mut self) -> Result<Action, kube::Error> {
        // Taken, not borrowed: if the write below fails or is given up, the next attempt has to read.
        let lease = match self.mine.take() {
            Some(lease) => Some(lease),
            None => self.api.get_opt(&self.settings.name).await?,
        };
        let now = Instant::now();
        if let Some(lease) = &lease {
            self.observed = Some(Observed::look(self.observed.take(), lease, now));
        }
        let LeaseSettings { identity, timing, .. } = &self.settings;
        let action = decide(self.observed.as_ref(), identity, timing.lease, now);
        if action == Action::Write {
            // Others count from when they see this write, which is later: leadership ends here before they take over.
            let until = now + timing.renew;
            let written = self.write(lease).await?;
            self.observed = Some(Observed::look(None, &written, Instant::now()));
            self.mine = Some(written);
            self.lead(until);
        }
        Ok(action)
    }

    /// Puts this process's name on `lease`, or creates it.
    async fn write(&self, lease: Option<Lease>) -> Result<Lease, kube::Error> {
        let LeaseSettings { name, identity, timing, clock, .. } = &self.settings;
        let previous = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let spec = Some(held(previous, identity, timing.lease, clock.now()));
        if let Some(lease) = lease {
            return self.api.replace(name, &PostParams::default(), &Lease { spec, ..lease }).await;
        }
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        self.api.create(&PostParams::default(), &Lease { metadata, spec }).await
    }

    /// Ends leadership, then takes this process's name off the lease.
    async fn resign(self) {
        self.end("the process is shutting down");
        let putting_down = async {
            for _ in 0..RESIGNATIONS {
                match self.put_down().await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => {}
                    outcome => return outcome,
                }
            }
            Ok(())
        };
        match timeout(RESIGNING, putting_down).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %CallError::from(error), "the lease was not released; it runs out by itself");
            }
            Err(_) => tracing::warn!("the lease was not released in time; it runs out by itself"),
        }
    }

    /// Reads the lease and releases exactly what was read, if it is this process's: even one that was won by a write
    /// whose answer never came.
    async fn put_down(&self) -> Result<(), kube::Error> {
        let LeaseSettings { name, identity, clock, .. } = &self.settings;
        let Some(lease) = self.api.get_opt(name).await? else { return Ok(()) };
        let Some(spec) = lease.spec.as_ref().filter(|spec| holder(spec) == Some(identity)) else { return Ok(()) };
        let spec = Some(released(spec, clock.now()));
        self.api.replace(name, &PostParams::default(), &Lease { spec, ..lease }).await?;
        tracing::info!(lease = name, "the lease was released");
        Ok(())
    }

    fn lead(&mut self, until: Instant) {
        if self.tenure.borrow().term(Instant::now()).is_none() {
            self.terms += 1;
            tracing::info!(lease = self.settings.name, identity = self.settings.identity, "this instance leads");
        }
        self.tenure.send_replace(Tenure::Until { term: self.terms, until });
    }

    fn end(&self, reason: &str) {
        if self.tenure.send_replace(Tenure::None) != Tenure::None {
            tracing::info!(lease = self.settings.name, reason, "this instance no longer leads");
        }
    }

    /// Says what is wrong once, and not again while it stays the same.
    fn complain(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            let LeaseSettings { namespace, name, .. } = &self.settings;
            tracing::warn!(%trouble, "the lease {namespace}/{name} could not be read or written; trying again");
            self.trouble = Some(trouble);
        }
    }

    /// `pause`, give or take a quarter.
    fn jittered(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(self.jitter.random_range(0.75..1.25))
    }
}
