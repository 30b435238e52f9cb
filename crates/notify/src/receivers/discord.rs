//! Discord: a webhook, with one embed.
//!
//! <https://docs.discord.com/developers/resources/message#embed-object>: a title has at most 256 characters, a description 4096,
//! a footer 2048, all of them 6000; `content` 2000. <https://docs.discord.com/developers/resources/webhook#execute-webhook>

use serde_json::json;

use super::Call;
use crate::{fitted::cut, notice::Notice, severity::Severity, words::Words};

const TITLE: usize = 256;
const DESCRIPTION: usize = 3500;
const FOOTER: usize = 2000;

/// The message that tells of `notice`.
#[must_use]
pub fn call(notice: &Notice, words: &Words) -> Call {
    let color = match notice.severity {
        Severity::Info => 0x0058_65f2,
        Severity::Warn => 0x00f0_b232,
        Severity::Page => 0x00da_373c,
        Severity::Resolve => 0x0023_a55a,
    };
    Call::json(json!({
        // Whatever stands in the text rings at nobody's.
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": words.title.markup(TITLE, escape),
            "description": words.text.markup(DESCRIPTION, escape),
            "color": color,
            "footer": {"text": cut(&notice.footer(), FOOTER)},
            "timestamp": notice.at,
        }],
    }))
}

/// A backslash takes every mark its meaning.
///
/// <https://support.discord.com/hc/en-us/articles/210298617>
pub fn escape(text: &mut String, letter: char) {
    if "\\*_~`|>#-+[]()<@:!".contains(letter) {
        text.push('\\');
    }
    text.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_message_that_looks_like_markup_is_shown_as_it_is_and_mentions_nobody() {
        let notice = Notice { message: "@everyone **x** [ok](http://evil)".to_owned(), ..sample::notice("Reverted") };
        let body = call(&notice, &Words::usual(&notice)).body;
        let expected = r"\@everyone \*\*x\*\* \[ok\]\(http\://evil\)";
        assert_eq!(body["embeds"][0]["description"], expected);
        assert_eq!(body["allowed_mentions"], json!({"parse": []}));
    }

    #[test]
    fn an_embed_has_fewer_than_6000_characters_in_all() {
        let long = "*".repeat(9000);
        let notice = Notice { images: vec![long.clone()], message: long, ..sample::notice("Reverted") };
        let embed = call(&notice, &Words::usual(&notice)).body["embeds"][0].clone();
        let length = |text: &serde_json::Value| text.as_str().unwrap().chars().count();
        let lengths = [&embed["title"], &embed["description"], &embed["footer"]["text"]].map(length);
        assert!(lengths[0] <= 256 && lengths[1] <= 4096 && lengths[2] <= 2048, "{lengths:?}");
        assert!(lengths.iter().sum::<usize>() <= 6000, "{lengths:?}");
    }
}
