//! What each kind of receiver gets over the wire, against what it documents.

use serde_json::Value;
use tidegate_notify::{Notice, Outcome, Way, sample};

use crate::receiver::{Got, Receiver};

/// What a receiver of that kind gets for a notice of that reason; the first `URL` is its address.
async fn told(kind: impl Fn(&Receiver) -> String, reason: &str) -> Vec<Got> {
    let receiver = Receiver::start(&[]).await;
    let config = Receiver::config(&kind(&receiver));
    let ways = Way::all(&config).unwrap();
    let notice =
        Notice { message: "<!channel> @everyone **6%** of 114 [x](http://y)".to_owned(), ..sample::notice(reason) };
    let outcome = ways[0].tell(&notice, notice.at).await;
    assert_eq!(outcome, if receiver.got().is_empty() { Outcome::Skipped } else { Outcome::Delivered });
    receiver.got()
}

fn hook(kind: &'static str, path: &'static str) -> impl Fn(&Receiver) -> String {
    move |receiver| {
        let file = receiver.file(&format!("{}{path}", receiver.url));
        format!("{kind}: {{urlFile: '{}'}}", file.display())
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

#[tokio::test]
async fn slack_gets_a_text_and_blocks_at_its_secret_address() {
    let got = told(hook("slack", "/services/T0/B0/secret"), "Reverted").await.remove(0);
    assert_eq!((got.path.as_str(), got.header("content-type")), ("/services/T0/B0/secret", "application/json"));
    assert!(is_text(&got.body["text"]));
    let kinds: Vec<_> = got.body["blocks"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["header", "section", "context"]);
}

#[tokio::test]
async fn teams_gets_a_message_with_one_adaptive_card() {
    let got = told(hook("teams", "/workflows/x?sig=secret"), "Reverted").await.remove(0);
    assert_eq!((got.path.as_str(), &got.body["type"]), ("/workflows/x?sig=secret", &Value::from("message")));
    let card = &got.body["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!((&card["content"]["type"], &card["content"]["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
}

#[tokio::test]
async fn discord_gets_an_embed_that_mentions_nobody() {
    let got = told(hook("discord", "/api/webhooks/1/secret"), "Reverted").await.remove(0);
    assert_eq!(got.body["allowed_mentions"]["parse"], serde_json::json!([]));
    let embed = &got.body["embeds"][0];
    assert!(is_text(&embed["title"]) && is_text(&embed["description"]) && embed["color"].is_u64());
}

#[tokio::test]
async fn google_chat_gets_a_card_in_the_thread_of_its_rollout() {
    let got = told(hook("googleChat", "/v1/spaces/x/messages?key=a&token=b"), "Reverted").await.remove(0);
    let path = "/v1/spaces/x/messages?key=a&token=b&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
    assert_eq!(got.path, path);
    assert!(is_text(&got.body["thread"]["threadKey"]) && is_text(&got.body["cardsV2"][0]["cardId"]));
}

#[tokio::test]
async fn mattermost_gets_an_attachment() {
    let got = told(hook("mattermost", "/hooks/secret"), "Reverted").await.remove(0);
    let attachment = &got.body["attachments"][0];
    assert!(is_text(&attachment["fallback"]) && is_text(&attachment["text"]) && is_text(&attachment["title"]));
}

#[tokio::test]
async fn pager_duty_gets_a_trigger_and_a_resolve_under_the_key_of_the_integration() {
    let kind = |receiver: &Receiver| {
        format!("pagerDuty: {{url: '{}', routingKeyFile: '{}'}}", receiver.url, receiver.file("R0UT1NG").display())
    };
    let trigger = told(kind, "Reverted").await.remove(0);
    assert_eq!((trigger.path.as_str(), &trigger.body["routing_key"]), ("/v2/enqueue", &"R0UT1NG".into()));
    assert_eq!(trigger.body["event_action"], "trigger");
    for field in ["summary", "source", "severity"] {
        assert!(is_text(&trigger.body["payload"][field]), "{field}");
    }
    let resolve = told(kind, "Promoted").await.remove(0);
    assert_eq!(
        (&resolve.body["event_action"], &resolve.body["dedup_key"]),
        (&"resolve".into(), &trigger.body["dedup_key"])
    );
    assert_eq!(told(kind, "StageEntered").await.remove(0).path, "/v2/change/enqueue");
}

#[tokio::test]
async fn opsgenie_gets_an_alert_and_its_end_under_the_key_of_the_integration() {
    let kind = |receiver: &Receiver| {
        format!("opsgenie: {{url: '{}', apiKeyFile: '{}'}}", receiver.url, receiver.file("0p5").display())
    };
    let create = told(kind, "Reverted").await.remove(0);
    assert_eq!((create.path.as_str(), create.header("authorization")), ("/v2/alerts", "GenieKey 0p5"));
    assert!(is_text(&create.body["message"]) && is_text(&create.body["alias"]));
    let close = told(kind, "Promoted").await.remove(0);
    let alias = create.body["alias"].as_str().unwrap().replace('/', "%2F");
    assert_eq!(close.path, format!("/v2/alerts/{alias}/close?identifierType=alias"));
    assert!(told(kind, "StageEntered").await.is_empty());
}

#[tokio::test]
async fn alertmanager_gets_a_list_of_alerts() {
    let kind = |receiver: &Receiver| {
        format!("alertmanager: {{url: '{}/am', bearerTokenFile: '{}'}}", receiver.url, receiver.file("t0k").display())
    };
    let firing = told(kind, "Reverted").await.remove(0);
    assert_eq!((firing.path.as_str(), firing.header("authorization")), ("/am/api/v2/alerts", "Bearer t0k"));
    let alert = &firing.body[0];
    assert!(is_text(&alert["labels"]["alertname"]) && is_text(&alert["startsAt"]) && is_text(&alert["endsAt"]));
    let resolved = told(kind, "Promoted").await.remove(0);
    assert_eq!(resolved.body[0]["labels"], alert["labels"]);
}

#[tokio::test]
async fn a_webhook_gets_everything_signed() {
    let kind = |receiver: &Receiver| {
        format!(
            "webhook: {{url: '{}/hook', signingKeyFile: '{}'}}",
            receiver.url,
            receiver.file("whsec_c2VjcmV0").display()
        )
    };
    let got = told(kind, "Reverted").await.remove(0);
    let time: i64 = got.header("webhook-timestamp").parse().unwrap();
    let expected = tidegate_webhook::signature("whsec_c2VjcmV0", got.header("webhook-id"), time, &got.body.to_string());
    assert_eq!(got.header("webhook-signature"), expected);
    assert_eq!(
        (got.header("idempotency-key"), &got.body["id"]),
        (got.header("webhook-id"), &got.header("webhook-id").into())
    );
}

#[tokio::test]
async fn cd_events_come_as_structured_cloud_events() {
    let kind = |receiver: &Receiver| format!("cdEvents: {{url: '{}/in', source: /clusters/one}}", receiver.url);
    let got = told(kind, "Reverted").await;
    assert_eq!(got.len(), 2, "a service, and an incident");
    for event in got {
        assert_eq!(event.header("content-type"), "application/cloudevents+json");
        assert_eq!((&event.body["specversion"], &event.body["source"]), (&"1.0".into(), &"/clusters/one".into()));
        assert_eq!(event.body["data"]["context"]["version"], "0.4.1");
    }
}
