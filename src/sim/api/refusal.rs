//! A request that was refused, as a `Status` object tells it.

use serde_json::{Value, json};

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status code, such as 409.
    pub code: u16,
    /// The machine's word for it, such as `Conflict`.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// The field of a `Status` that names the object and the causes; `null` without any.
    pub details: Value,
}

impl Refusal {
    /// The `Status` object that is the body of the answer.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
