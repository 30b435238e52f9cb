//! Who may write the lease, and what is written. Pure: the lease as seen, this machine's monotonic clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

/// The lease as it was last seen, and since when it has not changed.
///
/// Times inside the lease were written by another machine's wall clock and are never compared with ours: a holder
/// counts as gone only when its lease has stood still here for as long as the lease lasts, as client-go has it.
/// <https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go>
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    version: Option<String>,
    holder: Option<String>,
    lasts: Option<Duration>,
    since: Instant,
}

impl Observed {
    /// `lease` as it arrived at `now`. Only a lease with another resourceVersion starts the wait anew.
    pub(super) fn look(previous: Option<Self>, lease: &Lease, now: Instant) -> Self {
        let since = previous
            .filter(|previous| previous.version == lease.metadata.resource_version)
            .map_or(now, |previous| previous.since);
        let spec = lease.spec.as_ref();
        Self {
            version: lease.metadata.resource_version.clone(),
            holder: spec.and_then(holder).map(str::to_owned),
            lasts: spec
                .and_then(|spec| spec.lease_duration_seconds)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            since,
        }
    }

    /// Who held the lease.
    pub(super) fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }
}

/// What a candidate does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Write the lease: it is free, has run out, or is ours already.
    Write,
    /// Leave it alone: its holder may still be there until this instant, unless it moves before.
    Wait { until: Instant },
}

/// What the candidate called `me` does at `now` about the lease as it was last seen.
///
/// A lease that vanished still counts as held by the last holder that was seen: whoever deletes the object does not
/// stop that process. The holder says how long its lease lasts; `otherwise` stands in where it does not.
pub(super) fn decide(observed: Option<&Observed>, me: &str, otherwise: Duration, now: Instant) -> Action {
    let Some((observed, holder)) = observed.and_then(|observed| Some((observed, observed.holder()?))) else {
        return Action::Write;
    };
    let until = observed.since + observed.lasts.unwrap_or(otherwise);
    if holder == me || until <= now { Action::Write } else { Action::Wait { until } }
}

/// The holder, unless the lease was released: then the name is absent or empty.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// `previous` taken or renewed by `me` at `now`; the times are for people to read.
pub(super) fn held(previous: Option<&LeaseSpec>, me: &str, lasts: Duration, now: Timestamp) -> LeaseSpec {
    let now = MicroTime(now);
    let renewed = previous.filter(|spec| holder(spec) == Some(me));
    let acquired = renewed.and_then(|mine| mine.acquire_time.clone()).unwrap_or_else(|| now.clone());
    let transitions = previous.map_or(0, |spec| {
        let transitions = spec.lease_transitions.unwrap_or(0);
        if renewed.is_some() { transitions } else { transitions.saturating_add(1) }
    });
    LeaseSpec {
        acquire_time: Some(acquired),
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(seconds(lasts)),
        lease_transitions: Some(transitions),
        renew_time: Some(now),
        ..previous.cloned().unwrap_or_default()
    }
}

/// `previous` with nobody's name on it.
pub(super) fn released(previous: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec { holder_identity: None, renew_time: Some(MicroTime(now)), ..previous.clone() }
}

/// Whole seconds, rounded up: the lease must never seem to last shorter than its holder counts on.
fn seconds(lasts: Duration) -> i32 {
    let whole = lasts.as_secs() + u64::from(lasts.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    const LASTS: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);

    fn lease(version: &str, holder: &str) -> Lease {
        Lease {
            metadata: ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken() {
        let now = Instant::now();
        assert_eq!(decide(None, "a", LASTS, now), Action::Write);
        assert_eq!(decide(Some(&Observed::look(None, &lease("1", ""), now)), "a", LASTS, now), Action::Write);
        assert_eq!(decide(Some(&Observed::look(None, &lease("1", "a"), now)), "a", LASTS, now), Action::Write);
    }

    #[test]
    fn a_holder_is_replaced_when_its_lease_stood_still_for_all_its_time_and_not_earlier() {
        let start = Instant::now();
        let seen = Observed::look(None, &lease("1", "b"), start);
        let again = Observed::look(Some(seen), &lease("1", "b"), start + 10 * SECOND);
        let wait = Action::Wait { until: start + LASTS };
        assert_eq!(decide(Some(&again), "a", LASTS, start + Duration::from_millis(14_999)), wait);
        assert_eq!(decide(Some(&again), "a", LASTS, start + LASTS), Action::Write);
    }

    #[test]
    fn a_lease_that_moves_is_waited_for_anew() {
        let start = Instant::now();
        let seen = Observed::look(None, &lease("1", "b"), start);
        let moved = Observed::look(Some(seen), &lease("2", "b"), start + 10 * SECOND);
        let wait = Action::Wait { until: start + 10 * SECOND + LASTS };
        assert_eq!(decide(Some(&moved), "a", LASTS, start + 20 * SECOND), wait);
    }

    #[test]
    fn the_holder_says_how_long_its_lease_lasts() {
        let start = Instant::now();
        let mut long = lease("1", "b");
        long.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        let seen = Observed::look(None, &long, start);
        let wait = Action::Wait { until: start + 60 * SECOND };
        assert_eq!(decide(Some(&seen), "a", LASTS, start + 59 * SECOND), wait);

        long.spec.as_mut().unwrap().lease_duration_seconds = Some(0);
        let seen = Observed::look(None, &long, start);
        assert_eq!(decide(Some(&seen), "a", LASTS, start), Action::Wait { until: start + LASTS });
    }

    #[test]
    fn renewing_keeps_the_time_of_acquisition_and_the_count_of_transitions() {
        let first = held(None, "a", LASTS, at(100));
        assert_eq!((first.lease_transitions, first.lease_duration_seconds), (Some(0), Some(15)));

        let renewed = held(Some(&first), "a", LASTS, at(102));
        assert_eq!((&renewed.acquire_time, renewed.lease_transitions), (&first.acquire_time, Some(0)));
        assert_eq!(renewed.renew_time, Some(MicroTime(at(102))));

        let taken = held(Some(&renewed), "b", LASTS, at(120));
        assert_eq!((taken.acquire_time.clone(), taken.lease_transitions), (Some(MicroTime(at(120))), Some(1)));

        let free = released(&taken, at(130));
        assert_eq!((holder(&free), free.lease_transitions), (None, Some(1)));
        assert_eq!(held(Some(&free), "b", LASTS, at(131)).lease_transitions, Some(2));
    }

    #[test]
    fn a_lease_never_seems_shorter_than_it_is() {
        assert_eq!(held(None, "a", Duration::from_millis(1500), at(0)).lease_duration_seconds, Some(2));
    }
}
