//! Events as they are told to programs that live in another time.
//!
//! kubectl is told the ages in its tables by the server, but those of events in `describe` and `events` it counts
//! itself, by the clock of the machine. Where the server's clock is another one, the times of events are moved to where
//! they would be on that one; nobody compares them or writes them back. All other times stay: they are compared.

use jiff::{SignedDuration, Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::Value;

/// Where an event says when something happened, in either of its groups.
const TIMES: [&str; 6] = [
    "/firstTimestamp",
    "/lastTimestamp",
    "/deprecatedFirstTimestamp",
    "/deprecatedLastTimestamp",
    "/eventTime",
    "/series/lastObservedTime",
];

/// Moves the times of an event, or of all events in a list.
pub(super) fn shift(answer: &mut Value, by: SignedDuration) {
    if let Some(events) = answer.get_mut("items").and_then(Value::as_array_mut) {
        for event in events {
            shift(event, by);
        }
    }
    for path in TIMES {
        let Some(Value::String(text)) = answer.pointer_mut(path) else { continue };
        let Ok(time) = text.parse::<Timestamp>() else { continue };
        // Times of whole seconds are told as such.
        let digits = if text.contains('.') { 6 } else { 0 };
        let moved = time.saturating_add(by).unwrap_or(time);
        *text = DateTimePrinter::new().precision(Some(digits)).timestamp_to_string(&moved);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_move_and_keep_the_form_of_their_times() {
        let mut list = json!({"items": [
            {"firstTimestamp": "2026-03-02T09:00:00Z", "eventTime": null, "metadata": {"creationTimestamp": "2026-03-02T09:00:00Z"}},
            {"eventTime": "2026-03-02T09:00:00.000001Z", "series": {"lastObservedTime": "2026-03-02T09:00:30.000000Z"}},
        ]});
        shift(&mut list, SignedDuration::from_hours(1));
        assert_eq!(list["items"][0]["firstTimestamp"], "2026-03-02T10:00:00Z");
        assert_eq!(list["items"][0]["metadata"]["creationTimestamp"], "2026-03-02T09:00:00Z");
        assert_eq!(list["items"][1]["eventTime"], "2026-03-02T10:00:00.000001Z");
        assert_eq!(list["items"][1]["series"]["lastObservedTime"], "2026-03-02T10:00:30.000000Z");
    }
}
