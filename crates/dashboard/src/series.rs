//! What was seen of one rollout over time: its weight, and the numbers of its checks.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_picture::number;

/// So many moments of one rollout are kept. When they are full, every second one goes: the whole way stays, seen from
/// farther off.
const MOMENTS: usize = 120;

/// So many checks of one rollout are kept; the status has the last numbers of them all.
const CHECKS: usize = 6;

/// One moment.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    /// Seconds since 1970.
    at: i64,
    /// The weight in force, in percent.
    weight: f32,
    /// The values of the checks, in the order of [`Series::checks`]; NaN where there is none.
    values: [f32; CHECKS],
}

/// The moments of one rollout, at most [`MOMENTS`], about 5 kB.
#[derive(Debug, Clone, Default)]
pub struct Series {
    revision: String,
    checks: Vec<String>,
    moments: Vec<Moment>,
}

impl Series {
    /// Takes in what `object` says at `now`. Another version begins anew; with none on its way, the last one stays.
    pub fn observe(&mut self, object: &Value, now: Timestamp) {
        let Some(status) = object.get("status") else { return };
        let Some(revision) = status.pointer("/canary/revision").and_then(Value::as_str) else { return };
        if revision != self.revision {
            *self = Self { revision: revision.to_owned(), ..Self::default() };
            self.began(object);
        }
        let Some(weight) = weight(status) else { return };
        let mut values = [f32::NAN; CHECKS];
        for check in status.get("checks").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = check.get("name").and_then(Value::as_str) else { continue };
            let Some(place) = self.place(name) else { continue };
            let value = check.get("value").and_then(Value::as_str).and_then(number);
            if let (Some(slot), Some(value)) = (values.get_mut(place), value) {
                *slot = narrow(value);
            }
        }
        self.push(Moment { at: now.as_second(), weight, values });
    }

    /// The stages that came into force before anybody looked.
    fn began(&mut self, object: &Value) {
        let stages = object.pointer("/spec/stages").and_then(Value::as_array);
        let weight_of = |name: &str| {
            let stage = stages?.iter().find(|stage| stage.get("name").and_then(Value::as_str) == Some(name))?;
            percent(stage.get("weight")?)
        };
        for begun in object.pointer("/status/begun").and_then(Value::as_array).into_iter().flatten() {
            let since = begun.get("since").and_then(Value::as_str).and_then(|since| since.parse::<Timestamp>().ok());
            let weight = begun.get("stage").and_then(Value::as_str).and_then(weight_of);
            if let (Some(since), Some(weight)) = (since, weight) {
                self.push(Moment { at: since.as_second(), weight, values: [f32::NAN; CHECKS] });
            }
        }
    }

    fn place(&mut self, name: &str) -> Option<usize> {
        let known = self.checks.iter().position(|known| known == name);
        known.or_else(|| {
            (self.checks.len() < CHECKS).then(|| {
                self.checks.push(name.to_owned());
                self.checks.len() - 1
            })
        })
    }

    fn push(&mut self, moment: Moment) {
        if self.moments.last().is_some_and(|last| last.at >= moment.at) {
            self.moments.pop();
        }
        if self.moments.len() >= MOMENTS {
            let mut keep = false;
            self.moments.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.moments.push(moment);
    }

    /// For the browser: the names of the checks, and rows of the instant in seconds, the weight in percent, and the values
    /// in their units.
    pub fn shown(&self) -> Value {
        let rows = self.moments.iter().map(|moment| {
            let values = moment.values.iter().take(self.checks.len());
            let values: Vec<_> = values.map(|value| value.is_finite().then_some(*value)).collect();
            json!([moment.at, moment.weight, values])
        });
        json!({"revision": self.revision, "checks": self.checks, "rows": rows.collect::<Vec<_>>()})
    }
}

/// The new version's share of the traffic, in percent.
fn weight(status: &Value) -> Option<f32> {
    if let Some(stage) = status.get("stage").filter(|stage| !stage.is_null()) {
        return percent(stage.get("weightInForce")?);
    }
    match status.get("phase").and_then(Value::as_str)? {
        "Promoting" => Some(100.0),
        "Reverting" => Some(0.0),
        _ => None,
    }
}

fn percent(value: &Value) -> Option<f32> {
    value.as_f64().or_else(|| value.as_str().and_then(number)).map(narrow)
}

/// What is drawn needs no more.
#[allow(clippy::cast_possible_truncation)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_442_000 + second).unwrap()
    }

    fn seen(revision: &str, weight: &str, value: &str) -> Value {
        json!({"status": {
            "canary": {"revision": revision}, "stage": {"weightInForce": weight},
            "checks": [{"name": "errors", "value": value}],
        }})
    }

    #[test]
    fn however_long_a_rollout_takes_no_more_is_kept_and_the_whole_way_stays() {
        let mut series = Series::default();
        for second in 0..10_000 {
            series.observe(&seen("a", "5%", "0.3%"), at(second));
        }
        assert!(series.moments.len() <= MOMENTS);
        assert!(series.moments.len() >= MOMENTS / 2);
        assert_eq!(series.moments.first().unwrap().at, at(0).as_second());
        assert_eq!(series.moments.last().unwrap().at, at(9_999).as_second());
    }

    #[test]
    fn another_version_begins_anew_with_the_stages_that_were_missed() {
        let mut series = Series::default();
        series.observe(&seen("a", "5%", "0.3%"), at(0));
        let mut object = seen("b", "25%", "412ms");
        object["spec"] = json!({"stages": [{"name": "canary", "weight": 5}, {"name": "quarter", "weight": "25%"}]});
        object["status"]["begun"] = json!([{"stage": "canary", "since": at(10)}, {"stage": "gone", "since": at(11)}]);
        series.observe(&object, at(60));
        let shown = series.shown();
        assert_eq!(shown["checks"], json!(["errors"]));
        assert_eq!(shown["rows"][0], json!([at(10).as_second(), 5.0, [null]]));
        assert_eq!(shown["rows"][1][1], json!(25.0));
        assert_eq!(shown["rows"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_status_of_another_age_is_no_fault() {
        let mut series = Series::default();
        for odd in [json!({}), json!({"status": 5}), json!({"status": {"canary": [], "stage": "x", "checks": {}}})] {
            series.observe(&odd, at(0));
        }
        assert_eq!(series.shown()["rows"], json!([]));
    }
}
