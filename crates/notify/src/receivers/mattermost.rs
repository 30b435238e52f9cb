//! Mattermost: an incoming webhook, with an attachment.
//!
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>: a message has at most 16,383 characters.
//! <https://developers.mattermost.com/integrate/reference/message-attachments/>

use serde_json::json;

use super::Call;
use crate::{
    fitted::{cut, fitted},
    notice::Notice,
    severity::Severity,
    words::Words,
};

const TITLE: usize = 300;
const TEXT: usize = 12_000;
const FOOTER: usize = 300;

/// The message that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let color = match notice.severity {
        Severity::Info => "#1c58d9",
        Severity::Warn => "#ffbc1f",
        Severity::Page => "#d24b4e",
        Severity::Resolve => "#3db887",
    };
    Call::json(json!({
        "attachments": [{
            "fallback": cut(words.title.text(), TITLE),
            "color": color,
            "title": words.title.markup(TITLE, escape),
            "text": words.text.markup(TEXT, escape),
            "footer": fitted(&notice.footer(), FOOTER, escape),
        }],
    }))
}

/// A backslash takes a mark its meaning where Mattermost knows that mark to be escaped. Behind the others stands an unseen letter:
/// those that mention people and channels, and begin links and emoji.
///
/// <https://docs.mattermost.com/collaborate/format-messages.html>
pub fn escape(text: &mut String, letter: char) {
    match letter {
        '@' | '~' | ':' | '<' => text.extend([letter, '\u{200b}']),
        other if "\\*_`|>#-+[]()!".contains(other) => text.extend(['\\', other]),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_message_that_looks_like_markup_is_shown_as_it_is_and_mentions_nobody() {
        let notice = Notice { message: "@channel **x** [ok](http://evil)".to_owned(), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        let expected = "@\u{200b}channel \\*\\*x\\*\\* \\[ok\\]\\(http:\u{200b}//evil\\)";
        assert_eq!(body["attachments"][0]["text"], expected);
    }

    #[test]
    fn a_message_has_fewer_than_16383_characters() {
        let long = "*".repeat(30_000);
        let notice = Notice { images: vec![long.clone()], message: long, ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body.to_string();
        assert!(cut(&body, 40_000).chars().count() < 40_000);
        let texts = ["fallback", "title", "text", "footer"];
        let lengths = texts.map(|text| {
            call(&notice, &Words::usual(&notice)).body["attachments"][0][text].as_str().unwrap().chars().count()
        });
        assert!(lengths.iter().sum::<usize>() < 16_383, "{lengths:?}");
    }
}
