//! A mistake in a file, for the person who wrote it.

use std::fmt;

use serde::de;

use super::Place;
use crate::api::spelling::nearest;

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// Where in it, if it is about one place.
    pub place: Option<Place>,
    /// The field, such as `events[3].release`; empty if it is about the whole document.
    pub field: String,
    /// What is wrong, and what to do.
    pub why: String,
}

impl Mistake {
    /// A mistake at `place`.
    pub fn at(file: &str, place: Place, field: &str, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: Some(place), field: field.to_owned(), why: why.into() }
    }

    /// A mistake that has no place.
    pub fn of(file: &str, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, field: String::new(), why: why.into() }
    }

    /// Text that is not YAML.
    pub(super) fn syntax(file: &str, error: &serde_saphyr::Error) -> Self {
        let place = error.location().map(Place::from).filter(|place| place.line > 0);
        let told = error.without_snippet().to_string();
        // The place is told in front.
        let why = told.split(" at line ").next().unwrap_or_default().lines().next().unwrap_or_default();
        let why = why.strip_prefix("error: ").unwrap_or(why);
        Self { file: file.to_owned(), place, field: String::new(), why: why.to_owned() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// A mistake on its way out of a document: each level that it passes adds itself to the path.
#[derive(Debug)]
pub(super) struct Refusal {
    place: Option<Place>,
    path: String,
    why: String,
}

impl Refusal {
    /// The same, seen from where `field` is.
    pub(super) fn inside(mut self, field: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{field}{dot}{}", self.path);
        self
    }

    /// The same; `place` if no narrower place is known.
    pub(super) fn near(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(super) fn in_file(self, file: &str, place: Place) -> Mistake {
        let place = self.place.unwrap_or(place);
        Mistake { file: file.to_owned(), place: Some(place), field: self.path, why: self.why }
    }

    pub(super) fn no_such_field(candidates: &[&str]) -> impl Fn(&str) -> Self {
        move |name| {
            let meant = nearest(name, candidates.iter().copied());
            let why = match meant {
                Some(meant) => format!("there is no such field; did you mean {meant}?"),
                None => "there is no such field, nor any other".to_owned(),
            };
            Self { place: None, path: String::new(), why }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { place: None, path: String::new(), why: why.to_string() }
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self::no_such_field(expected)(name)
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        let meant = nearest(name, expected.iter().copied()).unwrap_or_default();
        Self::custom(format_args!("{name:?} is unknown; did you mean {meant}?"))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::custom(format_args!("the field {name} is missing"))
    }
}
