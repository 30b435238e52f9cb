//! Datadog: metric queries. <https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points>

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Fault,
    kind::{Answer, Kind, Request, newest_of_each, recent},
};

/// Asks for `text` as a metric query, such as `avg:system.load.1{service:checkout}`.
pub(super) struct Datadog;

impl Kind for Datadog {
    fn request(&self, text: &str, at: Timestamp) -> Result<Request, Fault> {
        let (from, to) = recent(at);
        Ok(Request::get("/api/v1/query", &[("from", &from.to_string()), ("to", &to.to_string()), ("query", text)]))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        if body["status"] == "error" || body["error"].as_str().is_some_and(|error| !error.is_empty()) {
            return Some(Answer::Refused);
        }
        newest_of_each(&body["series"], "pointlist", 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_point_of_each_series_counts() {
        let request = Datadog.request("avg:load{a:b}", Timestamp::from_second(1000).unwrap()).unwrap();
        assert_eq!(request.path, "/api/v1/query?from=400&to=1000&query=avg%3Aload%7Ba%3Ab%7D");
        let body = json!({
            "status": "ok", "res_type": "time_series", "error": "", "query": "avg:load{*} by {host}",
            "series": [
                {"metric": "load", "scope": "host:a", "pointlist": [[1_575_317_847_000_i64, 0.5], [1_575_317_867_000_i64, 0.75]]},
                {"metric": "load", "scope": "host:b", "pointlist": [[1_575_317_847_000_i64, 3], [1_575_317_867_000_i64, null]]},
                {"metric": "load", "scope": "host:c", "pointlist": []},
            ],
        });
        assert_eq!(Datadog.answer(&body), Some(Answer::Numbers(vec![0.75, 3.0])));
    }

    #[test]
    fn an_error_is_no_number() {
        assert_eq!(
            Datadog.answer(&json!({"status": "error", "error": "Rule 'x' is not valid"})),
            Some(Answer::Refused)
        );
        assert_eq!(Datadog.answer(&json!({"errors": ["Forbidden"]})), None);
    }
}
