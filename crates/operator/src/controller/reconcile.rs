//! The loop: observe, carry out what is committed, judge, decide, commit.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource, runtime::controller::Action};
use tidegate_analysis::{AnalysisRequest, AnalysisResult};
use tidegate_api::{Phase, Rollout};
use tidegate_planner::plan::{self, Input, Next, Observed, desired};
use tokio::time::Instant;

use super::{
    Context,
    apply::apply,
    cached_rollout::CachedRollout,
    commit::{Committed, commit},
    error::Error,
    observe::{observe, seen},
    refuse::refuse,
    trace::trace,
};

/// How long to wait for the caches to show the operator's own writes.
const LAGGING: Duration = Duration::from_secs(1);

/// One look at one Rollout.
pub async fn reconcile(watched: Arc<CachedRollout>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.leadership.is_leader() || !context.caches.are_ready() {
        return Ok(Action::await_change());
    }
    let opened = watched.open(context.caches.in_use());
    let cached = match &opened {
        Ok(rollout) => rollout,
        Err(invalid) => return refuse(&context, invalid).await.map(|()| Action::await_change()),
    };
    if !context.caches.routes.are_known(cached) || !context.caches.configuration.is_known(cached) {
        return Ok(Action::await_change());
    }
    let started = Instant::now();
    let outcome = work(&context, cached).await;
    let result = outcome.as_ref().map_or_else(Error::label, |_| "ok");
    context.metrics.reconciled(result, started.elapsed());
    if outcome.is_ok() {
        context.memory.succeeded(cached);
    }
    outcome
}

async fn work(context: &Context, cached: &Rollout) -> Result<Action, Error> {
    let rollout = context.memory.latest(cached);
    context.memory.forget_seen(cached, |object| seen(context, &rollout, object));
    if !context.memory.is_current(&rollout, |object| seen(context, &rollout, object)) {
        // The watch that brings it wakes the Rollout; the pause is for a watch that fell silent.
        return Ok(Action::requeue(LAGGING));
    }
    let told = |error: &Error| error.log(&rollout);
    let mut observed = observe(context, &rollout, context.memory.refused(&rollout)).await.inspect_err(told)?;
    let effects = desired(&rollout, &observed, context.clock.now());
    let resumed = apply(context, &rollout, effects).await;
    if !context.memory.is_current(&rollout, |object| seen(context, &rollout, object)) {
        // What was just written is not in the caches yet: a decision would be about a cluster that is no more.
        return resumed.map(|_| Action::requeue(LAGGING));
    }
    if resumed.is_err() {
        // A conflict was looked into: what was found may be newer than what was observed above.
        observed = observe(context, &rollout, None).await.inspect_err(told)?;
    }
    // What was refused the last time, and is done now, must not be decided on.
    observed.refused = context.memory.refused(&rollout);
    let (next, now) = decide(context, &rollout, &observed).await;
    let mut due = next.wake.map(|instant| until(now, instant)).into_iter().chain(context.policies.due(&rollout)).min();
    match commit(context, &rollout, next).await.inspect_err(told)? {
        Committed::Unchanged => {}
        Committed::Later(pause) => due = Some(due.map_or(pause, |due| due.min(pause))),
        Committed::Written(rollout, transitions) => {
            context.notifications.hand_over(&rollout, &transitions);
            // Its effects at once: what was decided should not wait for the watch to come round. Unless the writes
            // above are not in the caches yet: then the watch brings the rest.
            let current = context.memory.is_current(&rollout, |object| seen(context, &rollout, object));
            let applied = if current { carry_out(context, &rollout).await } else { Ok(0) };
            for transition in &transitions {
                context.metrics.transition(&transition.reason);
            }
            context.events.publish(&rollout, &transitions).await;
            applied?;
            if !current {
                due = Some(due.map_or(LAGGING, |due| due.min(LAGGING)));
            }
        }
    }
    resumed?;
    if context.memory.are_endpoints_behind(&rollout) || context.caches.configuration.is_behind(&rollout) {
        // Nobody says when that has changed.
        due = Some(due.map_or(LAGGING, |due| due.min(LAGGING)));
    }
    Ok(due.map_or_else(Action::await_change, Action::requeue))
}

