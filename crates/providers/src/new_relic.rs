//! New Relic: NRQL by its GraphQL API. <https://docs.newrelic.com/docs/apis/nerdgraph/examples/nerdgraph-nrql-tutorial/>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Fault,
    kind::{Answer, Kind, Request},
};

/// The text is a variable, so that nothing in it can leave its quotes.
const QUESTION: &str =
    "query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }";

/// Numbers of a result that say where it is.
const PLACES: [&str; 4] = ["beginTimeSeconds", "endTimeSeconds", "timestamp", "inspectedCount"];

/// Asks for `text` in NRQL, such as `SELECT percentage(count(*), WHERE error IS true) FROM Transaction SINCE 5 minutes ago`.
pub(super) struct NewRelic {
    pub(super) account: u64,
}

impl Kind for NewRelic {
    fn request(&self, text: &str, _: Timestamp) -> Result<Request, Fault> {
        let question = json!({"query": QUESTION, "variables": {"account": self.account, "nrql": text}});
        Ok(Request::post("/graphql", "application/json", question.to_string().into_bytes()))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        if body["errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
            return Some(Answer::Refused);
        }
        let results = body.pointer("/data/actor/account/nrql/results")?.as_array()?;
        Some(Answer::Numbers(results.iter().map(value).collect::<Option<_>>()?))
    }
}

/// The one number of a result.
fn value(result: &Value) -> Option<f64> {
    let fields = result.as_object()?.iter().filter(|(name, _)| !PLACES.contains(&name.as_str()));
    let mut numbers = fields.filter_map(|(_, value)| value.as_f64());
    numbers.next().filter(|_| numbers.next().is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHOP: NewRelic = NewRelic { account: 7 };

    fn answered(results: &Value) -> Option<Answer> {
        SHOP.answer(&json!({"data": {"actor": {"account": {"nrql": {"results": results}}}}}))
    }

    #[test]
    fn each_result_has_one_number() {
        let request = SHOP.request("SELECT \"1\"", Timestamp::UNIX_EPOCH).unwrap();
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent["variables"], json!({"account": 7, "nrql": "SELECT \"1\""}));
        assert_eq!(answered(&json!([{"percentage": 1.5}])), Some(Answer::Numbers(vec![1.5])));
        let faceted = json!([{"facet": "a", "appName": "a", "count": 2}, {"facet": "b", "appName": "b", "count": 3}]);
        assert_eq!(answered(&faceted), Some(Answer::Numbers(vec![2.0, 3.0])));
        assert_eq!(answered(&json!([{"min": 1, "max": 2}])), None);
    }

    #[test]
    fn errors_are_no_numbers() {
        let body =
            json!({"data": {"actor": {"account": {"nrql": null}}}, "errors": [{"message": "NRQL Syntax Error"}]});
        assert_eq!(SHOP.answer(&body), Some(Answer::Refused));
    }
}
