//! Watch, reconcile, commit, apply: the only place where it all meets.

mod apply;
mod backoff;
mod cache;
mod cached_rollout;
pub mod caches;
mod commit;
mod compact;
mod configuration;
mod endpoint_pods;
mod error;
mod events;
mod expressions;
mod features;
mod fencing;
mod gates;
mod index;
pub mod leader;
mod memory;
pub mod notifications;
mod observe;
mod orphans;
mod other_rollouts;
mod policies;
mod rate_limit;
mod ready_pods;
mod reconcile;
mod refuse;
pub mod request_metrics;
mod routes;
mod serving_pods;
mod templates;
pub mod timeout;
mod trace;

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Client, Resource,
    api::ApiResource,
    runtime::{Controller, controller::Config},
};
use tidegate_analysis::Analyzer;
use tidegate_api::{Phase, Schedule};
use tidegate_clock::Clock;
use tidegate_webhook::Webhooks;

pub use self::error::{CallError, Error};
use self::{
    caches::Caches,
    events::Events,
    expressions::Expressions,
    features::Features,
    gates::Gates,
    leader::Leadership,
    memory::Memory,
    notifications::{HandOver, NotificationSettings, Office},
    policies::Policies,
};
use crate::serve::{Metrics, Readiness};

/// How the controller runs.
#[derive(Debug, Clone)]
pub struct ControllerSettings {
    /// The namespace whose Rollouts are looked after; all of them without it.
    pub namespace: Option<String>,
    /// How many Rollouts are worked on at the same time.
    pub concurrency: u16,
    /// When any of them may go on by itself; a Rollout's own schedule can only be tighter.
    pub schedule: Option<Schedule>,
    /// The cluster vouches for the names in approvals: a policy of its own lets nobody write another's.
    pub are_approvals_verified: bool,
}

/// What every reconcile needs.
pub struct Context {
    client: Client,
    /// The API of EndpointSlices in the version that the server speaks.
    slices: ApiResource,
    clock: Clock,
    schedule: Option<Arc<Schedule>>,
    are_approvals_verified: bool,
    caches: Arc<Caches>,
    memory: Memory,
    expressions: Expressions,
    features: Features,
    policies: Policies,
    gates: Gates,
    analyzer: Arc<Analyzer>,
    webhooks: Arc<dyn Webhooks>,
    leadership: Leadership,
    events: Events,
    notifications: HandOver,
    metrics: Arc<Metrics>,
}

/// Everything around the controller that the process gives it.
pub struct Dependencies {
    /// What time it is.
    pub clock: Clock,
    /// Asks Prometheus.
    pub analyzer: Analyzer,
    /// Whoever answers for gates.
    pub webhooks: Arc<dyn Webhooks>,
    /// Who is told what Rollouts do; nobody without it.
    pub notifications: Option<NotificationSettings>,
    /// Whether this process may write.
    pub leadership: Leadership,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the caches are warm.
    pub readiness: Readiness,
}

/// Looks after Rollouts until `shutdown` completes; reconciles that are running then are finished first.
///
/// # Errors
/// The API server cannot be asked which version of EndpointSlices it speaks.
pub async fn run(
    client: Client,
    settings: ControllerSettings,
    dependencies: Dependencies,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), kube::Error> {
    let Dependencies { clock, analyzer, webhooks, notifications, leadership, metrics, readiness } = dependencies;
    readiness.wait_for("the caches are being filled");
    let slices = caches::endpoint_slices(&client).await?;
    let watches = caches::watch_all(&client, settings.namespace.as_deref(), &slices);
    let caches = watches.caches;
    let events = Events::new(&client, clock);
    let (warm, warmed) = tokio::sync::watch::channel(false);
    let office = notifications.map(|settings| {
        let filled = (caches.clone(), warmed.clone());
        Office::open(settings, &client, clock, filled, leadership.clone(), metrics.clone())
    });
    let (gates, answered) = Gates::new();
    let context = Arc::new(Context {
        client,
        slices,
        clock,
        schedule: settings.schedule.map(Arc::new),
        are_approvals_verified: settings.are_approvals_verified,
        caches: caches.clone(),
        memory: Memory::default(),
        expressions: Expressions::default(),
        features: Features::default(),
        policies: Policies::default(),
        gates,
        analyzer: Arc::new(analyzer),
        webhooks,
        leadership: leadership.clone(),
        events,
        notifications: office.as_ref().map(Office::hand_over).unwrap_or_default(),
        metrics,
    });
    let everything = futures::stream::select(gained(leadership), changes(caches.routes.answered()));
    let controller = Controller::for_stream(watches.rollouts, caches.rollouts.clone())
        .with_config(Config::default().concurrency(settings.concurrency))
        .reconcile_on(futures::stream::select(watches.triggers, answered))
        .reconcile_all_on(futures::stream::select(everything, changes(warmed)))
        .graceful_shutdown_on(shutdown)
        .run(reconcile::reconcile, reconcile::on_error, context.clone())
        .for_each(|_| std::future::ready(()));
    let warming = async {
        caches.ready().await;
        warm.send_replace(true);
        readiness.ready();
        tracing::info!("the caches are filled");
        housekeeping(&context).await;
    };
    tokio::select! {
        biased;
        () = controller => {}
        () = warming => {}
    }
    if let Some(office) = office {
        office.close().await;
    }
    Ok(())
}

/// Fires whenever leadership is won.
fn gained(leadership: Leadership) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(leadership, |mut leadership| async move {
        loop {
            leadership.changed().await;
            if leadership.is_leader() {
                return Some(((), leadership));
            }
        }
    })
}

fn changes<T: Send + Sync + 'static>(
    receiver: tokio::sync::watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        match receiver.changed().await {
            Ok(()) => Some(((), receiver)),
            // The sender is gone with the watches: there is nothing to wait for any more.
            Err(_) => std::future::pending().await,
        }
    })
}

/// Counts the Rollouts by phase, and forgets those that are gone. Reads and writes nothing but memory.
async fn housekeeping(context: &Context) {
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    loop {
        ticks.tick().await;
        let mut counts = std::collections::HashMap::<Phase, usize>::new();
        let mut alive = std::collections::HashSet::new();
        for rollout in context.caches.rollouts.state() {
            let Some(phase) = rollout.phase() else { continue };
            *counts.entry(phase).or_default() += 1;
            alive.extend(rollout.meta().uid.clone());
        }
        context.metrics.phases(counts);
        for gone in context.memory.keep(|uid| alive.contains(uid)) {
            context.analyzer.forget(&gone);
            context.policies.forget(&gone);
            context.gates.forget(&gone);
            context.caches.configuration.forget(&gone);
        }
    }
}
