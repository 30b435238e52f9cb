//! Whether an object says of itself that it is in force, by an expression of the user's.
//!
//! <https://kubernetes.io/docs/reference/using-api/cel/>

use kube::core::cel::{CompiledSchema, ErrorKind, compile_schema, validate_compiled};
use serde_json::{Value, json};

use super::Misfit;
use crate::traffic::{Acceptance, kind::describe};

/// An expression that was compiled, which takes many times as long as to ask it.
#[derive(Debug)]
pub struct Expression {
    text: String,
    compiled: CompiledSchema,
}

/// By what they say.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// Compiles `text`, whether it can be read or not.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let compiled = compile_schema(&json!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "x-kubernetes-validations": [{"rule": text}],
        }));
        Self { text: text.to_owned(), compiled }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.text == text
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// What is wrong with it: a sentence.
    pub fn compiles(&self) -> Result<(), Misfit> {
        let errors = validate_compiled(&self.compiled, &json!({}), None).err();
        let unreadable = errors.iter().flatten().find(|error| {
            matches!(
                error.kind,
                ErrorKind::CompilationFailure | ErrorKind::InvalidRule | ErrorKind::UnsupportedReference
            )
        });
        unreadable.map_or(Ok(()), |error| Err(Misfit(format!("accepted cannot be read as CEL: {}", error.message))))
    }

    /// What `object` says by it. What cannot be told yet, since a field is missing, is waited for.
    #[must_use]
    pub fn ask(&self, object: &Value) -> Acceptance {
        if validate_compiled(&self.compiled, object, None).is_ok() {
            return Acceptance::Accepted;
        }
        Acceptance::Waiting(format!("{} does not say yet that it is in force: {}", describe(object), self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(expression: &str, object: &Value) -> Acceptance {
        Expression::new(expression).ask(object)
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
        assert!(Expression::new("self.status.ready == true").compiles().is_ok());
        assert!(
            Expression::new("self.status.(").compiles().unwrap_err().0.starts_with("accepted cannot be read as CEL: ")
        );
    }
}
