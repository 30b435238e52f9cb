//! `tidegate run`: the operator, from its flags to its last task.

use std::{fs, net::SocketAddr, num::NonZeroU16, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{ArgAction, Args, builder::NonEmptyStringValueParser};
use futures::FutureExt;
use kube::Client;
use tidegate_analysis::{Analyzer, Tally};
use tidegate_api::{
    Span,
    metadata::object::{LEASE, NOTIFICATIONS},
};
use tidegate_clock::Clock;
use tidegate_endpoints::Endpoints;
use tidegate_notify::{Notifications, Way};
use tidegate_operator::{
    controller::{
        self, ControllerSettings, Dependencies,
        leader::{self, Candidate, Leadership, Timing},
        notifications::NotificationSettings,
    },
    serve::{Metrics, Readiness, Server},
};
use tidegate_webhook::HttpWebhooks;
use tokio::sync::watch;

use super::{cluster_schedule, connect, dashboard, logs, shutdown};

/// How long running reconciles may take to finish after the process was asked to end. A Pod has 30 s by default; the
/// lease is released after this, and every reconcile can be cut off anywhere.
const DRAIN: Duration = Duration::from_secs(4);

/// Where Kubernetes tells a pod its namespace.
/// <https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api>
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The flags of `tidegate run`.
///
/// None is called `port` or `service…`: for a Service called `tidegate`, Kubernetes sets `TIDEGATE_PORT` and
/// `TIDEGATE_SERVICE_HOST` in every pod of its namespace.
#[derive(Debug, Args)]
pub struct Options {
    /// Look after the Rollouts of one namespace only; all namespaces without it
    #[arg(long, env = "TIDEGATE_NAMESPACE", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    namespace: Option<String>,

    /// The YAML file that lists the Prometheus endpoints
    #[arg(long, env = "TIDEGATE_PROMETHEUS_CONFIG", value_name = "FILE")]
    prometheus_config: Option<PathBuf>,

    /// The YAML file that lists the webhooks that gates may ask
    #[arg(long, env = "TIDEGATE_WEBHOOKS_CONFIG", value_name = "FILE")]
    webhooks_config: Option<PathBuf>,

    /// The YAML file that says who is told what Rollouts do; nobody without it
    #[arg(long, env = "TIDEGATE_NOTIFICATIONS", value_name = "FILE")]
    notifications: Option<PathBuf>,

    /// The name of the ConfigMap with the record of what was told, beside the Lease
    #[arg(long, env = "TIDEGATE_NOTIFICATIONS_RECORD", value_name = "NAME", default_value = NOTIFICATIONS, value_parser = NonEmptyStringValueParser::new())]
    notifications_record: String,

    /// Take the names in approvals for true: a policy of the cluster lets nobody write another's
    #[arg(long, env = "TIDEGATE_APPROVALS_VERIFIED", action = ArgAction::SetTrue)]
    approvals_verified: bool,

    /// The YAML file that says when any Rollout may go on by itself; its own schedule can only be tighter
    #[arg(long, env = "TIDEGATE_SCHEDULE", value_name = "FILE")]
    schedule: Option<PathBuf>,

    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "TIDEGATE_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// How many Rollouts are worked on at the same time
    #[arg(long, env = "TIDEGATE_CONCURRENCY", value_name = "COUNT", default_value = "16")]
    concurrency: NonZeroU16,

    /// Lead without asking: only where no second instance can ever run
    #[arg(long, env = "TIDEGATE_NO_LEADER_ELECTION", action = ArgAction::SetTrue)]
    no_leader_election: bool,

    /// The namespace of the Lease; the pod's own without it, or `default` outside of a cluster
    #[arg(long, env = "TIDEGATE_LEASE_NAMESPACE", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    lease_namespace: Option<String>,

    /// The name of the Lease
    #[arg(long, env = "TIDEGATE_LEASE_NAME", value_name = "NAME", default_value = LEASE, value_parser = NonEmptyStringValueParser::new())]
    lease_name: String,

    /// How long a leader that fell silent is waited for
    #[arg(long, env = "TIDEGATE_LEASE_DURATION", value_name = "TIME", default_value = "15s")]
    lease_duration: Span,

    /// How long a leader that cannot renew its lease goes on
    #[arg(long, env = "TIDEGATE_RENEW_DEADLINE", value_name = "TIME", default_value = "10s")]
    renew_deadline: Span,

    /// How often the lease is renewed, or looked at
    #[arg(long, env = "TIDEGATE_RETRY_PERIOD", value_name = "TIME", default_value = "2s")]
    retry_period: Span,

    #[command(flatten)]
    dashboard: dashboard::InCluster,

    /// How log lines look
    #[arg(long, env = "TIDEGATE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: logs::Format,

    /// What is logged: a level, or levels by module such as `info,tidegate=debug`
    #[arg(long, env = "TIDEGATE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// Runs the operator until it is asked to end.
pub fn main(options: &Options) -> anyhow::Result<()> {
    logs::install(options.log_format, &options.log)?;
    // Another provider can only be there already in a process that is not this binary's own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // As many workers as this process may use CPUs: tokio asks for the parallelism that the cgroup allows.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(options));
    // Not waiting for a name lookup that may still be stuck in the system's resolver.
    runtime.shutdown_background();
    outcome
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let requested = shutdown::requested()?.shared();
    let metrics = Arc::new(Metrics::new());
    let readiness = Readiness::default();
    let server = Server::bind(options.listen, metrics.clone(), readiness.clone()).await?;
    options.dashboard.open(options.namespace.clone(), metrics.clone())?;
    let client = connect::client(metrics.clone()).await?;
    let (candidate, leadership) = options.candidate(&client)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = options.namespace.as_deref().unwrap_or("all"),
        listen = %options.listen,
        "tidegate is starting"
    );

    // The controller ends first. Only then is the lease put down and the server closed.
    let (ended, end) = watch::channel(());
    let server = task("the server of health and metrics", server.run(closed(end.clone())).map(|served| Ok(served?)));
    let election = task("leader election", campaign(candidate, closed(end)).map(Ok));
    tokio::spawn(show(leadership.clone(), metrics.clone()));
    let controller = async {
        let outcome = tokio::select! {
            outcome = control(client, options, leadership, metrics, readiness, requested.clone()) => outcome,
            () = patience(requested) => Ok(()),
        };
        drop(ended);
        anyhow::Ok(outcome)
    };
    let (outcome, (), ()) = tokio::try_join!(controller, election, server)?;
    outcome.inspect(|()| tracing::info!("shut down"))
}

impl Options {
    /// Whoever stands for the lease, and the leadership that the controller goes by.
    fn candidate(&self, client: &Client) -> anyhow::Result<(Option<Candidate>, Leadership)> {
        if self.no_leader_election {
            return Ok((None, Leadership::always()));
        }
        let [lease, renew, retry] = [self.lease_duration, self.renew_deadline, self.retry_period].map(Span::duration);
        let settings = leader::LeaseSettings {
            namespace: self.lease_namespace.clone().unwrap_or_else(pod_namespace),
            name: self.lease_name.clone(),
            identity: identity(),
            timing: Timing::new(lease, renew, retry)?,
            clock: Clock::System,
        };
        let (candidate, leadership) = Candidate::new(client.clone(), settings);
        Ok((Some(candidate), leadership))
    }

    /// Who is told what, if anybody.
    fn notifications(&self) -> anyhow::Result<Option<NotificationSettings>> {
        let Some(file) = &self.notifications else { return Ok(None) };
        let config = Notifications::load(file)?;
        let ways = Arc::new(Way::all(&config)?);
        let namespace = self.lease_namespace.clone().unwrap_or_else(pod_namespace);
        let (config, record) = (Arc::new(config), self.notifications_record.clone());
        let settings = NotificationSettings { config, ways, namespace, record };
        Ok(Some(settings).filter(|settings| !settings.config.receivers.is_empty()))
    }
}

/// The controller, with the endpoints of the platform team.
async fn control(
    client: Client,
    options: &Options,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let endpoints = match &options.prometheus_config {
        Some(file) => Endpoints::load(file)?,
        None => Endpoints::default(),
    };
    let webhooks = match &options.webhooks_config {
        Some(file) => HttpWebhooks::new(&Endpoints::load(file)?)?,
        None => HttpWebhooks::default(),
    };
    let (of_prometheus, of_providers) = (metrics.clone(), metrics.clone());
    let tally: Tally = Arc::new(move |endpoint, result| of_prometheus.prometheus_request(endpoint, result));
    let of_providers: Tally = Arc::new(move |endpoint, result| of_providers.provider_request(endpoint, result));
    let schedule = options.schedule.as_deref().map(cluster_schedule::load).transpose()?;
    let (namespace, concurrency) = (options.namespace.clone(), options.concurrency.get());
    let are_approvals_verified = options.approvals_verified;
    let settings = ControllerSettings { namespace, concurrency, schedule, are_approvals_verified };
    let clock = Clock::System;
    let (analyzer, webhooks) = (Analyzer::counting(&endpoints, &tally, of_providers)?, Arc::new(webhooks));
    let notifications = options.notifications()?;
    let dependencies = Dependencies { clock, analyzer, webhooks, notifications, leadership, metrics, readiness };
    Ok(controller::run(client, settings, dependencies, shutdown).await?)
}

/// Stands for the lease; without election, just waits for the end.
async fn campaign(candidate: Option<Candidate>, end: impl Future<Output = ()>) {
    match candidate {
        Some(candidate) => candidate.run(end).await,
        None => end.await,
    }
}

/// Keeps the metric at what the process does.
async fn show(mut leadership: Leadership, metrics: Arc<Metrics>) {
    loop {
        metrics.leader(leadership.is_leader());
        leadership.changed().await;
    }
}

/// Completes when the drain time is over after the process was asked to end.
async fn patience(requested: impl Future<Output = ()>) {
    requested.await;
    tokio::time::sleep(DRAIN).await;
    tracing::warn!("reconciles were still running after {DRAIN:?} and are cut off; the next leader resumes them");
}

/// Completes when the controller has ended.
async fn closed(mut end: watch::Receiver<()>) {
    while end.changed().await.is_ok() {}
}

/// Runs `work` beside the others, so that none of them can keep it waiting. A panic in it is an error here.
async fn task(
    name: &'static str,
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    tokio::spawn(work).await.with_context(|| format!("{name} broke down"))?
}

/// Unlike any other process's: the name of the pod tells people who leads, the number tells a restart from before.
fn identity() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("tidegate");
    format!("{host}_{:08x}", rand::random::<u32>())
}

fn pod_namespace() -> String {
    let namespace = fs::read_to_string(POD_NAMESPACE).unwrap_or_default();
    Some(namespace.trim()).filter(|namespace| !namespace.is_empty()).unwrap_or("default").to_owned()
}
