//! Opsgenie: alerts. What only informs opens none.
//!
//! <https://docs.opsgenie.com/docs/alert-api>: `message` has at most 130 characters, `alias` 512, `description` 15,000, `source`
//! 100, `entity` 512; a tag 50, of which there are at most 20; `details` 8000.

use std::collections::BTreeMap;

use serde_json::json;

use super::Call;
use crate::{fitted::cut, notice::Notice, severity::Severity, words::Words};

const MESSAGE: usize = 130;
const ALIAS: usize = 512;
const DESCRIPTION: usize = 15_000;
const NOTE: usize = 25_000;
const TAG: usize = 50;
const DETAIL: usize = 500;

/// The requests that tell of `notice`.
#[must_use]
pub fn calls(notice: &Notice, words: &Words) -> Vec<Call> {
    let each = |call: fn(&Notice, &Words, &str) -> Call| {
        let aliases = notice.incidents.iter().map(|incident| notice.key(incident, ALIAS));
        aliases.map(|alias| call(notice, words, &alias)).collect()
    };
    match notice.severity {
        Severity::Info => Vec::new(),
        Severity::Warn | Severity::Page => each(create),
        Severity::Resolve => each(close),
    }
}

fn create(notice: &Notice, words: &Words, alias: &str) -> Call {
    let priority = if notice.severity == Severity::Page { "P1" } else { "P3" };
    let details = BTreeMap::from([
        ("namespace", cut(&notice.namespace, DETAIL)),
        ("rollout", cut(&notice.rollout, DETAIL)),
        ("revision", cut(&notice.revision, DETAIL)),
        ("images", cut(&notice.images.join(", "), DETAIL)),
    ]);
    Call::to(
        "/v2/alerts".to_owned(),
        json!({
            "message": cut(words.title.text(), MESSAGE),
            "alias": alias,
            "description": cut(words.text.text(), DESCRIPTION),
            "priority": priority,
            "source": "Tidegate",
            "entity": format!("{}/{}", notice.namespace, notice.rollout),
            "tags": [cut(&notice.reason, TAG), cut(&notice.namespace, TAG)],
            "details": details,
        }),
    )
}

fn close(_: &Notice, words: &Words, alias: &str) -> Call {
    let note = cut(&format!("{}: {}", words.title.text(), words.text.text()), NOTE);
    // A segment of a path, in which no slash may stand for itself.
    let alias = alias.replace('/', "%2F");
    Call::to(format!("/v2/alerts/{alias}/close?identifierType=alias"), json!({"source": "Tidegate", "note": note}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_revert_opens_an_alert_and_the_promotion_closes_the_same() {
        let told = |reason| {
            let notice = sample::notice(reason);
            calls(&notice, &Words::usual(&notice)).remove(0)
        };
        let (create, close) = (told("Reverted"), told("Promoted"));
        assert_eq!((create.path.as_str(), &create.body["priority"]), ("/v2/alerts", &json!("P1")));
        let alias = create.body["alias"].as_str().unwrap().replace('/', "%2F");
        assert_eq!(close.path, format!("/v2/alerts/{alias}/close?identifierType=alias"));
        assert_eq!(told("CheckWarns").body["priority"], "P3");
    }

    #[test]
    fn what_only_informs_opens_no_alert() {
        let notice = sample::notice("StageEntered");
        assert!(calls(&notice, &Words::usual(&notice)).is_empty());
    }

    #[test]
    fn nothing_is_longer_than_opsgenie_takes() {
        let notice = Notice {
            message: "ä".repeat(30_000),
            rollout: "r".repeat(253),
            namespace: "n".repeat(63),
            images: vec!["i".repeat(9000)],
            ..sample::notice("Reverted")
        };
        let alert = calls(&notice, &Words::usual(&notice)).remove(0).body;
        let length = |field: &str| alert[field].as_str().unwrap().chars().count();
        assert_eq!((length("message"), length("description")), (MESSAGE, DESCRIPTION));
        assert!(length("alias") <= ALIAS && length("entity") <= 512);
        assert!(alert["tags"].as_array().unwrap().iter().all(|tag| tag.as_str().unwrap().chars().count() <= TAG));
        assert!(alert["details"].to_string().len() < 8000);
    }
}
