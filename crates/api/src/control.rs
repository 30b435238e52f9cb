//! What the stable version keeps in the last stage, so that there is something to compare the new one with.

use std::borrow::Cow;

use super::{Check, Percent, RolloutSpec, Stage};

/// What stable keeps where nothing is said.
const SHARE: f64 = 1.0;

impl RolloutSpec {
    /// The stages as written, or the default ones; with no more weight than a control leaves.
    #[must_use]
    pub fn stages(&self) -> Cow<'_, [Stage]> {
        let written = match &self.stages {
            Some(stages) => Cow::Borrowed(stages.as_slice()),
            None => Cow::Owned(Stage::defaults()),
        };
        let most = self.control_share(&written).rest();
        if written.iter().all(|stage| stage.weight <= most) {
            return written;
        }
        let capped = |stage: &Stage| Stage { weight: stage.weight.lower(most), ..stage.clone() };
        Cow::Owned(written.iter().map(capped).collect())
    }

    /// What part of the traffic stable keeps until the last stage ends: what the analysis says, or 1 % where it needs a
    /// control and every route can say it.
    fn control_share(&self, stages: &[Stage]) -> Percent {
        let Some(analysis) = self.analysis.as_ref().filter(|_| self.is_routed()) else { return Percent::ZERO };
        let usual = || if self.needs_control(stages) { Percent::new(SHARE) } else { Percent::ZERO };
        analysis.control_share.unwrap_or_else(usual)
    }

    /// Whether every check that decides in the last stage compares what was counted with stable and does nothing else, and
    /// the last stage gives a share of all requests to anybody. Users who stay on their version would have to be kept from
    /// it, and the rules that are not named get to the new version as a whole.
    fn needs_control(&self, stages: &[Stage]) -> bool {
        let Some(last) = stages.last() else { return false };
        let changed = |check: &Check| last.override_of(&check.name);
        let deciding = || self.checks_in(last).filter(|check| check.decides(changed(check)));
        let compares = |check: &Check| {
            let fixed = changed(check).is_some_and(|changed| changed.max.is_some());
            !fixed && check.error_rate.as_ref().is_some_and(|errors| errors.relative.is_some() && errors.max.is_none())
        };
        let is_plain = !self.keeps_users() && !last.gives_more_than_a_share() && !self.names_rules();
        is_plain && deciding().next().is_some() && deciding().all(compares)
    }

    fn names_rules(&self) -> bool {
        let gateway = self.traffic.as_ref().and_then(|traffic| traffic.gateway_api.as_ref());
        gateway.is_some_and(|gateway| gateway.routes.iter().any(|route| route.rules.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The weights of the default stages, with these fields in the spec.
    fn weights(changes: Value) -> Vec<f64> {
        let mut spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"},
            "service": "checkout",
            "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}},
            "analysis": {"checks": [compared()]},
        });
        let Value::Object(changes) = changes else { panic!("{changes}") };
        spec.as_object_mut().unwrap().extend(changes);
        spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let spec: RolloutSpec = serde_json::from_value(spec).unwrap();
        spec.stages().iter().map(|stage| stage.weight.percent()).collect()
    }

    fn compared() -> Value {
        json!({"name": "errors", "errorRate": {"preset": "pod-http", "relative": {}}})
    }

    fn analysis(control: &str, checks: &[Value]) -> Value {
        json!({"analysis": {"controlShare": control, "checks": checks}})
    }

    #[test]
    fn where_every_check_that_decides_is_a_comparison_stable_keeps_one_percent() {
        assert_eq!(weights(json!({})), [5.0, 25.0, 99.0]);
        let warns = json!({"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "warn": "1s"}});
        assert_eq!(weights(json!({"analysis": {"checks": [compared(), warns]}})), [5.0, 25.0, 99.0]);
    }

    #[test]
    fn where_a_limit_decides_without_stable_it_keeps_nothing() {
        let limit = json!({"name": "limit", "errorRate": {"preset": "pod-http", "max": "1%"}});
        let slow =
            json!({"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "1s", "relative": {}}});
        let value = json!({"name": "memory", "query": {"expr": "1", "relative": {"max": 1.2}}});
        for other in [limit, slow, value] {
            assert_eq!(weights(json!({"analysis": {"checks": [compared(), other]}})), [5.0, 25.0, 100.0], "{other}");
        }
        let stage = json!({"name": "full", "weight": "100%", "checks": [{"name": "errors", "max": "2%"}]});
        assert_eq!(weights(json!({"stages": [stage]})), [100.0]);
        assert_eq!(weights(json!({"analysis": null})), [5.0, 25.0, 100.0]);
    }

    #[test]
    fn where_the_routes_cannot_say_it_so_easily_it_keeps_nothing_unasked() {
        for traffic in [
            Value::Null,
            json!({"gatewayAPI": {"routes": [{"name": "checkout", "rules": ["pay"]}]}}),
            json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}, "sessionPersistence": "Cookie"}),
        ] {
            assert_eq!(weights(json!({"traffic": traffic})), [5.0, 25.0, 100.0], "{traffic}");
        }
    }

    #[test]
    fn what_somebody_says_counts_in_all_stages() {
        assert_eq!(weights(analysis("0%", &[compared()])), [5.0, 25.0, 100.0]);
        let mut asked =
            analysis("2.5%", &[json!({"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}})]);
        assert_eq!(weights(asked.clone()), [5.0, 25.0, 97.5]);
        asked["stages"] =
            json!([{"name": "a", "weight": "98%"}, {"name": "b", "weight": 100}, {"name": "c", "weight": 100}]);
        assert_eq!(weights(asked), [97.5, 97.5, 97.5]);
    }
}
