//! The rules of the CRD once more, for clusters whose API server does not know CEL.
//!
//! The rules themselves stand at the types, as CEL; this evaluates the same text, so that there is one source.

use std::sync::LazyLock;

use kube::{
    CustomResourceExt,
    core::cel::{CompiledSchema, ErrorKind, ValidationError, ValidationErrors, compile_schema, validate_compiled},
};
use serde_json::{Value, json};

use super::{CheckTemplate, Culprit, Percent, Rollout, culprit};

/// A spec that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

static SCHEMA: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(&schema::<Rollout>()));

/// That of a `CheckTemplate`, which a `ClusterCheckTemplate` has as well.
static TEMPLATE: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(&schema::<CheckTemplate>()));

/// The schema without the rule for percentages: a regular expression, which would be compiled anew for each of them,
/// and be met by all that were decoded.
static DECODED: LazyLock<CompiledSchema> = LazyLock::new(|| {
    let mut schema = schema::<Rollout>();
    forget_percentages(&mut schema);
    compile_schema(&schema)
});

fn schema<K: CustomResourceExt>() -> Value {
    let version = K::crd().spec.versions.into_iter().next();
    let schema = version.and_then(|version| version.schema).and_then(|schema| schema.open_api_v3_schema);
    schema.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default()
}

fn forget_percentages(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(rules)) = fields.get_mut("x-kubernetes-validations") {
                rules.retain(|rule| rule.get("rule").and_then(Value::as_str) != Some(Percent::RULE));
            }
            fields.values_mut().for_each(forget_percentages);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_percentages),
        _ => {}
    }
}

/// A rule of the CRD that an object breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// The field that the rule is about, such as `spec.stages[0]`.
    pub field: String,
    /// The rule's sentence.
    pub sentence: String,
    /// Which fields break it, seen from `field`.
    pub culprit: Culprit,
}

/// Evaluates every CEL rule of the CRD on `rollout`.
///
/// # Errors
/// [`Invalid`] with the sentences of all rules that are broken, each after the field that it is about.
pub fn validate(rollout: &Rollout) -> Result<(), Invalid> {
    // No rule is about the status as it stands; one compares it with what it was.
    let spec = serde_json::to_value(&rollout.spec).map_err(|error| Invalid(error.to_string()))?;
    let object = json!({"metadata": {"name": rollout.metadata.name}, "spec": spec});
    validate_compiled(&DECODED, &object, None).map_err(|errors| {
        let sentences: Vec<_> =
            errors.as_slice().iter().map(|error| format!("{}: {}", error.field_path, error.message)).collect();
        Invalid(sentences.join("; "))
    })
}

