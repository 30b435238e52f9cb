//! Regular expressions over the values of labels.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::Parser;

use super::error::QueryError;

/// More memory than this a compiled expression must not take.
const LARGEST: usize = 1 << 20;

/// A regular expression that matches the whole of a value, as Prometheus matches labels. It is compiled when it is
/// first asked: what a check reads is described anew at each look, and mostly only compared with what is known.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    pub(super) fn new(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Whether `value` is matched.
    pub(super) fn matches(&self, value: &str) -> Result<bool, QueryError> {
        let compiled = self.compiled.get_or_init(|| compile(&self.text));
        let regex = compiled.as_ref().ok_or_else(|| QueryError::InvalidPattern { pattern: self.text.clone() })?;
        Ok(regex.is_match(value))
    }
}

/// Whether `text` is a regular expression, without the work of compiling it: checks are prepared at each look.
pub(super) fn is_readable(text: &str) -> bool {
    Parser::new().parse(text).is_ok()
}

/// `text` compiled; nothing if it is no regular expression, or one that is too large.
fn compile(text: &str) -> Option<Regex> {
    // For itself first: with a bracket too many it would only make sense together with ours.
    is_readable(text).then_some(())?;
    RegexBuilder::new(&format!("^(?:{text})$")).dot_matches_new_line(true).size_limit(LARGEST).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_is_matched() {
        let pattern = Pattern::new("5..|0".to_owned());
        let matches = |value| pattern.matches(value).unwrap();
        assert_eq!(["500", "0", "5xx", "1500", "50", "00"].map(matches), [true, true, true, false, false, false]);
    }

    #[test]
    fn what_is_no_pattern_matches_nothing_and_says_so() {
        for text in ["(", "a)|(b", "[", "(?P<", r"a{1000}{1000}{1000}"] {
            let fault = Pattern::new(text.to_owned()).matches("a").unwrap_err();
            assert_eq!(fault.reason(), "InvalidPattern", "{text}");
        }
    }
}
