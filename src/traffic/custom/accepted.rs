//! Whether an object says of itself that it is in force, by an expression of the user's.
//!
//! <https://kubernetes.io/docs/reference/using-api/cel/>

use kube::core::cel::{CompiledSchema, ErrorKind, compile_schema, validate_compiled};
use serde_json::{Value, json};

use crate::{
    api::CustomRoute,
    traffic::{Acceptance, kind::describe},
};

/// Whether the expression can be read.
///
/// # Errors
/// What is wrong with it: a sentence.
pub fn compiles(route: &CustomRoute) -> Result<(), String> {
    let Some(expression) = &route.accepted else { return Ok(()) };
    let errors = validate_compiled(&compiled(expression), &json!({}), None).err();
    let unreadable = errors.iter().flatten().find(|error| {
        matches!(error.kind, ErrorKind::CompilationFailure | ErrorKind::InvalidRule | ErrorKind::UnsupportedReference)
    });
    unreadable.map_or(Ok(()), |error| Err(format!("accepted cannot be read as CEL: {}", error.message)))
}

/// What `object` says by the expression. What cannot be told yet, since a field is missing, is waited for.
pub fn accepted(route: &CustomRoute, object: &Value) -> Acceptance {
    let Some(expression) = &route.accepted else { return Acceptance::Accepted };
    match validate_compiled(&compiled(expression), object, None) {
        Ok(_) => Acceptance::Accepted,
        Err(_) => {
            Acceptance::Waiting(format!("{} does not say yet that it is in force: {expression}", describe(object)))
        }
    }
}

fn compiled(expression: &str) -> CompiledSchema {
    compile_schema(&json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-validations": [{"rule": expression}],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(accepted: &str) -> CustomRoute {
        let (api_version, kind, name) = ("example.com/v1".to_owned(), "Split".to_owned(), "checkout".to_owned());
        CustomRoute { api_version, kind, name, set: Vec::new(), total: None, accepted: Some(accepted.to_owned()) }
    }

    fn said(expression: &str, object: &Value) -> Acceptance {
        accepted(&route(expression), object)
    }

    #[test]
    fn an_object_is_in_force_when_it_says_so() {
        let expression = "self.status.observedGeneration >= self.metadata.generation";
        let object = |observed: i64| json!({"metadata": {"generation": 3}, "status": {"observedGeneration": observed}});
        assert_eq!(said(expression, &object(3)), Acceptance::Accepted);
        assert!(matches!(said(expression, &object(2)), Acceptance::Waiting(_)));
    }

    #[test]
    fn a_list_of_conditions_can_be_asked() {
        let expression = "self.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')";
        let object = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert_eq!(said(expression, &object("True")), Acceptance::Accepted);
        assert!(matches!(said(expression, &object("False")), Acceptance::Waiting(_)));
    }

    #[test]
    fn an_object_without_the_field_is_waited_for() {
        let object = json!({"kind": "Split", "metadata": {"name": "checkout", "namespace": "shop"}});
        assert_eq!(
            said("self.status.ready", &object),
            Acceptance::Waiting(
                "Split shop/checkout does not say yet that it is in force: self.status.ready".to_owned()
            )
        );
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_told() {
        assert!(compiles(&route("self.status.ready == true")).is_ok());
        assert!(compiles(&route("self.status.(")).unwrap_err().starts_with("accepted cannot be read as CEL: "));
    }
}
