//! Any service that answers with JSON, in which one number is what counts.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Fault,
    kind::{Answer, Kind, Request},
};

/// Asks for `text` as a path below the endpoint's URL, with its query, such as `/slo/checkout?version=7f9c`.
pub(super) struct Web {
    /// Where in an answer the value is, as a JSON Pointer. <https://www.rfc-editor.org/rfc/rfc6901>
    pub(super) value: String,
}

impl Kind for Web {
    fn request(&self, text: &str, _: Timestamp) -> Result<Request, Fault> {
        // Whatever it says, it stays below the URL that the platform team wrote.
        let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let climbs = path.replace("%2e", ".").split(['/', '\\']).any(|part| part == "..");
        if !text.starts_with('/') || text.contains('#') || climbs {
            return Err(Fault::NoPath);
        }
        Ok(Request::get(text, &[]))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        let value = body.pointer(&self.value)?;
        let numbers = match value {
            Value::Array(values) => values.iter().map(Value::as_f64).collect::<Option<_>>()?,
            Value::Null => Vec::new(),
            value => vec![value.as_f64()?],
        };
        Some(Answer::Numbers(numbers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web() -> Web {
        Web { value: "/slo/0/burn".to_owned() }
    }

    #[test]
    fn the_number_stands_where_the_platform_team_says() {
        let numbers = |burn: Value| web().answer(&json!({"slo": [{"burn": burn}]}));
        assert_eq!(numbers(json!(1.5)), Some(Answer::Numbers(vec![1.5])));
        assert_eq!(numbers(json!([1, 2])), Some(Answer::Numbers(vec![1.0, 2.0])));
        assert_eq!(numbers(Value::Null), Some(Answer::Numbers(Vec::new())));
        assert_eq!(numbers(json!("1.5")), None);
        assert_eq!(web().answer(&json!({"slo": []})), None);
    }

    #[test]
    fn what_is_asked_for_is_below_the_endpoints_url() {
        let asked = |text: &str| web().request(text, Timestamp::UNIX_EPOCH).map(|request| request.path);
        assert_eq!(asked("/slo?version=1"), Ok("/slo?version=1".to_owned()));
        for text in ["slo", "/../admin", "/a/%2E%2e/b", "/a#b"] {
            assert_eq!(asked(text), Err(Fault::NoPath), "{text}");
        }
    }
}