/// The CEL rules of its CRD that `object`, a Rollout or a template by its kind, breaks, whatever shape it has. A rule that cannot be evaluated, because the
/// fields that it reads are of another type, counts as kept: their types are wrong already.
#[must_use]
pub fn broken_rules(object: &Value) -> Vec<BrokenRule> {
    let is_template =
        matches!(object.get("kind").and_then(Value::as_str), Some("CheckTemplate" | "ClusterCheckTemplate"));
    let schema = if is_template { &TEMPLATE } else { &SCHEMA };
    let errors = validate_compiled(schema, object, None).err().map(ValidationErrors::into_vec).unwrap_or_default();
    let broken = errors.into_iter().filter(|error| error.kind == ErrorKind::ValidationFailure);
    let told = |error: ValidationError| BrokenRule {
        culprit: culprit::of(&error.message).unwrap_or(Culprit::Itself),
        field: error.field_path,
        sentence: error.message,
    };
    broken.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Phase, RolloutStatus};

    fn rollout(spec: Value) -> Rollout {
        let mut spec = spec;
        spec["workload"] = json!({"kind": "Deployment", "name": "checkout"});
        spec["service"] = json!("checkout");
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn every_rule_compiles() {
        fn walk(schema: &CompiledSchema) {
            assert!(!schema.has_errors(), "{:?}", schema.compilation_errors());
            schema.properties.values().for_each(walk);
            schema.items.iter().for_each(|items| walk(items));
        }
        walk(&SCHEMA);
        walk(&TEMPLATE);
        walk(&DECODED);
    }

    /// The rules of the users' fields that do not say which field breaks them, although they are about several.
    fn placeless(schema: &Value, found: &mut Vec<String>) {
        let Value::Object(fields) = schema else { return };
        let is_of_several = matches!(fields.get("type").and_then(Value::as_str), Some("object" | "array"));
        let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
        for rule in rules.filter(|rule| is_of_several && rule.get("fieldPath").is_none()) {
            let sentence = rule["message"].as_str().unwrap_or_default();
            if culprit::of(sentence).is_none() {
                found.push(sentence.to_owned());
            }
        }
        fields.values().for_each(|below| placeless(below, found));
    }

    #[test]
    fn every_rule_about_several_fields_says_which_of_them_breaks_it() {
        let mut found = Vec::new();
        placeless(&schema::<Rollout>(), &mut found);
        placeless(&schema::<CheckTemplate>(), &mut found);
        assert!(found.is_empty(), "give the rule a field_path, or its culprits in culprit.rs: {found:#?}");
        let mut found = Vec::new();
        let rule = json!([{"rule": "has(self.a)", "message": "new"}]);
        placeless(&json!({"properties": {"a": {"type": "object", "x-kubernetes-validations": rule}}}), &mut found);
        assert_eq!(found, ["new"]);
    }

    #[test]
    fn a_percentage_that_was_decoded_keeps_the_rule() {
        let weighted = |weight: Value| rollout(json!({"stages": [{"name": "a", "weight": weight}]}));
        for weight in [json!(0), json!("100%"), json!("100.000%"), json!("0.0001%"), json!(5.5), json!("07.50")] {
            let object = serde_json::to_value(weighted(weight)).unwrap();
            let broken = broken_rules(&object);
            assert!(!broken.iter().any(|rule| rule.sentence.contains("must be a percentage")), "{object}: {broken:?}");
        }
    }

    #[test]
    fn a_minimal_rollout_is_valid() {
        assert_eq!(validate(&rollout(json!({}))), Ok(()));
    }

    #[test]
    fn falling_weights_are_refused_with_a_sentence() {
        let falling = json!({"stages": [
            {"name": "a", "weight": "25%"}, {"name": "b", "weight": 5}, {"name": "c", "weight": "100%"},
        ]});
        let error = validate(&rollout(falling)).unwrap_err().to_string();
        assert!(error.contains("the weights of the stages must rise"), "{error}");
    }

    #[test]
    fn the_workload_and_the_service_cannot_be_changed() {
        let old = rollout(json!({}));
        let mut other = old.clone();
        other.spec.workload.name = "basket".to_owned();
        other.spec.service = "basket".to_owned();
        let error = other.validate_cel_update(&old).unwrap_err().to_string();
        assert!(error.contains("the workload cannot be changed"), "{error}");
        assert!(error.contains("the Service cannot be changed"), "{error}");
        assert_eq!(validate(&other), Ok(()));
    }

    #[test]
    fn the_routes_cannot_be_changed_while_a_rollout_is_under_way() {
        let mut old = rollout(json!({"traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}}}));
        let mut other = old.clone();
        other.spec.traffic = None;
        assert!(other.validate_cel_update(&old).is_ok(), "before anything has happened");
        for (phase, allowed) in [(Phase::Stable, true), (Phase::Progressing, false), (Phase::Promoting, false)] {
            let status = RolloutStatus { phase, ..RolloutStatus::default() };
            (old.status, other.status) = (Some(status.clone()), Some(status));
            assert_eq!(other.validate_cel_update(&old).is_ok(), allowed, "{phase:?}");
            assert!(old.validate_cel_update(&old).is_ok(), "{phase:?}: unchanged");
        }
    }

    #[test]
    fn an_override_in_another_form_than_its_check_is_refused() {
        let overriding = |max: Value| {
            rollout(json!({
                "stages": [{"name": "a", "weight": "100%", "checks": [{"name": "errors", "max": max}]}],
                "analysis": {"checks": [{"name": "errors", "errorRate": {"preset": "istio", "max": "1%"}}]},
            }))
        };
        assert_eq!(validate(&overriding(json!("0.5%"))), Ok(()));
        let error = validate(&overriding(json!("500ms"))).unwrap_err().to_string();
        assert!(error.contains("another form than the check's own"), "{error}");
    }

    #[test]
    fn an_override_of_a_check_that_does_not_exist_is_refused() {
        let unknown = json!({"stages": [{"name": "a", "weight": "100%", "checks": [{"name": "p95", "max": "1s"}]}]});
        let error = validate(&rollout(unknown)).unwrap_err().to_string();
        assert!(error.contains("a stage overrides a check that analysis.checks does not have"), "{error}");
    }
}
