//! Text that somebody else wrote, as a terminal may show it: names and messages must not move the cursor, change colours, or
//! turn the order of the letters around.

use std::borrow::Cow;

use tidegate_api::is_unseen;

/// `text` in one line, with everything written out that a terminal would obey instead of showing it.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_obeyed) { Cow::Owned(text.chars().map(shown).collect()) } else { Cow::Borrowed(text) }
}

/// The same of each line.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    if text.chars().any(|letter| letter != '\n' && is_obeyed(letter)) {
        let letter = |letter: char| if letter == '\n' { "\n".to_owned() } else { shown(letter) };
        Cow::Owned(text.chars().map(letter).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn shown(letter: char) -> String {
    match letter {
        '\n' | '\t' | '\u{2028}' | '\u{2029}' => " ".to_owned(),
        letter if is_obeyed(letter) => letter.escape_unicode().to_string(),
        letter => letter.to_string(),
    }
}

/// Control characters, marks that nobody sees, and what ends a line.
fn is_obeyed(letter: char) -> bool {
    letter.is_control() || is_unseen(letter) || matches!(letter, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(plain("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(plain("a\u{202e}b\u{9b}2J"), "a\\u{202e}b\\u{9b}2J");
        assert_eq!((plain("a\nb\tc"), plain_lines("a\nb\r")), ("a b c".into(), "a\nb\\u{d}".into()));
    }

    #[test]
    fn what_people_write_stays() {
        assert_eq!(plain("Zürich 東京 5 %"), "Zürich 東京 5 %");
    }
}
