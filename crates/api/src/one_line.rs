//! Text that somebody else wrote, as it may be shown: in a status, a terminal, or a chat.

/// `text` on one line, without what could move a cursor, break a line, or turn the order of letters around.
#[must_use]
pub fn one_line(text: &str) -> String {
    let shown = text.chars().filter(|letter| !is_unseen(*letter));
    let shown: String = shown.map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether it is a mark that nobody sees, and by which a text reads otherwise than it was written.
///
/// <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
#[must_use]
pub fn is_unseen(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || matches!(letter, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_that_reads_as_it_was_written() {
        assert_eq!(one_line("\u{1b}[31ma\r\n  \u{202e}b\u{200b}c "), "[31ma bc");
        assert_eq!(one_line("\n\u{2066} \t"), "");
    }
}
