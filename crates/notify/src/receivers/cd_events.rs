//! CDEvents 0.4 in CloudEvents, structured: what happened to services and incidents.
//!
//! <https://github.com/cdevents/spec/blob/v0.4.1/spec.md>: a context with `version`, `id`, `source`, `type` and `timestamp`, a
//! subject with `id`, `type` and `content`; services need `environment` and `artifactId`, incidents `environment`.
//! <https://github.com/cdevents/spec/blob/v0.4.1/cloudevents-binding.md>

use serde_json::{Value, json};
use tidegate_api::condition::reason;

use super::Call;
use crate::{
    fitted::cut,
    notice::{Incident, Notice},
    severity::Severity,
    words::Words,
};

const VERSION: &str = "0.4.1";
const DESCRIPTION: usize = 4000;
const KEY: usize = 512;

/// The events that tell of `notice`, in the name of `source`. There are none for steps that CDEvents have no word for.
#[must_use]
pub fn calls(notice: &Notice, words: &Words, source: &str) -> Vec<Call> {
    let service = match notice.reason.as_str() {
        reason::PROMOTED => Some("upgraded"),
        reason::REVERTED | reason::CAME_BACK | reason::ABORTED => Some("rolledback"),
        reason::ADOPTED => Some("deployed"),
        _ => None,
    };
    let incident = match notice.severity {
        Severity::Info => None,
        Severity::Warn | Severity::Page => Some("detected"),
        Severity::Resolve => Some("resolved"),
    };
    let services = service.map(|what| of_service(notice, source, what));
    let incidents = incident.into_iter().flat_map(|what| {
        notice
            .incidents
            .iter()
            .enumerate()
            .map(move |(place, incident)| of_incident(notice, words, source, &Told { what, incident, place }))
    });
    services.into_iter().chain(incidents).collect()
}

/// What became of which incident, and its place among those of the notice.
struct Told<'a> {
    what: &'a str,
    incident: &'a Incident,
    place: usize,
}

fn of_service(notice: &Notice, source: &str, what: &str) -> Call {
    let content = json!({"environment": environment(notice, source), "artifactId": artifact(notice)});
    let subject = json!({"id": service(notice), "source": source, "type": "service", "content": content});
    event(notice, source, &notice.id, &format!("dev.cdevents.service.{what}.0.2.0"), &subject)
}

fn of_incident(notice: &Notice, words: &Words, source: &str, told: &Told) -> Call {
    let content = json!({
        "description": cut(words.text.text(), DESCRIPTION),
        "environment": environment(notice, source),
        "service": {"id": service(notice), "source": source},
        "artifactId": artifact(notice),
    });
    let key = notice.key(told.incident, KEY);
    let subject = json!({"id": key, "source": source, "type": "incident", "content": content});
    let id = format!("{}-incident-{}", notice.id, told.place);
    event(notice, source, &id, &format!("dev.cdevents.incident.{}.0.2.0", told.what), &subject)
}

fn environment(notice: &Notice, source: &str) -> Value {
    json!({"id": notice.namespace, "source": source})
}

fn service(notice: &Notice) -> String {
    format!("{}/{}", notice.namespace, notice.rollout)
}

/// The first image as a package URL. Where no image is known, the revision stands for it.
///
/// <https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md>
fn artifact(notice: &Notice) -> String {
    let Some(image) = notice.images.first() else {
        return format!("pkg:generic/{}@{}", encoded(&notice.rollout), encoded(&notice.revision));
    };
    let (tagged, digest) =
        image.split_once('@').map_or((image.as_str(), None), |(tagged, digest)| (tagged, Some(digest)));
    let start = tagged.rfind('/').map_or(0, |slash| slash + 1);
    let (place, last) = tagged.split_at(start);
    let (name, tag) = last.split_once(':').map_or((last, None), |(name, tag)| (name, Some(tag)));
    let version = digest.or(tag).map(|version| format!("@{}", encoded(version))).unwrap_or_default();
    let repository = if place.is_empty() { String::new() } else { format!("repository_url={place}{name}") };
    let tag = tag.map(|tag| format!("tag={}", encoded(tag))).unwrap_or_default();
    let qualifiers: Vec<_> = [repository, tag].into_iter().filter(|qualifier| !qualifier.is_empty()).collect();
    let qualifiers = if qualifiers.is_empty() { String::new() } else { format!("?{}", qualifiers.join("&")) };
    format!("pkg:oci/{}{version}{qualifiers}", encoded(&name.to_lowercase()))
}

fn encoded(text: &str) -> String {
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let bytes = text.as_bytes().iter();
    bytes.map(|byte| if kept(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn event(notice: &Notice, source: &str, id: &str, kind: &str, subject: &Value) -> Call {
    let context = json!({"version": VERSION, "id": id, "source": source, "type": kind, "timestamp": notice.at});
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "time": notice.at,
        "subject": subject["id"],
        "datacontenttype": "application/json",
        "data": {
            "context": context,
            "subject": subject,
            "customData": {"reason": notice.reason, "message": notice.message, "revision": notice.revision},
            "customDataContentType": "application/json",
        },
    });
    Call { path: String::new(), content_type: "application/cloudevents+json", body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn told(reason: &str) -> Vec<Value> {
        let notice = sample::notice(reason);
        calls(&notice, &Words::usual(&notice), "/cluster/one").into_iter().map(|call| call.body).collect()
    }

    fn kinds(reason: &str) -> Vec<String> {
        told(reason).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_revert_rolls_a_service_back_and_detects_an_incident() {
        let revert = ["dev.cdevents.service.rolledback.0.2.0", "dev.cdevents.incident.detected.0.2.0"];
        assert_eq!(kinds("Reverted"), revert);
        assert_eq!(kinds("Promoted"), ["dev.cdevents.service.upgraded.0.2.0", "dev.cdevents.incident.resolved.0.2.0"]);
        assert!(kinds("StageEntered").is_empty(), "there is no word for it");
        let (revert, promotion) = (told("Reverted"), told("Promoted"));
        assert_eq!(revert[1]["data"]["subject"]["id"], promotion[1]["data"]["subject"]["id"]);
    }

    #[test]
    fn an_event_has_all_that_the_specification_asks_for() {
        for event in told("Reverted") {
            let context = &event["data"]["context"];
            for field in ["version", "id", "source", "type", "timestamp"] {
                assert!(context[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {event}");
            }
            let subject = &event["data"]["subject"];
            for field in ["id", "source", "type"] {
                assert!(subject[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {event}");
            }
            assert_eq!(subject["content"]["environment"]["id"], "shop");
            assert!(subject["content"]["artifactId"].as_str().unwrap().starts_with("pkg:oci/checkout@v3?"));
            assert_eq!((&event["id"], &event["type"]), (&context["id"], &context["type"]));
        }
    }

    #[test]
    fn an_image_is_told_as_a_package() {
        let told = |images: &[&str]| {
            let images = images.iter().map(|image| (*image).to_owned()).collect();
            artifact(&Notice { images, ..sample::notice("Reverted") })
        };
        assert_eq!(told(&["checkout:v3"]), "pkg:oci/checkout@v3?tag=v3");
        let digest = told(&["registry.example.com:5000/shop/Checkout@sha256:0b31"]);
        assert_eq!(digest, "pkg:oci/checkout@sha256%3A0b31?repository_url=registry.example.com:5000/shop/Checkout");
        assert_eq!(told(&[]), "pkg:generic/checkout@7f9c6b54d");
    }
}