/// Does what the status asks for. Looks anew: what was observed before may be from before the last writes, and would
/// repeat them.
async fn carry_out(context: &Context, rollout: &Rollout) -> Result<usize, Error> {
    let looked = observe(context, rollout, context.memory.refused(rollout)).await;
    let observed = looked.inspect_err(|error| error.log(rollout))?;
    apply(context, rollout, desired(rollout, &observed, context.clock.now())).await
}

/// What should happen next, and the instant of the decision.
///
/// What needs no numbers does not wait for them: going back to stable must not hang on a Prometheus that does.
async fn decide(context: &Context, rollout: &Rollout, observed: &Observed) -> (Next, Timestamp) {
    let now = in_milliseconds(context.clock.now());
    let gate_answer = context.gates.answer(context, rollout);
    context.gates.tidy_jobs(context, rollout);
    let gate_answer = gate_answer.as_ref();
    let unjudged = plan::next(Input {
        rollout,
        observed,
        checks: &[],
        presets: &[],
        outage: None,
        divided: None,
        traced: &[],
        gate_answer,
        now,
    });
    let is_judged = match unjudged.status.phase {
        Phase::Progressing | Phase::Held => true,
        Phase::Stable | Phase::Reverted => plan::watched(rollout).is_some(),
        _ => false,
    };
    if !is_judged {
        return (unjudged, now);
    }
    let Some(mut analyzed) = look(context, rollout, observed).await else { return (unjudged, now) };
    let traced = trace(context, rollout, &mut analyzed).await;
    let now = in_milliseconds(context.clock.now());
    let (checks, presets, outage) = (&analyzed.checks, &analyzed.presets, analyzed.outage.as_deref());
    let (divided, traced) = (analyzed.divided, traced.as_slice());
    let mut next = plan::next(Input { rollout, observed, checks, presets, outage, divided, traced, gate_answer, now });
    next.wake = Some(next.wake.map_or(analyzed.next, |wake| wake.min(analyzed.next)));
    (next, now)
}

/// Asks the checks, while the new version has traffic. Before that, what they read only shows whether the routes broke
/// something.
async fn look(context: &Context, rollout: &Rollout, observed: &Observed) -> Option<AnalysisResult> {
    let judged = plan::evidence_stages(rollout);
    let is_judged = judged.is_some();
    let Some(begun) = judged.or_else(|| plan::pinning_stages(rollout)) else {
        context.analyzer.forget(rollout.metadata.uid.as_deref()?);
        return None;
    };
    let status = rollout.status.as_ref()?;
    rollout.spec.analysis.as_ref()?;
    let watched = plan::watched(rollout);
    let (stage, since, stable, canary) = if let Some(plan::Watched { stage, former, version, begun }) = watched {
        (stage, Some(begun.since), former, version)
    } else {
        let since = status.stage.as_ref().and_then(|stage| stage.since);
        (plan::current_stage(rollout)?, since, status.stable.clone()?, status.canary.clone()?)
    };
    let namespace = rollout.metadata.namespace.as_deref()?;
    let look = AnalysisRequest {
        uid: rollout.metadata.uid.as_deref()?,
        namespace,
        name: rollout.metadata.name.as_deref()?,
        spec: &rollout.spec,
        templates: &context.caches.templates.named_by(&rollout.spec, namespace),
        stage: &stage,
        since,
        stable: &stable,
        canary: &canary,
        begun: &begun,
        replaced: status.replaced_pod.as_ref().map(|pod| pod.name.as_str()),
        written: &plan::written(rollout, observed),
        presets: &status.presets,
        now: context.clock.now(),
    };
    Some(if is_judged { context.analyzer.analyze(&look).await } else { context.analyzer.watch(&look).await })
}

/// What is kept in the status, people read: nanoseconds say nothing to them.
fn in_milliseconds(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// From `now` to `instant`, and at least a moment: an instant that has passed must not make a tight loop.
fn until(now: Timestamp, instant: Timestamp) -> Duration {
    let span = instant.duration_since(now);
    Duration::try_from(span).unwrap_or_default().max(Duration::from_millis(20))
}

/// When to try again.
#[expect(clippy::needless_pass_by_value, reason = "the signature that kube's Controller calls")]
pub fn on_error(watched: Arc<CachedRollout>, error: &Error, context: Arc<Context>) -> Action {
    let failures = watched.open(context.caches.in_use()).map_or(1, |rollout| context.memory.failed(&rollout));
    let whose = watched.meta().uid.as_deref().unwrap_or_default();
    Action::requeue(error.pause(failures, whose))
}
