//! What was found, and how it is told.

use std::fmt::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use tidegate_api::manifest::{Document, Place};

use crate::cli::plain::plain;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The cluster would refuse it, or it cannot work.
    Error,
    /// It works, but hardly as somebody wants it.
    Warning,
}

/// One thing that somebody should look at. The order is that of reading: by file, line and column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, or `-` for the standard input.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
    /// The field that it is about, such as `spec.stages[0].weight`; empty for a whole file.
    pub field: String,
}

/// One line. What files say is shown letter by letter: it moves no cursor, and begins no line of its own, which a pipeline could
/// take for a command.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        let (file, message, field) = (plain(&self.file), plain(&self.message), plain(&self.field));
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        if field.is_empty() { Ok(()) } else { write!(f, " ({field})") }
    }
}

/// A document and the file that it stands in.
#[derive(Debug, Clone)]
pub struct LocatedDocument {
    /// The file, or `-`.
    pub file: String,
    /// The document.
    pub document: Document,
}

impl LocatedDocument {
    /// Its kind; empty when it has none.
    pub fn kind(&self) -> &str {
        self.document.text(&["kind"]).unwrap_or_default()
    }

    /// Its API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.document.text(&["apiVersion"]).and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
    }

    /// Its name; empty when it has none.
    pub fn name(&self) -> &str {
        self.document.text(&["metadata", "name"]).unwrap_or_default()
    }

    /// Its namespace; empty when it has none.
    pub fn namespace(&self) -> &str {
        self.document.text(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// An error about the value of a field.
    pub fn error(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        let field = field.into();
        self.finding(self.document.place(&field), Severity::Error, field, message)
    }

    /// An error about the name of a field.
    pub fn error_of_name(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        let field = field.into();
        self.finding(self.document.place_of_name(&field), Severity::Error, field, message)
    }

    /// A warning about the value of a field.
    pub fn warning(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..self.error(field, message) }
    }

    fn finding(&self, place: Place, severity: Severity, field: String, message: impl Into<String>) -> Finding {
        let (file, message) = (self.file.clone(), message.into());
        Finding { file, line: place.line, column: place.column, severity, message, field }
    }
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line for each.
    Text,
    /// One JSON object.
    Json,
}

/// All findings, sorted, as they are printed.
pub fn printed(findings: &[Finding], format: Format) -> String {
    if format == Format::Json {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let report = serde_json::json!({
            "findings": findings,
            "errors": count(Severity::Error),
            "warnings": count(Severity::Warning),
        });
        return format!("{report:#}\n");
    }
    findings.iter().fold(String::new(), |mut text, finding| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{finding}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_one_line_that_no_terminal_and_no_pipeline_obeys() {
        let finding = Finding {
            file: "a\u{1b}[2J.yaml".to_owned(),
            line: 1,
            column: 2,
            severity: Severity::Error,
            message: "spec has no field x\n::error file=x::pwned".to_owned(),
            field: "spec.x\n::error file=x::pwned\u{202e}".to_owned(),
        };
        let told = "a\\u{1b}[2J.yaml:1:2: error: spec has no field x ::error file=x::pwned \
                    (spec.x ::error file=x::pwned\\u{202e})";
        assert_eq!(printed(std::slice::from_ref(&finding), Format::Text), format!("{told}\n"));
        let json = printed(&[finding], Format::Json);
        assert!(!json.contains('\u{1b}') && !json.contains("\n::error"), "{json}");
    }
}
