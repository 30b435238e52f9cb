//! What the operator counts about itself. Label sets are bounded: no metric names an object.
//!
//! `docs/reference/metrics.md` is printed from what is exposed, so a help text says what the values of its labels are.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};
use tidegate_api::Phase;

/// From a millisecond to the ten seconds after which a call to the API server is given up.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    endpoint: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotificationLabels {
    receiver: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverLabel {
    receiver: String,
}

#[derive(Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// The operator's own metrics, all of them named `tidegate_…`.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ResultLabel, Counter>,
    reconcile_duration: Histogram,
    rollouts: Family<PhaseLabel, Gauge>,
    transitions: Family<ReasonLabel, Counter>,
    api_requests: Family<CallLabels, Counter>,
    prometheus_requests: Family<QueryLabels, Counter>,
    provider_requests: Family<QueryLabels, Counter>,
    notifications: Family<NotificationLabels, Counter>,
    notifications_pending: Family<ReceiverLabel, Gauge>,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("tidegate"),
            reconciles: Family::default(),
            reconcile_duration: Buckets.new_metric(),
            rollouts: Family::default(),
            transitions: Family::default(),
            api_requests: Family::default(),
            prometheus_requests: Family::default(),
            provider_requests: Family::default(),
            notifications: Family::default(),
            notifications_pending: Family::default(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this process", build);
        registry.register("leader", "1 while this process leads, 0 while it stands by", self.leader.clone());
        registry.register(
            "reconciles",
            "Reconciles, by how they ended: ok, conflict (somebody else was faster), error (tried again), refused (by the \
             API server, for somebody to look at)",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "rollouts",
            "Rollouts, by status.phase; a phase that none is in is left out",
            self.rollouts.clone(),
        );
        registry.register(
            "transitions",
            "Transitions of Rollouts, by the reason of the event that tells of them",
            self.transitions.clone(),
        );
        registry.register(
            "api_requests",
            "Calls to the Kubernetes API, by verb and status code; code is \"none\" for those without an answer",
            self.api_requests.clone(),
        );
        registry.register(
            "prometheus_requests",
            "Queries to Prometheus, by configured endpoint and how they ended: ok, or the reason that a check gives for it",
            self.prometheus_requests.clone(),
        );
        registry.register(
            "provider_requests",
            "Queries to services of metrics that are no Prometheus, by configured endpoint and how they ended: ok, or the reason that \
             a check gives for it",
            self.provider_requests.clone(),
        );
        registry.register(
            "notifications",
            "Notifications, by configured receiver and what became of them: delivered, skipped (the receiver has no word for it), \
             failed (a try; another one follows), refused, given_up (tried for 24h), lost (too many waited, and the Rollout has \
             forgotten it by now)",
            self.notifications.clone(),
        );
        registry.register(
            "notifications_pending",
            "Notifications that wait, by configured receiver; nothing while this process stands by",
            self.notifications_pending.clone(),
        );
    }

    /// A reconcile ended after `duration`. `result` is one word of a fixed set.
    pub fn reconciled(&self, result: &'static str, duration: Duration) {
        self.reconciles.get_or_create(&ResultLabel { result }).inc();
        self.reconcile_duration.observe(duration.as_secs_f64());
    }

    /// How many Rollouts there are in each phase; a phase that is not named has none.
    pub fn phases(&self, counts: impl IntoIterator<Item = (Phase, usize)>) {
        self.rollouts.clear();
        for (phase, count) in counts {
            let rollouts = i64::try_from(count).unwrap_or(i64::MAX);
            self.rollouts.get_or_create(&PhaseLabel { phase: format!("{phase:?}") }).set(rollouts);
        }
    }

    /// A Rollout made a transition for one of [`tidegate_api::condition::reason`].
    pub fn transition(&self, reason: &str) {
        self.transitions.get_or_create(&ReasonLabel { reason: reason.to_owned() }).inc();
    }

    /// A call to the Kubernetes API was answered with the status `code`, or with nothing.
    pub fn api_request(&self, verb: &'static str, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.api_requests.get_or_create(&CallLabels { verb, code }).inc();
    }

    /// The endpoint that the platform team called `endpoint` was asked. `result` is one word of a fixed set.
    pub fn prometheus_request(&self, endpoint: &str, result: &'static str) {
        self.prometheus_requests.get_or_create(&QueryLabels { endpoint: endpoint.to_owned(), result }).inc();
    }

    /// The service of metrics that the platform team called `endpoint`, and that is no Prometheus, was asked. `result` is one
    /// word of a fixed set.
    pub fn provider_request(&self, endpoint: &str, result: &'static str) {
        self.provider_requests.get_or_create(&QueryLabels { endpoint: endpoint.to_owned(), result }).inc();
    }

    /// So many notifications for the receiver that the platform team called `receiver` came to that end. `outcome` is one word of
    /// a fixed set.
    pub fn notified(&self, receiver: &str, outcome: &'static str, count: usize) {
        let labels = NotificationLabels { receiver: receiver.to_owned(), outcome };
        self.notifications.get_or_create(&labels).inc_by(count as u64);
    }

    /// How many notifications wait for each receiver; one that is not named has none.
    pub fn notifications_pending(&self, counts: impl IntoIterator<Item = (String, usize)>) {
        self.notifications_pending.clear();
        for (receiver, count) in counts {
            let pending = i64::try_from(count).unwrap_or(i64::MAX);
            self.notifications_pending.get_or_create(&ReceiverLabel { receiver }).set(pending);
        }
    }

    /// Whether this process leads.
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All of it in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// A metric cannot be written.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_exposed_under_its_documented_name() {
        let metrics = Metrics::new();
        metrics.reconciled("ok", Duration::from_millis(30));
        metrics.phases([(Phase::Stable, 3), (Phase::Progressing, 1)]);
        metrics.transition("Promoted");
        metrics.api_request("patch", Some(409));
        metrics.api_request("get", None);
        metrics.prometheus_request("default", "ok");
        metrics.provider_request("datadog", "Timeout");
        metrics.notified("chat", "delivered", 2);
        metrics.notifications_pending([("chat".to_owned(), 3)]);
        metrics.leader(true);
        let text = metrics.encode().unwrap();
        let version = env!("CARGO_PKG_VERSION");
        for line in [
            &format!("tidegate_build_info{{version=\"{version}\"}} 1"),
            "tidegate_leader 1",
            "tidegate_reconciles_total{result=\"ok\"} 1",
            "tidegate_reconcile_duration_seconds_sum 0.03",
            "tidegate_reconcile_duration_seconds_bucket{le=\"0.025\"} 0",
            "tidegate_reconcile_duration_seconds_bucket{le=\"0.05\"} 1",
            "tidegate_rollouts{phase=\"Stable\"} 3",
            "tidegate_transitions_total{reason=\"Promoted\"} 1",
            "tidegate_api_requests_total{verb=\"patch\",code=\"409\"} 1",
            "tidegate_api_requests_total{verb=\"get\",code=\"none\"} 1",
            "tidegate_prometheus_requests_total{endpoint=\"default\",result=\"ok\"} 1",
            "tidegate_provider_requests_total{endpoint=\"datadog\",result=\"Timeout\"} 1",
            "tidegate_notifications_total{receiver=\"chat\",outcome=\"delivered\"} 2",
            "tidegate_notifications_pending{receiver=\"chat\"} 3",
        ] {
            assert!(text.lines().any(|exposed| exposed == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_phase_that_nobody_is_in_any_more_is_not_counted() {
        let metrics = Metrics::new();
        metrics.phases([(Phase::Progressing, 1)]);
        metrics.phases([(Phase::Stable, 1)]);
        assert!(!metrics.encode().unwrap().contains("Progressing"));
    }
}
