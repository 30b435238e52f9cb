//! Text as a receiver may show it: what people wrote is no markup, and no longer than its place.

/// How a receiver's markup says a letter as it is: appends it to a text.
pub type Escape = fn(&mut String, char);

/// A letter that needs no escape.
pub fn plain(text: &mut String, letter: char) {
    text.push(letter);
}

/// `text` with each letter escaped, in at most `limit` UTF-16 units; what is left out is told by `…`.
///
/// UTF-16 is what services count by whose limit is in characters: others count no more than that.
#[must_use]
pub fn fitted(text: &str, limit: usize, escape: Escape) -> String {
    let mut fitted = String::new();
    let (mut used, mut end) = (0, 0);
    for letter in text.chars() {
        let before = fitted.len();
        escape(&mut fitted, letter);
        used += fitted.get(before..).unwrap_or_default().encode_utf16().count();
        if used > limit {
            fitted.truncate(end);
            fitted.push('…');
            return fitted;
        }
        if used < limit {
            end = fitted.len();
        }
    }
    fitted
}

/// The same of a text that needs no escape.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    fitted(text, limit, plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(text: &mut String, letter: char) {
        match letter {
            '&' => text.push_str("&amp;"),
            other => text.push(other),
        }
    }

    #[test]
    fn a_text_that_fits_stays_whole_and_a_longer_one_says_so() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("abcde", 4), "abc…");
        assert_eq!(cut("ab😀", 4), "ab😀");
        assert_eq!(cut("ab😀d", 4), "ab…");
        assert_eq!(cut("", 4), "");
    }

    #[test]
    fn no_escape_is_cut_in_its_middle() {
        assert_eq!(fitted("a&b", 7, entities), "a&amp;b");
        assert_eq!(fitted("a&b", 6, entities), "a…");
        assert_eq!(fitted("&&&&", 12, entities), "&amp;&amp;…");
        for limit in 1..40 {
            let text = fitted("a&b&c&d&e&f", limit, entities);
            assert!(text.encode_utf16().count() <= limit, "{limit}: {text}");
        }
    }
}
