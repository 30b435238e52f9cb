//! E-mail: one letter in plain text; the one at the end of a release has its picture with it. What belongs to one incident has one thread.

use super::Letter;
use tidegate_api::one_line;

use crate::{fitted::cut, notice::Notice, words::Words};

/// A line of a header has at most 998 letters; this is about what programs show.
/// <https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1>
const SUBJECT: usize = 200;

/// The letter that tells of `notice`.
#[must_use]
pub fn letter(notice: &Notice, words: &Words) -> Letter {
    let subject = one_line(&cut(words.title.text(), SUBJECT));
    let thread = notice.incidents.first().map(|incident| {
        let key = notice.key(incident, 200);
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '.' };
        format!("<{}@tidegate>", key.chars().map(plain).collect::<String>())
    });
    Letter {
        subject,
        body: format!("{}\n\n{}\n", words.text.text(), notice.footer()),
        picture: notice.picture(),
        message_id: format!("<{}@tidegate>", notice.id),
        thread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample, words::Part};

    #[test]
    fn no_subject_brings_a_header_of_its_own() {
        let notice = sample::notice("Reverted");
        let words = Words { title: Part::Markup("a\r\nBcc: x@evil".to_owned()), ..Words::usual(&notice) };
        assert_eq!(letter(&notice, &words).subject, "a Bcc: x@evil");
    }

    #[test]
    fn letters_of_one_incident_have_one_thread() {
        let of = |reason| {
            let notice = sample::notice(reason);
            letter(&notice, &Words::usual(&notice))
        };
        assert_eq!(of("Reverted").thread, of("Promoted").thread);
        assert_ne!(of("Reverted").message_id, of("Promoted").message_id);
        assert_eq!(of("StageEntered").thread, None);
    }
}
