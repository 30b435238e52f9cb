//! The conditions that keep the plan safe, each with a name, so that tests can take one out.
//!
//! An invariant that no run ever breaks says little: perhaps nothing looks at it. So each of these conditions is
//! taken out in turn (`tests/bite.rs`), and the invariant that it stands for has to break. Nothing of this is left
//! outside of tests: there [`stands`] is `true`, known to the compiler.

/// What a condition of the plan keeps true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Weight goes to nothing but a backend with ready endpoints of its revision.
    ReadyBackends,
    /// The weight grows by one stage, and for a passed gate alone.
    OneStepPerGate,
    /// A stage is left when every check that decides says Pass, from data.
    Evidence,
    /// A stage is left when its bake is over.
    Bake,
    /// `spec.paused` stops whatever goes on by itself.
    Pause,
    /// A weight is in force when the gateway has said so, not when it was written.
    Acceptance,
    /// Pods go when no route gives them traffic any more.
    RouteBeforePods,
    /// Pods go when their requests have had the time to drain.
    DrainBeforePods,
    /// The Services of the revisions go when requests by way of them have had the time to drain.
    DrainBeforeServices,
    /// Pods of stable go when as many of the new version serve.
    StableCapacity,
    /// A weight grows, of the new version or of stable on the way back, no further than its ready pods carry it.
    CarriedWeight,
    /// There are no more pods than `maxSurge` allows.
    MaxSurge,
    /// A version starts when the one before it has no pods any more.
    OneCanary,
    /// A version that failed stays off.
    FailedStaysFailed,
    /// Histories have a longest length.
    BoundedHistories,
}

/// Whether a condition is to be kept: always, but for the tests that prove what for.
#[cfg(not(test))]
pub(super) const fn stands(_: Guard) -> bool {
    true
}

#[cfg(test)]
pub(super) use in_tests::{stands, without};

#[cfg(test)]
mod in_tests {
    use std::cell::Cell;

    use super::Guard;

    thread_local! {
        static TAKEN_OUT: Cell<Option<Guard>> = const { Cell::new(None) };
    }

    pub fn stands(guard: Guard) -> bool {
        TAKEN_OUT.get() != Some(guard)
    }

    /// Does something while `guard` is taken out, on this thread.
    pub fn without<T>(guard: Guard, act: impl FnOnce() -> T) -> T {
        TAKEN_OUT.set(Some(guard));
        let done = act();
        TAKEN_OUT.set(None);
        done
    }
}
