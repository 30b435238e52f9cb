//! Whether the checks can be asked at all, before anybody releases anything.

use tidegate_api::{Check, RevisionStatus, RolloutSpec, Span};
use tidegate_planner::{traffic::Names, workload::naming};

use super::{
    auto,
    error::{Counting, QueryError},
    parameters::Parameters,
    recipe::{Templates, recipe},
    source::{Source, expression},
    template::{Backends, Scope},
};

/// A check that cannot be asked, whatever Prometheus would answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("check {check}: {fault}")]
pub struct UnusableCheck {
    /// The check.
    pub check: String,
    /// Why not.
    pub fault: QueryError,
}

/// The first check of `spec` whose preset or template cannot be asked: it is not there, a parameter is missing, or it
/// cannot tell the versions apart. A check's own selectors are left to Prometheus.
#[must_use]
pub fn unusable(spec: &RolloutSpec, templates: &Templates) -> Option<UnusableCheck> {
    spec.all_checks().find_map(|check| {
        let fault = usable(check, spec, templates).err()?;
        Some(UnusableCheck { check: check.name.clone(), fault })
    })
}

/// Who counts the requests of `check`; nothing where it counts none, or its template is not there.
#[must_use]
pub fn counting(check: &Check, templates: &Templates) -> Option<Counting> {
    if auto::is_auto(check) {
        return Some(Counting::Pods);
    }
    let recipe = recipe(check, templates).ok()?;
    let selector = recipe.reads.selector();
    (!selector.is_empty() && check.query.is_none()).then(|| Counting::of(selector, recipe.is_published))
}

/// What [`unusable`] says, for one check.
///
/// # Errors
/// Why it cannot be asked.
pub fn usable(check: &Check, spec: &RolloutSpec, templates: &Templates) -> Result<(), QueryError> {
    if auto::is_auto(check) {
        return Ok(());
    }
    if !recipe(check, templates)?.is_published {
        return Ok(());
    }
    // Which revisions there will be, nobody knows yet; that they are two is enough.
    let [canary, stable] = ["canary", "stable"].map(|revision| RevisionStatus {
        revision: revision.to_owned(),
        replica_set: naming::replica_set(&spec.workload.name, revision),
        ..RevisionStatus::default()
    });
    let names = Names::of(&spec.service);
    let scope = Scope {
        namespace: "namespace",
        rollout: "rollout",
        service: &spec.service,
        backends: (spec.is_routed()).then_some(Backends { names: &names, canary: &canary }),
        revision: &canary,
        window: Span::seconds(60),
        parameters: Parameters::NONE,
    };
    if check.query.is_some() {
        return expression(check, templates, &scope).map(drop);
    }
    Source::of(check, templates, &scope, &canary, &stable).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(check: &Value, traffic: &Value) -> Option<String> {
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout", "traffic": traffic,
            "analysis": {"checks": [check]},
        });
        let spec: RolloutSpec = serde_json::from_value(spec).unwrap();
        unusable(&spec, &Templates::default()).map(|unusable| unusable.to_string())
    }

    fn errors(preset: &str, parameters: &Value) -> Value {
        json!({"name": "errors", "errorRate": {"preset": preset, "parameters": parameters, "max": "1%"}})
    }

    #[test]
    fn a_preset_of_the_gateway_needs_a_route() {
        let routed = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}});
        for preset in ["contour", "traefik", "nginx-ingress"] {
            assert_eq!(told(&errors(preset, &json!({})), &routed), None, "{preset}");
            let told = told(&errors(preset, &json!({})), &Value::Null).unwrap();
            assert!(told.starts_with("check errors: {{backend}} needs spec.traffic"), "{told}");
        }
        for preset in ["pod-http", "grpc", "istio", "linkerd"] {
            assert_eq!(told(&errors(preset, &json!({})), &Value::Null), None, "{preset}");
        }
    }

    #[test]
    fn a_parameter_that_is_missing_is_told_before_any_release() {
        let told_of = |parameters| told(&errors("envoy-gateway", &parameters), &Value::Null);
        let told = told_of(json!({})).unwrap();
        assert_eq!(told, "check errors: preset envoy-gateway needs the parameter route: The name of the HTTPRoute.");
        assert_eq!(told_of(json!({"route": "checkout"})), None);
        let same = told_of(json!({"route": "checkout", "canary": "0"})).unwrap();
        assert!(same.contains("cannot be told apart"), "{same}");
    }

    #[test]
    fn a_template_that_is_not_there_is_told() {
        let check = json!({"name": "cpu", "query": {"template": {"name": "cpu"}, "max": 1}});
        let told = told(&check, &Value::Null).unwrap();
        assert_eq!(told, "check cpu: CheckTemplate cpu does not exist; create it, or name another");
    }
}
