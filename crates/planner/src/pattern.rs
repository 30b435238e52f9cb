//! Texts as regular expressions.

/// `text` as a regular expression that matches only it, in every dialect.
#[must_use]
pub fn exactly(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_as_a_pattern_matches_itself(text in r"\PC*") {
            let pattern = regex::Regex::new(&format!("^(?:{})$", exactly(&text))).unwrap();
            prop_assert!(pattern.is_match(&text));
        }
    }
}
