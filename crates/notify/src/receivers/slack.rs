//! Slack: an incoming webhook, in blocks.
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/block-kit/blocks>: a header has at most 150 characters, a section 3000.

use serde_json::{Value, json};

use super::Call;
use crate::{
    fitted::cut,
    notice::Notice,
    words::{Part, Words},
};

const HEADER: usize = 150;
const SECTION: usize = 3000;

/// The message that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let (title, text) = (&words.title, &words.text);
    // What notifications and screen readers have instead of the blocks.
    let fallback = format!("{}: {}", title.markup(HEADER, escape), text.markup(SECTION - HEADER - 2, escape));
    let footer = cut(&notice.footer(), SECTION);
    Call::json(json!({
        "text": fallback,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": cut(title.text(), HEADER), "emoji": false}},
            {"type": "section", "text": section(text)},
            {"type": "context", "elements": [{"type": "plain_text", "text": footer, "emoji": false}]},
        ],
        "unfurl_links": false,
        "unfurl_media": false,
    }))
}

/// Words without a template are shown letter by letter.
fn section(text: &Part) -> Value {
    match text {
        Part::Plain(text) => json!({"type": "plain_text", "text": cut(text, SECTION), "emoji": false}),
        Part::Markup(text) => json!({"type": "mrkdwn", "text": cut(text, SECTION), "verbatim": true}),
    }
}

/// `<` begins links, and mentions that ring at everybody's. Other marks have no escape: an unseen letter before them takes
/// them their meaning.
///
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
pub fn escape(text: &mut String, letter: char) {
    match letter {
        '&' => text.push_str("&amp;"),
        '<' => text.push_str("&lt;"),
        '>' => text.push_str("&gt;"),
        '*' | '_' | '~' | '`' => text.extend(['\u{200b}', letter]),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_message_that_looks_like_markup_is_shown_as_it_is() {
        let notice = Notice { message: "<!channel> *x* <http://evil|ok>".to_owned(), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        assert_eq!(body["blocks"][1]["text"]["type"], "plain_text");
        assert_eq!(body["blocks"][1]["text"]["text"], "<!channel> *x* <http://evil|ok>");
        let fallback = body["text"].as_str().unwrap();
        assert!(fallback.contains("&lt;!channel&gt;") && !fallback.contains('<'), "{fallback}");
    }

    #[test]
    fn nothing_is_longer_than_slack_takes() {
        let notice = Notice { message: "<".repeat(9000), rollout: "r".repeat(253), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        let length = |text: &Value| text.as_str().unwrap().chars().count();
        assert_eq!(length(&body["blocks"][0]["text"]["text"]), HEADER);
        assert_eq!(length(&body["blocks"][1]["text"]["text"]), SECTION);
        assert!(length(&body["text"]) <= SECTION);
    }
}
