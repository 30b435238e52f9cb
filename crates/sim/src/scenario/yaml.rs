//! YAML whose mistakes are told with file, line, column and field.

pub use tidegate_api::yaml::{Mistake, documents, read, read_field};

/// What is wrong with a value: a sentence without its subject, for a field that whoever checks does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongValue(pub(in crate::scenario) String);
