//! An error as people read it: with its causes, and each of them once.
//!
//! An error of Tidegate has its cause either in its text or as its source, never both. Those of libraries often have it
//! in both places, so what was said already is left out.

use std::{error::Error, fmt};

/// An error with all of its causes, each said once: `what was done: why not: why that`.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                said = format!("{said}: {text}");
            }
            cause = error.source();
        }
        f.write_str(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(texts: &[&'static str]) -> String {
        let nested = texts.iter().rev().fold(None, |source, text| Some(Box::new(Told { text, source })));
        Causes(&*nested.unwrap()).to_string()
    }

    #[test]
    fn every_cause_is_told_after_what_it_prevented() {
        assert_eq!(told(&["cannot read a.yaml", "no such file"]), "cannot read a.yaml: no such file");
    }

    #[test]
    fn what_a_library_says_twice_is_told_once() {
        assert_eq!(
            told(&["ServiceError: no route", "no route", "host is down"]),
            "ServiceError: no route: host is down"
        );
        assert_eq!(told(&["a: b: c", "b: c", "c"]), "a: b: c");
    }
}
