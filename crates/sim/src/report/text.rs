//! Numbers and lines as people read them.

use jiff::{Timestamp, tz::TimeZone};

/// `12345` as `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The day and time of day in UTC: `Mon 02:00:13`.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a %H:%M:%S").to_string()
}

/// The date: `2026-03-02 02:00`.
pub(super) fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a %Y-%m-%d %H:%M UTC").to_string()
}

/// `text` in lines of at most `width` characters, broken between words where that is possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        let used = line.chars().count();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
        } else if used > 0 {
            line.push(' ');
        }
        while rest.len() > width {
            lines.push(rest.drain(..width).collect());
        }
        line.extend(rest);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_asked_and_no_letter_is_lost(text in "[a-zé ]{0,80}", width in 1..40_usize) {
            let lines = wrapped(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&lines.join("")), letters(&text));
        }
    }
}
