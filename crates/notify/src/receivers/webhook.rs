//! Any service: the notice as JSON, signed as Standard Webhooks has it; at the end of a release with its picture, as SVG.

use serde_json::json;

use super::Call;
use crate::{notice::Notice, words::Words};

/// The request that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let incidents: Vec<_> = notice.incidents.iter().map(|incident| notice.key(incident, 512)).collect();
    let mut body = json!({
        "id": notice.id,
        "at": notice.at,
        "severity": notice.severity,
        "reason": notice.reason,
        "namespace": notice.namespace,
        "rollout": notice.rollout,
        "uid": notice.uid,
        "labels": notice.labels,
        "version": {"revision": notice.revision, "images": notice.images},
        "title": words.title.text(),
        "message": words.text.text(),
        "incidents": incidents,
    });
    if let Some(picture) = notice.picture() {
        body["picture"] = picture.into();
    }
    Call::json(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_end_of_a_release_has_its_picture() {
        let notice = Notice { course: Some(sample::course("Reverted")), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        assert!(body["picture"].as_str().unwrap().starts_with("<svg "), "{body}");
    }

    #[test]
    fn a_service_is_told_everything() {
        let notice = sample::notice("Reverted");
        let body = call(&notice, &Words::usual(&notice)).body;
        assert_eq!(body["severity"], "Page");
        assert_eq!(body["version"]["revision"], "7f9c6b54d");
        assert_eq!(body["labels"]["team"], "payments");
        assert_eq!(body["incidents"].as_array().map(Vec::len), Some(1));
    }
}
