//! PagerDuty: events of version 2. What only informs is a change event, which wakes nobody.
//!
//! <https://developer.pagerduty.com/docs/send-alert-event>: `routing_key`, `event_action`, and for a trigger `payload` with
//! `summary` (1024 characters), `source` and `severity`; `dedup_key` has at most 255 characters.
//! <https://developer.pagerduty.com/docs/send-change-event>

use serde_json::{Value, json};

use super::Call;
use crate::{fitted::cut, notice::Notice, severity::Severity, words::Words};

const SUMMARY: usize = 1024;
const DEDUP_KEY: usize = 255;

/// The events that tell of `notice`, under the integration's `routing_key`.
#[must_use]
pub fn calls(notice: &Notice, words: &Words, routing_key: &str) -> Vec<Call> {
    match notice.severity {
        Severity::Info => vec![change(notice, words, routing_key)],
        Severity::Warn => triggers(notice, words, routing_key, "warning"),
        Severity::Page => triggers(notice, words, routing_key, "critical"),
        Severity::Resolve => resolves(notice, routing_key),
    }
}

fn summary(words: &Words) -> String {
    cut(&format!("{}: {}", words.title.text(), words.text.text()), SUMMARY)
}

fn source(notice: &Notice) -> String {
    format!("{}/{}", notice.namespace, notice.rollout)
}

fn details(notice: &Notice) -> Value {
    json!({
        "message": notice.message,
        "reason": notice.reason,
        "revision": notice.revision,
        "images": notice.images,
        "labels": notice.labels,
    })
}

fn triggers(notice: &Notice, words: &Words, routing_key: &str, severity: &str) -> Vec<Call> {
    let trigger = |incident| {
        enqueue(json!({
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": notice.key(incident, DEDUP_KEY),
            "client": "Tidegate",
            "payload": {
                "summary": summary(words),
                "source": source(notice),
                "severity": severity,
                "timestamp": notice.at,
                "component": notice.rollout,
                "group": notice.namespace,
                "class": notice.reason,
                "custom_details": details(notice),
            },
        }))
    };
    notice.incidents.iter().map(trigger).collect()
}

fn resolves(notice: &Notice, routing_key: &str) -> Vec<Call> {
    let resolve = |incident| {
        enqueue(json!({
            "routing_key": routing_key,
            "event_action": "resolve",
            "dedup_key": notice.key(incident, DEDUP_KEY),
        }))
    };
    notice.incidents.iter().map(resolve).collect()
}

fn enqueue(event: Value) -> Call {
    Call::to("/v2/enqueue".to_owned(), event)
}

fn change(notice: &Notice, words: &Words, routing_key: &str) -> Call {
    let payload = json!({
        "summary": summary(words),
        "source": source(notice),
        "timestamp": notice.at,
        "custom_details": details(notice),
    });
    Call::to("/v2/change/enqueue".to_owned(), json!({"routing_key": routing_key, "payload": payload}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn told(reason: &str) -> Vec<Call> {
        let notice = sample::notice(reason);
        calls(&notice, &Words::usual(&notice), "key")
    }

    #[test]
    fn a_revert_triggers_an_incident_and_the_promotion_resolves_the_same() {
        let (trigger, resolve) = (told("Reverted").remove(0), told("Promoted").remove(0));
        assert_eq!(
            (&trigger.body["event_action"], &resolve.body["event_action"]),
            (&json!("trigger"), &json!("resolve"))
        );
        assert_eq!(trigger.body["dedup_key"], resolve.body["dedup_key"]);
        assert_eq!(trigger.body["payload"]["severity"], "critical");
        assert_eq!(told("CheckWarns").remove(0).body["payload"]["severity"], "warning");
    }

    #[test]
    fn what_only_informs_is_a_change_and_no_incident() {
        let change = told("StageEntered").remove(0);
        assert_eq!(change.path, "/v2/change/enqueue");
        assert_eq!(change.body.get("event_action"), None);
    }

    #[test]
    fn nothing_is_longer_than_pager_duty_takes() {
        let notice = Notice { message: "ä".repeat(3000), rollout: "r".repeat(253), ..sample::notice("Reverted") };
        let event = calls(&notice, &Words::usual(&notice), "key").remove(0).body;
        assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), SUMMARY);
        assert!(event["dedup_key"].as_str().unwrap().len() <= DEDUP_KEY);
        assert!(event.to_string().len() < 512 << 10);
    }
}
