//! Google Chat: a webhook of a space, with a card. What is about one Rollout stands in one thread.
//!
//! <https://developers.google.com/workspace/chat/quickstart/webhooks>,
//! <https://developers.google.com/workspace/chat/api/reference/rest/v1/cards>: a message has at most 32,000 bytes.

use serde_json::json;

use super::Call;
use crate::{
    fitted::{cut, fitted},
    notice::Notice,
    words::Words,
};

/// In UTF-16 units, each of which takes at most six bytes.
const TITLE: usize = 200;
const TEXT: usize = 4000;
const FOOTER: usize = 300;

/// The query that makes a message an answer, where its thread is there.
const THREADED: &str = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";

/// The message that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let paragraph = |text: String| json!({"textParagraph": {"text": text}});
    let widgets = [paragraph(words.text.markup(TEXT, escape)), paragraph(fitted(&notice.footer(), FOOTER, escape))];
    let body = json!({
        "cardsV2": [{
            "cardId": notice.id,
            "card": {
                // A header shows no markup.
                "header": {"title": cut(words.title.text(), TITLE)},
                "sections": [{"widgets": widgets}],
            },
        }],
        "fallbackText": cut(words.title.text(), TITLE),
        "thread": {"threadKey": format!("tidegate-{}", notice.uid)},
    });
    Call::to(format!("?{THREADED}"), body)
}

/// Cards show some HTML.
///
/// <https://developers.google.com/workspace/chat/format-messages#card-formatting>
pub fn escape(text: &mut String, letter: char) {
    match letter {
        '&' => text.push_str("&amp;"),
        '<' => text.push_str("&lt;"),
        '>' => text.push_str("&gt;"),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_message_that_looks_like_markup_is_shown_as_it_is() {
        let notice = Notice { message: "<users/all> <a href=\"x\">ok</a>".to_owned(), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        let text = &body["cardsV2"][0]["card"]["sections"][0]["widgets"][0]["textParagraph"]["text"];
        assert_eq!(text, "&lt;users/all&gt; &lt;a href=\"x\"&gt;ok&lt;/a&gt;");
        assert!(body.get("text").is_none(), "a text would be read for mentions");
    }

    #[test]
    fn a_message_stays_below_32000_bytes_whatever_is_in_it() {
        for letter in ["語", "😀", "<", "\""] {
            let notice = Notice { message: letter.repeat(30_000), ..sample::notice("Reverted") };
            let body = call(&notice, &Words::usual(&notice)).body.to_string();
            assert!(body.len() < 32_000, "{letter}: {}", body.len());
        }
    }
}
