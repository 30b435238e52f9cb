//! Where two answers differ, and which of it is known and why.

use serde_json::Value;

use super::step::Step;

/// One place where they differ: its path within the answer, what the real server says, what the embedded one says.
pub type Difference = (String, Option<Value>, Option<Value>);

/// A difference that is meant to be.
struct Known {
    /// What the request's path contains.
    path: &'static str,
    /// What the place in the answer begins with.
    place: &'static str,
    /// What the place ends with.
    end: &'static str,
    /// Why the embedded server does not do as the real one.
    #[expect(dead_code, reason = "it is here for people")]
    why: &'static str,
}

const KNOWN: &[Known] = &[];

/// The differences that nobody has listed.
pub fn differences(step: &Step, theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(theirs), Some(ours), &mut found);
    found.retain(|(place, ..)| !is_a_sentence(place, ours));
    found.retain(|(place, ..)| !KNOWN.iter().any(|known| known.covers(step, place)));
    found
}

/// The sentence of a refusal is for people, and Kubernetes itself changes it from version to version. The codes, reasons
/// and fields are for programs.
fn is_a_sentence(place: &str, answer: &Value) -> bool {
    answer["answer"]["status"] == "Failure" && place.ends_with(".message")
}

impl Known {
    fn covers(&self, step: &Step, place: &str) -> bool {
        step.path.contains(self.path) && place.starts_with(self.place) && place.ends_with(self.end)
    }
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
