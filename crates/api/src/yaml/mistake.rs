//! A mistake in a file, for the person who wrote it.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::{
    manifest::{Document, Malformed, Place},
    nearest::did_you_mean,
    one_line,
};

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
    /// A mistake in the value of a field.
    pub fn at(file: &str, document: &Document, field: &str, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: Some(document.place(field)), field: field.to_owned(), why: why.into() }
    }

    /// A mistake that has no place.
    pub fn of(file: &str, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, field: String::new(), why: why.into() }
    }

    /// Text that is not YAML.
    pub(super) fn syntax(file: &str, malformed: Malformed) -> Self {
        let Malformed { place, message } = malformed;
        Self { file: file.to_owned(), place: Some(place), field: String::new(), why: message }
    }
}

/// One line, whatever the file says.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", one_line(&self.field))?;
        }
        write!(f, ": {}", one_line(&self.why))
    }
}

/// A mistake on its way out of a document: each level that it passes adds itself to the path.
#[derive(Debug)]
pub(super) struct Refusal {
    path: String,
    /// It is the field's name that is wrong, not its value.
    name: bool,
    why: String,
}

impl Refusal {
    /// The same, seen from where `field` is.
    pub(super) fn inside(mut self, field: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{field}{dot}{}", self.path);
        self
    }

    pub(super) fn about_the_name(mut self) -> Self {
        self.name = true;
        self
    }

    pub(super) fn in_file(self, file: &str, document: &Document) -> Mistake {
        let place = if self.name { document.place_of_name(&self.path) } else { document.place(&self.path) };
        Mistake { file: file.to_owned(), place: Some(place), field: self.path, why: self.why }
    }

    pub(super) fn no_such_field(name: &str, fields: &[&str]) -> Self {
        let meant = did_you_mean(name, fields.iter().copied());
        let meant = if meant.is_empty() { format!("; there are {}", fields.join(", ")) } else { meant };
        Self { path: String::new(), name: true, why: format!("there is no such field{meant}") }
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
        Self { path: String::new(), name: false, why: why.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{} is not {}", Found(found), Wanted(&wanted.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self::no_such_field(name, expected)
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        let meant = did_you_mean(name, expected.iter().copied());
        let meant = if meant.is_empty() { format!("; it can be {}", expected.join(", ")) } else { meant };
        Self::custom(format_args!("{name:?} is unknown{meant}"))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::custom(format_args!("the field {name} is missing"))
    }
}

/// What is written, in the words of people who write YAML.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(f, "{text:?}"),
            Unexpected::Bool(value) => write!(f, "{value}"),
            Unexpected::Unsigned(number) => write!(f, "{number}"),
            Unexpected::Signed(number) => write!(f, "{number}"),
            Unexpected::Float(number) => write!(f, "{number}"),
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("a map of fields"),
            other => write!(f, "{other}"),
        }
    }
}

/// What a type says that it expects, in the words of people who write YAML.
struct Wanted<'a>(&'a str);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on that fits",
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number that fits",
            "f32" | "f64" => "a number",
            "a boolean" => "true or false",
            "a string" | "path string" => "a text",
            "a sequence" => "a list",
            "a map" => "a map of fields",
            of if of.starts_with("struct ") => "a map of fields",
            other => other,
        })
    }
}
