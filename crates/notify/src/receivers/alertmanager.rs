//! Alertmanager: alerts of its API of version 2. What only informs is none.
//!
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>: a list of alerts with `labels`, `annotations`,
//! `startsAt` and `endsAt`. An alert is known by its labels; one without `endsAt` would be over after five minutes.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Call;
use crate::{
    fitted::cut,
    notice::{Incident, Notice},
    severity::{Severity, Topic},
    words::Words,
};

/// An alert that nothing ends is over after this: nobody sends it again.
const LASTS: SignedDuration = SignedDuration::from_hours(24);
const ANNOTATION: usize = 4000;

/// The requests that tell of `notice`.
#[must_use]
pub fn calls(notice: &Notice, words: &Words) -> Vec<Call> {
    let alerts: Vec<Value> = match notice.severity {
        Severity::Info => Vec::new(),
        Severity::Warn | Severity::Page => {
            notice.incidents.iter().map(|incident| firing(notice, words, incident)).collect()
        }
        Severity::Resolve => notice.incidents.iter().flat_map(|incident| resolved(notice, words, incident)).collect(),
    };
    if alerts.is_empty() { Vec::new() } else { vec![Call::to("/api/v2/alerts".to_owned(), Value::Array(alerts))] }
}

fn firing(notice: &Notice, words: &Words, incident: &Incident) -> Value {
    let ends = notice.at.saturating_add(LASTS).unwrap_or(notice.at);
    json!({
        "labels": labels(notice, incident, notice.severity),
        "annotations": annotations(words),
        "startsAt": notice.at,
        "endsAt": ends,
    })
}

/// The severity is a label, by which Alertmanager routes: each that was told is another alert.
fn resolved(notice: &Notice, words: &Words, incident: &Incident) -> Vec<Value> {
    let alert = |severity: &Severity| {
        json!({
            "labels": labels(notice, incident, *severity),
            "annotations": annotations(words),
            "endsAt": notice.at,
        })
    };
    incident.severities.iter().map(alert).collect()
}

fn labels(notice: &Notice, incident: &Incident, severity: Severity) -> BTreeMap<&'static str, String> {
    let severity = if severity == Severity::Page { "critical" } else { "warning" };
    let topic = if incident.topic == Topic::Stable { "stable" } else { "release" };
    BTreeMap::from([
        ("alertname", "TidegateRollout".to_owned()),
        ("namespace", notice.namespace.clone()),
        ("rollout", notice.rollout.clone()),
        ("uid", notice.uid.clone()),
        ("revision", incident.revision.clone()),
        ("topic", topic.to_owned()),
        ("severity", severity.to_owned()),
    ])
}

fn annotations(words: &Words) -> Value {
    json!({"summary": cut(words.title.text(), ANNOTATION), "description": cut(words.text.text(), ANNOTATION)})
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::sample;

    fn alerts(notice: &Notice) -> Vec<Value> {
        let calls = calls(notice, &Words::usual(notice));
        calls.first().and_then(|call| call.body.as_array().cloned()).unwrap_or_default()
    }

    #[test]
    fn an_alert_fires_until_the_same_labels_end() {
        let (reverted, mut promoted) = (sample::notice("Reverted"), sample::notice("Promoted"));
        promoted.at = promoted.at.saturating_add(SignedDuration::from_mins(9)).unwrap();
        let (firing, resolved) = (alerts(&reverted), alerts(&promoted));
        assert_eq!(firing[0]["labels"], resolved[0]["labels"]);
        let instant = |text: &Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(instant(&firing[0]["endsAt"]).duration_since(reverted.at), LASTS);
        assert_eq!(instant(&resolved[0]["endsAt"]), promoted.at);
    }

    #[test]
    fn whatever_was_told_of_an_incident_ends_with_it() {
        let mut notice = sample::notice("Promoted");
        notice.incidents[0].severities = vec![Severity::Warn, Severity::Page];
        let severities: Vec<_> = alerts(&notice).iter().map(|alert| alert["labels"]["severity"].clone()).collect();
        assert_eq!(severities, ["warning", "critical"]);
    }

    #[test]
    fn labels_have_names_that_prometheus_takes() {
        let alerts = alerts(&sample::notice("Reverted"));
        for label in alerts[0]["labels"].as_object().unwrap().keys() {
            assert!(label.chars().all(|letter| letter.is_ascii_alphabetic()), "{label}");
        }
        assert!(
            super::calls(&sample::notice("StageEntered"), &Words::usual(&sample::notice("StageEntered"))).is_empty()
        );
    }
}
