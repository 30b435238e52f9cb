//! A request that was refused, as a `Status` object tells it.

use serde_json::{Value, json};

use super::Resource;

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

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The machine's word for it, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// The sentence for people, without the field.
    pub message: String,
    /// The path to the field, such as `spec.replicas`.
    pub field: String,
}

impl Cause {
    /// A field with a value that is not allowed.
    #[must_use]
    pub fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}"), field: field.to_owned() }
    }

    /// A field that is missing.
    #[must_use]
    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", message, field: field.to_owned() }
    }
}

impl Refusal {
    /// The `Status` object that is the body of the answer.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(fields) = status.as_object_mut()
            && !self.details.is_null()
        {
            fields.insert("details".to_owned(), self.details.clone());
        }
        status
    }

    fn of(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Value::Null }
    }

    /// The request itself makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::of(400, "BadRequest", message.into())
    }

    /// There is no such object.
    #[must_use]
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.full_name());
        Self { details: details(resource, name, &resource.plural), ..Self::of(404, "NotFound", message) }
    }

    /// There is no such path.
    #[must_use]
    pub fn unknown_path() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self { details: json!({}), ..Self::of(404, "NotFound", message) }
    }

    /// The object is there already.
    #[must_use]
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.full_name());
        Self { details: details(resource, name, &resource.plural), ..Self::of(409, "AlreadyExists", message) }
    }

    /// The object is not as the writer thought.
    #[must_use]
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.full_name());
        Self { details: details(resource, name, &resource.plural), ..Self::of(409, "Conflict", message) }
    }

    /// The object was changed since the writer read it.
    #[must_use]
    pub fn outdated(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// It is not allowed.
    #[must_use]
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.full_name());
        Self { details: details(resource, name, &resource.plural), ..Self::of(403, "Forbidden", message) }
    }

    /// The object has fields that are wrong.
    #[must_use]
    pub fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        let kind = if resource.group.is_empty() {
            resource.kind.clone()
        } else {
            format!("{}.{}", resource.kind, resource.group)
        };
        let told: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let told = match told.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = details(resource, name, &resource.kind);
        if let Some(fields) = details.as_object_mut() {
            let causes = causes
                .iter()
                .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}));
            fields.insert("causes".to_owned(), causes.collect());
        }
        Self { details, ..Self::of(422, "Invalid", format!("{kind} \"{name}\" is invalid: {told}")) }
    }

    /// The version that was asked for is no longer known.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::of(410, "Expired", message.into())
    }

    /// The version that was asked for is not yet known.
    #[must_use]
    pub fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        Self { details: json!({"causes": causes, "retryAfterSeconds": 1}), ..Self::of(504, "Timeout", message) }
    }

    /// The verb is not served here.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self { details: json!({}), ..Self::of(405, "MethodNotAllowed", message) }
    }

    /// It is part of the API, and not of this server.
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::of(501, "NotImplemented", message.into())
    }

    /// The body is of a kind that is not understood here.
    #[must_use]
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::of(415, "UnsupportedMediaType", message.into())
    }
}

fn details(resource: &Resource, name: &str, kind: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind});
    if let Some(fields) = details.as_object_mut()
        && !resource.group.is_empty()
    {
        fields.insert("group".to_owned(), resource.group.clone().into());
    }
    details
}
