//! What the list shows of one Rollout.

use serde_json::{Map, Value, json};

/// So many letters of a sentence are in the list; the Rollout itself has all.
const SENTENCE: usize = 400;

/// So many checks and images are in the list.
const MANY: usize = 16;

/// A few hundred bytes, out of the status of whatever version: what is missing or of another form is left out.
pub fn row(object: &Value) -> Value {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let status = object.get("status").and_then(Value::as_object);
    let mut row = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row.insert(name.to_owned(), value);
        }
    };
    put("namespace", text("/metadata/namespace").map(Value::from));
    put("name", text("/metadata/name").map(Value::from));
    put("deleting", text("/metadata/deletionTimestamp").map(|_| true.into()));
    put("paused", object.pointer("/spec/paused").and_then(Value::as_bool).filter(|paused| *paused).map(Value::from));
    put("phase", text("/status/phase").map(|phase| cut(phase).into()));
    put("message", text("/status/message").map(|message| cut(message).into()));
    put("stage", object.pointer("/status/stage").and_then(stage));
    put("stable", images(object, "/status/stable/images"));
    put("canary", images(object, "/status/canary/images"));
    put("checks", status.and_then(|status| status.get("checks")).map(checks));
    put("since", object.pointer("/status/history/0/at").filter(|at| at.is_string()).cloned());
    put("waiting", waiting(object));
    Value::Object(row)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SENTENCE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn stage(stage: &Value) -> Option<Value> {
    stage.as_object()?;
    let [name, index, of, weight, in_force] =
        ["name", "index", "of", "weight", "weightInForce"].map(|field| stage.get(field));
    Some(json!({"name": name, "index": index, "of": of, "weight": weight, "inForce": in_force}))
}

fn images(object: &Value, path: &str) -> Option<Value> {
    let images = object.pointer(path)?.as_array()?.iter().take(MANY);
    Some(images.filter(|image| image.is_string()).cloned().collect())
}

fn checks(checks: &Value) -> Value {
    let checks = checks.as_array().into_iter().flatten().take(MANY);
    checks.map(|check| json!({"name": check.get("name"), "verdict": check.get("verdict")})).collect()
}

/// How many gates wait for an answer.
fn waiting(object: &Value) -> Option<Value> {
    let gates = object.pointer("/status/gates")?.as_array()?.iter();
    let is_open = |gate: &&Value| matches!(gate.get("state").and_then(Value::as_str), Some("Waiting" | "TimedOut"));
    Some(gates.filter(is_open).count()).filter(|count| *count > 0).map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_without_a_status_and_one_of_another_age_are_shown_as_far_as_they_go() {
        let bare = json!({"metadata": {"namespace": "shop", "name": "checkout"}});
        assert_eq!(row(&bare), json!({"namespace": "shop", "name": "checkout"}));
        let odd = json!({
            "metadata": {"namespace": "shop", "name": "checkout"},
            "status": {"phase": "Levitating", "stage": 7, "checks": "many", "canary": {"images": [1, "a:v2"]}, "gates": {}},
        });
        let expected =
            json!({"namespace": "shop", "name": "checkout", "phase": "Levitating", "checks": [], "canary": ["a:v2"]});
        assert_eq!(row(&odd), expected);
    }

    #[test]
    fn a_sentence_without_end_is_cut() {
        let long = json!({"status": {"message": "ä".repeat(10_000)}});
        assert_eq!(row(&long)["message"].as_str().unwrap().chars().count(), SENTENCE + 1);
    }
}
