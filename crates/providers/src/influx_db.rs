//! `InfluxDB`: `InfluxQL`, which versions 1 to 3 answer alike. <https://docs.influxdata.com/influxdb/v2/reference/api/influxdb-1x/query/>

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Fault,
    kind::{Answer, Kind, Request},
};

/// Asks a database for `text` in `InfluxQL`, such as `SELECT mean("load") FROM "cpu" WHERE time > now() - 5m`.
pub(super) struct InfluxDb {
    pub(super) database: String,
}

impl Kind for InfluxDb {
    fn request(&self, text: &str, _: Timestamp) -> Result<Request, Fault> {
        Ok(Request::get("/query", &[("db", &self.database), ("q", text), ("epoch", "s")]))
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        if body.get("error").is_some() {
            return Some(Answer::Refused);
        }
        let mut numbers = Vec::new();
        for result in body["results"].as_array()? {
            if result.get("error").is_some() {
                return Some(Answer::Refused);
            }
            if result["partial"] == true {
                return Some(Answer::Partial);
            }
            // Where nothing is selected there is no list.
            for series in result["series"].as_array().into_iter().flatten() {
                let time = series["columns"].as_array()?.iter().position(|column| column == "time");
                for row in series["values"].as_array()?.iter().rev() {
                    let columns = row.as_array()?.iter().enumerate().filter(|(place, _)| Some(*place) != time);
                    let mut values = columns.filter_map(|(_, value)| value.as_f64());
                    // The interval that is not over yet may have none.
                    let Some(number) = values.next() else { continue };
                    if values.next().is_some() {
                        return None;
                    }
                    numbers.push(number);
                    break;
                }
            }
        }
        Some(Answer::Numbers(numbers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shop() -> InfluxDb {
        InfluxDb { database: "shop".to_owned() }
    }

    #[test]
    fn the_last_row_of_each_series_counts() {
        let request = shop().request("SELECT 1", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(request.path, "/query?db=shop&q=SELECT+1&epoch=s");
        let body = json!({"results": [{"statement_id": 0, "series": [
            {"name": "cpu", "tags": {"host": "a"}, "columns": ["time", "mean"], "values": [[60, 1.5], [120, 2.5], [180, null]]},
            {"name": "cpu", "tags": {"host": "b"}, "columns": ["time", "mean"], "values": [[60, 4]]},
        ]}]});
        assert_eq!(shop().answer(&body), Some(Answer::Numbers(vec![2.5, 4.0])));
        assert_eq!(shop().answer(&json!({"results": [{"statement_id": 0}]})), Some(Answer::Numbers(Vec::new())));
    }

    #[test]
    fn a_row_with_two_numbers_is_not_the_answer_that_is_meant() {
        let body = json!({"results": [{"series": [{"columns": ["time", "mean", "max"], "values": [[60, 1, 2]]}]}]});
        assert_eq!(shop().answer(&body), None);
    }

    #[test]
    fn errors_and_partial_answers_are_no_numbers() {
        assert_eq!(shop().answer(&json!({"error": "error parsing query"})), Some(Answer::Refused));
        assert_eq!(shop().answer(&json!({"results": [{"error": "database not found: shop"}]})), Some(Answer::Refused));
        assert_eq!(shop().answer(&json!({"results": [{"series": [], "partial": true}]})), Some(Answer::Partial));
    }
}
