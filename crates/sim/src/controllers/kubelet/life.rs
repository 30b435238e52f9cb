//! The life of one pod on its node.

use std::time::Duration;

use jiff::Timestamp;

use super::{Ending, PodBehaviour};
use crate::controllers::{ReconcileContext, reconcile_context::later};

/// The pause after the second crash, or the first failed pull; each one more doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A container that ran for so long has its crashes forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_mins(10);

/// Where a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its containers are being made.
    Starting,
    /// Its image could not be pulled.
    Pulling,
    /// It runs.
    Running {
        /// Whether it passes its readiness probe.
        ready: bool,
    },
    /// It crashed, and waits to be started again.
    Crashed,
    /// It was thrown off its node.
    Evicted,
    /// It has done what it was for.
    Completed(Ending),
}

/// The life of one pod on its node.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub uid: String,
    pub node: String,
    pub ip: String,
    pub stage: Stage,
    /// When it last changed between ready and not.
    pub turned: Timestamp,
    /// When its node first heard of it.
    pub accepted: Timestamp,
    /// When its containers last started.
    pub started: Timestamp,
    pub restarts: u32,
    /// How many crashes or failed pulls in a row are held against it.
    failures: u32,
    /// When the next step of its stage is due.
    next: Option<Timestamp>,
    /// When it will crash.
    crash: Option<Timestamp>,
    /// When it will have done what it is for, and how that ends.
    completion: Option<(Timestamp, Ending)>,
    /// When it will have ended, once it was told to.
    end: Option<Timestamp>,
}

impl Life {
    /// A pod that was just given to a node.
    pub(super) fn new(
        context: &mut ReconcileContext<'_>,
        uid: &str,
        node: &str,
        ip: String,
        behaviour: &PodBehaviour,
    ) -> Self {
        let next = later(context.now, behaviour.starts_after.draw(context.rng));
        Self {
            uid: uid.to_owned(),
            node: node.to_owned(),
            ip,
            stage: Stage::Starting,
            turned: context.now,
            accepted: context.now,
            started: context.now,
            restarts: 0,
            failures: 0,
            next: Some(next),
            crash: None,
            completion: None,
            end: None,
        }
    }

    /// Whether its containers run.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    /// Whether it has ever run.
    pub(super) fn has_run(&self) -> bool {
        self.is_running() || self.restarts > 0
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.end {
            Some(end) => Some(end),
            None => self.next.into_iter().chain(self.crash).chain(self.completion.map(|(at, _)| at)).min(),
        }
    }

    /// Takes the steps that are due. Whether there is anything to tell.
    pub(super) fn step(&mut self, context: &mut ReconcileContext<'_>, behaviour: &PodBehaviour) -> bool {
        let before = (self.stage, self.failures);
        if self.crash.is_some_and(|time| time <= context.now) {
            self.crash(context.now);
        } else if let Some((_, ending)) = self.completion.filter(|(time, _)| *time <= context.now) {
            self.complete(context.now, ending);
        } else if self.next.is_some_and(|time| time <= context.now) {
            self.next = None;
            match self.stage {
                Stage::Starting | Stage::Pulling if !behaviour.pulls => self.fail_to_pull(context.now),
                Stage::Starting | Stage::Pulling | Stage::Crashed => self.start(context, behaviour),
                Stage::Running { ready } => self.turn(context.now, !ready),
                Stage::Evicted | Stage::Completed(_) => {}
            }
        }
        before != (self.stage, self.failures)
    }

    /// Behaves differently from now on.
    pub(super) fn adapt(&mut self, context: &mut ReconcileContext<'_>, behaviour: &PodBehaviour) {
        if let Stage::Running { ready } = self.stage {
            self.crash = behaviour.crashes_after.map(|delay| later(context.now, delay.draw(context.rng)));
            self.next = match (ready, behaviour.ready_after) {
                (true, None) => Some(context.now),
                (false, Some(delay)) => Some(later(context.now, delay.draw(context.rng))),
                _ => None,
            };
        }
    }

    /// Begins to end, unless it does already. What never ran ends at once.
    pub(super) fn end(&mut self, context: &mut ReconcileContext<'_>, grace: Duration, behaviour: &PodBehaviour) {
        if self.end.is_none() {
            let delay =
                if self.is_running() { behaviour.ends_after.draw(context.rng).min(grace) } else { Duration::ZERO };
            self.end = Some(later(context.now, delay));
        }
    }

    /// Whether it has ended after it was told to.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Is to crash now, if it runs.
    pub(super) fn crash_now(&mut self, now: Timestamp) {
        self.crash = Some(now).filter(|_| self.is_running());
    }

    /// Is thrown off its node.
    pub(super) fn evict(&mut self, now: Timestamp) {
        (self.stage, self.turned) = (Stage::Evicted, now);
        (self.next, self.crash, self.completion) = (None, None, None);
    }

    fn start(&mut self, context: &mut ReconcileContext<'_>, behaviour: &PodBehaviour) {
        self.stage = Stage::Running { ready: false };
        self.started = context.now;
        self.next = behaviour.ready_after.map(|delay| later(context.now, delay.draw(context.rng)));
        self.crash = behaviour.crashes_after.map(|delay| later(context.now, delay.draw(context.rng)));
        self.completion =
            behaviour.completes.map(|(delay, ending)| (later(context.now, delay.draw(context.rng)), ending));
    }

    fn complete(&mut self, now: Timestamp, ending: Ending) {
        (self.stage, self.turned) = (Stage::Completed(ending), now);
        (self.next, self.crash, self.completion) = (None, None, None);
    }

    fn turn(&mut self, now: Timestamp, ready: bool) {
        self.stage = Stage::Running { ready };
        self.turned = now;
    }

    fn crash(&mut self, now: Timestamp) {
        if now >= later(self.started, FORGIVEN_AFTER) {
            self.failures = 0;
        }
        self.crash = None;
        if self.stage == (Stage::Running { ready: true }) {
            self.turned = now;
        }
        self.stage = Stage::Crashed;
        self.next = Some(later(now, pause(self.failures)));
        self.failures = self.failures.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
    }

    fn fail_to_pull(&mut self, now: Timestamp) {
        self.stage = Stage::Pulling;
        self.failures = self.failures.saturating_add(1);
        self.next = Some(later(now, pause(self.failures)));
    }
}

/// None before the first, then 10 s, 20 s, 40 s and so on, up to five minutes.
///
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_PAUSE.saturating_mul(1 << doublings.min(10)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_restarts_grow_to_five_minutes() {
        let pauses: Vec<u64> = (0..8).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 300, 300]);
    }
}
