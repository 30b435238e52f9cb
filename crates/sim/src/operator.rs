//! The real operator, as a task that can be killed.

use std::{sync::Arc, time::Duration};

use axum::body::Body as Answer;
use http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use tidegate_analysis::{Analyzer, Transport};
use tidegate_api::Schedule;
use tidegate_clock::Clock;
use tidegate_operator::{
    controller::{
        self, ControllerSettings, Dependencies,
        leader::Leadership,
        timeout::{CALL, TimeoutLayer},
    },
    serve::{Metrics, Readiness},
};
use tidegate_webhook::{NoWebhooks, Webhooks};
use tokio::{sync::oneshot, task::JoinHandle};
use tower::{BoxError, Service};

/// The name of the Prometheus endpoint that the operator knows, unless told otherwise.
pub const ENDPOINT: &str = "default";

/// How long a look at Prometheus may take.
const LOOK: Duration = Duration::from_secs(10);

/// The operator. Dropping it kills it as a power cut does: no write that was begun is finished, and nothing is told.
#[derive(Debug)]
pub struct Operator {
    task: JoinHandle<()>,
    shutdown: Option<oneshot::Sender<()>>,
}

/// What the operator is given.
pub struct OperatorSetup<T> {
    /// What time it is.
    pub clock: Clock,
    /// The only namespace that it looks after; all without it.
    pub namespace: Option<String>,
    /// What the Rollouts call the Prometheus behind `transport`.
    pub endpoint: String,
    /// The way to Prometheus.
    pub transport: T,
    /// Whoever answers for gates.
    pub webhooks: Arc<dyn Webhooks>,
    /// Whether it leads.
    pub leadership: Leadership,
    /// When any Rollout may go on by itself.
    pub schedule: Option<Schedule>,
}

impl<T: Transport + 'static> OperatorSetup<T> {
    /// An operator that leads, looks after all namespaces, and asks the Prometheus behind `transport`.
    pub fn new(clock: Clock, transport: T) -> Self {
        Self {
            clock,
            namespace: None,
            endpoint: ENDPOINT.to_owned(),
            transport,
            webhooks: Arc::new(NoWebhooks),
            leadership: Leadership::always(),
            schedule: None,
        }
    }

    /// Starts it on the API server behind `service`, with the same time limit on calls as in a cluster.
    ///
    /// One Rollout is worked on at a time: which of several is first when they wait for the same instant would else
    /// be left to chance.
    pub fn start<S>(self, service: S) -> Operator
    where
        S: Service<Request<Body>, Response = Response<Answer>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
    {
        let client = ClientBuilder::new(service, "default").with_layer(&TimeoutLayer::new(CALL)).build();
        let dependencies = Dependencies {
            clock: self.clock,
            analyzer: Analyzer::over(&self.endpoint, self.transport, LOOK),
            webhooks: self.webhooks,
            notifications: None,
            leadership: self.leadership,
            metrics: Arc::new(Metrics::new()),
            readiness: Readiness::default(),
        };
        let settings = ControllerSettings {
            namespace: self.namespace,
            concurrency: 1,
            schedule: self.schedule,
            are_approvals_verified: false,
        };
        let (shutdown, requested) = oneshot::channel();
        let task = tokio::spawn(async move {
            let requested = async { drop(requested.await) };
            if let Err(error) = controller::run(client, settings, dependencies, requested).await {
                tracing::error!(%error, "the operator ended");
            }
        });
        Operator { task, shutdown: Some(shutdown) }
    }
}

impl Operator {
    /// Asks it to end, and waits until it has: what was begun is finished.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        // It only fails where the operator panicked, which the task's own panic has told.
        let _ = (&mut self.task).await;
    }

    /// Whether it ended by itself, which it never should.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
