//! Graphite: targets. <https://graphite.readthedocs.io/en/stable/render_api.html>

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Fault,
    kind::{Answer, Kind, Request, newest_of_each, recent},
};

/// Asks for `text` as a target, such as `asPercent(shop.checkout.errors, shop.checkout.requests)`.
pub(super) struct Graphite;

impl Kind for Graphite {
    fn request(&self, text: &str, at: Timestamp) -> Result<Request, Fault> {
        let (from, until) = recent(at);
        let query = [("target", text), ("from", &from.to_string()), ("until", &until.to_string()), ("format", "json")];
        Ok(Request::get("/render", &query))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        newest_of_each(body, "datapoints", 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_point_with_a_value_counts() {
        let request = Graphite.request("shop.errors", Timestamp::from_second(1000).unwrap()).unwrap();
        assert_eq!(request.path, "/render?target=shop.errors&from=400&until=1000&format=json");
        let body = json!([
            {"target": "shop.errors", "tags": {"name": "shop.errors"}, "datapoints": [[1.5, 940], [2.5, 960], [null, 980]]},
        ]);
        assert_eq!(Graphite.answer(&body), Some(Answer::Numbers(vec![2.5])));
        assert_eq!(Graphite.answer(&json!([])), Some(Answer::Numbers(Vec::new())));
    }
}
