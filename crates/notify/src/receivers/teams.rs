//! Microsoft Teams: a webhook of the Workflows app, which posts an adaptive card.
//!
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>: a message has at most
//! 28 KB. Text runs of a `RichTextBlock` have no markup, those of a `TextBlock` have: so none is used here.
//! <https://adaptivecards.io/explorer/RichTextBlock.html>

use serde_json::{Value, json};

use super::Call;
use crate::{fitted::cut, notice::Notice, severity::Severity, words::Words};

/// In UTF-16 units, each of which takes at most three bytes, or six where JSON escapes it: all three are within 28 KB.
const TITLE: usize = 256;
const TEXT: usize = 4000;
const FOOTER: usize = 400;

/// The card that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let run = |text: &str, size: &str, weight: &str, color: &str| {
        json!({
            "type": "RichTextBlock",
            "inlines": [{"type": "TextRun", "text": text, "size": size, "weight": weight, "color": color}],
        })
    };
    let color = match notice.severity {
        Severity::Info => "default",
        Severity::Warn => "warning",
        Severity::Page => "attention",
        Severity::Resolve => "good",
    };
    let lines = [
        run(&cut(words.title.text(), TITLE), "large", "bolder", color),
        run(&cut(words.text.text(), TEXT), "default", "default", "default"),
        run(&cut(&notice.footer(), FOOTER), "small", "lighter", "default"),
    ];
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": cut(words.title.text(), TITLE),
        "body": lines,
    });
    Call::json(json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": Value::Null,
            "content": card,
        }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_card_has_no_field_in_which_markup_means_anything() {
        let notice = Notice { message: "[ok](http://evil) **x**".to_owned(), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        assert!(!body.to_string().contains("TextBlock\",\"text\""));
        let card = &body["attachments"][0]["content"];
        assert_eq!(card["body"][1]["type"], "RichTextBlock");
        assert_eq!(card["body"][1]["inlines"][0]["text"], "[ok](http://evil) **x**");
        assert_eq!(card["body"][0]["inlines"][0]["color"], "attention");
    }

    #[test]
    fn a_card_stays_below_28_kilobytes_whatever_is_in_it() {
        for letter in ["語", "😀", "\"", "a"] {
            let notice = Notice {
                message: letter.repeat(30_000),
                images: vec![letter.repeat(30_000)],
                ..sample::notice("Reverted")
            };
            let body = call(&notice, &Words::usual(&notice)).body.to_string();
            assert!(body.len() < 28 * 1024, "{letter}: {}", body.len());
        }
    }
}
