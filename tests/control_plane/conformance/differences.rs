//! Where two answers differ in what programs go by.

use serde_json::Value;

use super::step::Step;

/// One place where they differ: its path within the answer, what the real server says, what the embedded one says.
pub type Difference = (String, Option<Value>, Option<Value>);

/// In what two answers differ, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The embedded server takes what the real one refuses.
    Lenient,
    /// It refuses what the real one takes.
    Strict,
    /// Both refuse, and give another code, reason or detail.
    Refusal,
    /// Who owns which field.
    Owned,
    /// The same, and whether the write counts as one.
    Written,
    /// Anything else.
    Content,
}

impl Class {
    /// In what `theirs` and `ours` differ, if they differ at `places`.
    pub fn of(theirs: &Value, ours: &Value, places: &[Difference]) -> Self {
        let refused = |answer: &Value| answer["code"].as_u64() >= Some(400);
        let all = |fields: &[&str]| places.iter().all(|(place, ..)| fields.iter().any(|field| place.contains(field)));
        match (refused(theirs), refused(ours)) {
            (true, false) => Self::Lenient,
            (false, true) => Self::Strict,
            (true, true) if all(&[".code", ".reason", ".details"]) => Self::Refusal,
            _ if all(&[".managedFields"]) => Self::Owned,
            _ if all(&[".managedFields", ".resourceVersion", ".generation"]) => Self::Written,
            _ => Self::Content,
        }
    }
}

/// All places where they differ.
pub fn differences(step: &Step, theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(theirs), Some(ours), &mut found);
    let is_refusal = ours["answer"]["status"] == "Failure" && theirs["answer"]["status"] == "Failure";
    found.retain(|(place, theirs, _)| {
        !(is_wording(place, theirs.as_ref()) || is_refusal && place.ends_with(".message"))
    });
    if step.path.contains("/deployments") {
        found.retain(|(place, ..)| !is_of_controllers(place));
    }
    found
}

/// What controllers write on their own, at a moment of their own.
fn is_of_controllers(place: &str) -> bool {
    let theirs = [".answer.status", ".answer.metadata.managedFields", ".answer.metadata.resourceVersion"];
    theirs.iter().any(|field| place.starts_with(field))
}

/// What is worded otherwise, or filled in where nobody looks.
///
/// - Sentences of refusals are for people. Codes, reasons and fields are compared.
/// - The items of a list carry their kind or not: clients go by the list's.
/// - Ready-made values: addresses of Services.
fn is_wording(place: &str, theirs: Option<&Value>) -> bool {
    let item = place.starts_with(".answer.items[") && theirs.is_none();
    (item && (place.ends_with("].kind") || place.ends_with("].apiVersion")))
        || place.contains(".clusterIP")
        || place.starts_with(".answer.status.conditions[")
        || place.ends_with(".metadata.continue")
}

fn compare(place: String, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let missing = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(missing) {
                compare(format!("{place}.{key}"), left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                compare(format!("{place}[{index}]"), left.get(index), right.get(index), found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => found.push((place, left.cloned(), right.cloned())),
    }
}
