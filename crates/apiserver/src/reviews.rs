//! Questions that are asked by creating an object, which nobody keeps: who am I, and what may I do? And who is somebody else,
//! and what may they do?
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>

use serde_json::{Value, json};

use super::{Refusal, Resource};

/// Why everybody may do everything here.
const REASON: &str = "this API server asks nobody who they are";

/// The kinds of questions: group and kind.
const KINDS: [(&str, &str); 5] = [
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
];

/// The kinds of questions as clients are told of them.
pub(super) fn kinds() -> impl Iterator<Item = Resource> {
    KINDS.iter().map(|(group, kind)| Resource {
        group: (*group).to_owned(),
        version: "v1".to_owned(),
        versions: vec!["v1".to_owned()],
        kind: (*kind).to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
        singular: kind.to_lowercase(),
        transient: true,
        ..Resource::default()
    })
}

/// Answers the question that `body` asks, where it is one; `user` is empty for somebody who does not say who they are.
pub(super) fn answer(group: &str, plural: &str, body: Value, user: &str) -> Option<Result<Value, Refusal>> {
    let asked = kinds().find(|kind| kind.group == group && kind.plural == plural)?;
    let Value::Object(mut review) = body else {
        return Some(Err(Refusal::bad_request("the body of the request is not an object")));
    };
    let shown = review.get("spec").and_then(|spec| spec.get("token")).and_then(Value::as_str);
    let shown = shown.unwrap_or_default().to_owned();
    review.insert("apiVersion".to_owned(), asked.api_version().into());
    review.insert("kind".to_owned(), asked.kind.clone().into());
    let status = match asked.kind.as_str() {
        "SelfSubjectAccessReview" | "SubjectAccessReview" => json!({"allowed": true, "reason": REASON}),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": false,
        }),
        "TokenReview" if shown.is_empty() => json!({"authenticated": false, "error": "no token"}),
        // The token is the name.
        "TokenReview" => {
            json!({"authenticated": true, "user": {"username": shown, "groups": ["system:authenticated"]}})
        }
        _ if user.is_empty() => {
            json!({"userInfo": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}})
        }
        _ => json!({"userInfo": {"username": user, "groups": ["system:authenticated"]}}),
    };
    review.insert("status".to_owned(), status);
    Some(Ok(Value::Object(review)))
}
