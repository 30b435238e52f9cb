//! `OpenSearch`: SQL. <https://docs.opensearch.org/latest/search-plugins/sql/sql-ppl-api/>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Fault,
    kind::{Answer, Kind, Request},
};

/// Asks for `text` in SQL, such as `SELECT COUNT(*) FROM logs WHERE level = 'error'`.
pub(super) struct OpenSearch;

impl Kind for OpenSearch {
    fn request(&self, text: &str, _: Timestamp) -> Result<Request, Fault> {
        let question = json!({"query": text}).to_string().into_bytes();
        Ok(Request::post("/_plugins/_sql", "application/json", question))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        if body.get("error").is_some() {
            return Some(Answer::Refused);
        }
        let rows = body["datarows"].as_array()?;
        let each = rows.iter().map(|row| {
            let mut numbers = row.as_array()?.iter().filter_map(Value::as_f64);
            numbers.next().filter(|_| numbers.next().is_none())
        });
        Some(Answer::Numbers(each.collect::<Option<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_row_has_one_number() {
        let body = json!({
            "schema": [{"name": "host", "type": "text"}, {"name": "COUNT(*)", "type": "integer"}],
            "datarows": [["a", 4], ["b", 6]], "total": 2, "size": 2, "status": 200,
        });
        assert_eq!(OpenSearch.answer(&body), Some(Answer::Numbers(vec![4.0, 6.0])));
        assert_eq!(OpenSearch.answer(&json!({"datarows": [[1, 2]]})), None);
        let error = json!({"error": {"reason": "Invalid SQL query", "type": "SyntaxCheckException"}, "status": 400});
        assert_eq!(OpenSearch.answer(&error), Some(Answer::Refused));
    }
}
