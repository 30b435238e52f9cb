//! Variables in PromQL, escaped by their type and by where they stand.

use std::borrow::Cow;

use tidegate_api::{ParameterType, RevisionStatus, Span, VARIABLES};
use tidegate_planner::{pattern::exactly, traffic::Names};

use super::{
    escape::{ANY, ANY_HASH, escape_string, pods},
    parameters::Parameters,
};

/// What the variables of a query stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scope<'a> {
    /// The Rollout's namespace.
    pub namespace: &'a str,
    /// The Rollout's name.
    pub rollout: &'a str,
    /// The Service that clients use.
    pub service: &'a str,
    /// The Services that carry the traffic of each revision; nothing without a route, which alone has them.
    pub backends: Option<Backends<'a>>,
    /// The revision that is asked about.
    pub revision: &'a RevisionStatus,
    /// The length of time that a `rate()` should cover.
    pub window: Span,
    /// What the template's own parameters stand for.
    pub parameters: &'a Parameters,
}

/// Which Service carries the traffic of which revision while a route is split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backends<'a> {
    /// The Services.
    pub names: &'a Names,
    /// The revision behind the canary's Service; all others are behind the stable one.
    pub canary: &'a RevisionStatus,
}

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No variable has that name.
    #[error("there is no variable {{{{{name}}}}}; did you mean {{{{{nearest}}}}}?")]
    Unknown {
        /// What is written.
        name: String,
        /// What comes nearest to it.
        nearest: String,
    },
    /// `{{` without `}}`.
    #[error("a variable that begins with {{{{ does not end with }}}}")]
    Unclosed,
    /// A text stands where PromQL takes no text.
    #[error("{{{{{name}}}}} must stand inside quotes")]
    Unquoted {
        /// The variable.
        name: String,
    },
    /// A regular expression is compared as if it were a name.
    #[error("{{{{{name}}}}} is a regular expression: match it with =~ or !~")]
    NotAPattern {
        /// The variable.
        name: String,
    },
    /// A value cannot be written in a string between backticks.
    #[error("the value of {{{{{name}}}}} cannot stand between backticks; use double quotes")]
    Backtick {
        /// The variable.
        name: String,
    },
    /// `backend` is asked for where no route is split.
    #[error(
        "{{{{backend}}}} needs spec.traffic: without a route both versions are behind one Service, and a gateway cannot \
         tell them apart; count at the pods instead, such as with preset pod-http"
    )]
    NoBackend,
}

/// Where in a query a variable stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Code,
    Comment,
    /// Inside a string, with its quote and how it is compared.
    String(char, Matcher),
    /// In a regular expression that is no part of a query.
    Pattern,
    /// In a language that nobody knows here.
    Text,
}

/// What stands before a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matcher {
    /// `=` or `!=`.
    Equal,
    /// `=~` or `!~`.
    Pattern,
    /// Neither: the argument of a function.
    None,
}

/// A part of a template, with its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    /// For a string, what stands between the quotes.
    pub(super) text: &'t str,
    pub(super) place: Place,
}

impl Piece<'_> {
    /// The piece as PromQL, without the quotes of a string.
    pub(super) fn filled(&self, scope: &Scope<'_>) -> Result<String, TemplateError> {
        fill(self.text, scope, self.place)
    }

    /// Adds the piece, which became `filled`, to a query; a string with its quotes.
    pub(super) fn put(&self, filled: &str, query: &mut String) {
        let quote = if let Place::String(quote, _) = self.place { Some(quote) } else { None };
        query.extend(quote);
        query.push_str(filled);
        query.extend(quote);
    }
}

/// Fills in the variables of `template`.
///
/// # Errors
/// [`TemplateError`], with the variable and what to do.
pub fn render(template: &str, scope: &Scope<'_>) -> Result<String, TemplateError> {
    let mut query = String::with_capacity(template.len());
    for piece in pieces(template)? {
        piece.put(&piece.filled(scope)?, &mut query);
    }
    Ok(query)
}

/// Fills in the variables of a regular expression that is no part of a query.
///
/// # Errors
/// As [`render`].
pub fn render_pattern(template: &str, scope: &Scope<'_>) -> Result<String, TemplateError> {
    fill(template, scope, Place::Pattern)
}

/// Fills in the variables of a text in a language that is not `PromQL`: as they are, wherever they stand.
///
/// # Errors
/// As [`render`].
pub fn render_text(template: &str, scope: &Scope<'_>) -> Result<String, TemplateError> {
    fill(template, scope, Place::Text)
}

/// `template` in pieces of code, comments and strings.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut place = Place::Code;
    let (mut start, mut here) = (0, 0);
    let text = |start: usize, end: usize| template.get(start..end).unwrap_or_default();
    while let Some(c) = template.get(here..).and_then(|rest| rest.chars().next()) {
        let rest = template.get(here..).unwrap_or_default();
        let mut taken = c.len_utf8();
        if let Some(inside) = variable(rest) {
            taken = inside.find("}}").ok_or(TemplateError::Unclosed)? + 4;
        } else {
            // Where the next piece begins, and what it is.
            let next = match place {
                Place::Code if matches!(c, '"' | '\'' | '`') => {
                    Some((here + 1, Place::String(c, matcher(text(start, here)))))
                }
                Place::Code if c == '#' => Some((here, Place::Comment)),
                Place::Comment if c == '\n' => Some((here, Place::Code)),
                Place::String(quote, _) if c == quote => Some((here + 1, Place::Code)),
                Place::String(quote, _) if c == '\\' && quote != '`' => {
                    taken += rest.chars().nth(1).map_or(0, char::len_utf8);
                    None
                }
                _ => None,
            };
            if let Some((behind, following)) = next {
                pieces.push(Piece { text: text(start, here), place });
                (start, place) = (behind, following);
            }
        }
        here += taken;
    }
    // A string that never ends is left to Prometheus to refuse: as code, with its quote, nothing is filled into it
    // that has to be escaped.
    if matches!(place, Place::String(..)) {
        (start, place) = (start.saturating_sub(1), Place::Code);
    }
    pieces.push(Piece { text: text(start, template.len()), place });
    Ok(pieces)
}

/// What stands behind `{{`, if `text` begins with it. Of three braces in a row the first is PromQL's own: in
/// `up{{{label}}="a"}`, the variable is `label`.
fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("{{").filter(|inside| !inside.starts_with('{'))
}

fn matcher(before: &str) -> Matcher {
    let before = before.trim_end();
    if before.ends_with("=~") || before.ends_with("!~") {
        Matcher::Pattern
    } else if before.ends_with('=') {
        Matcher::Equal
    } else {
        Matcher::None
    }
}

fn fill(text: &str, scope: &Scope<'_>, place: Place) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(inside) = variable(rest) {
            let (name, behind) = inside.split_once("}}").ok_or(TemplateError::Unclosed)?;
            let name = name.trim();
            filled.push_str(&written(name, &Value::of(name, scope)?, place)?);
            rest = behind;
        } else {
            let (plain, behind) = rest.split_at(c.len_utf8());
            filled.push_str(plain);
            rest = behind;
        }
    }
    Ok(filled)
}

/// What a variable stands for.
enum Value<'a> {
    /// Any text, which must not leave its quotes.
    Text(&'a str),
    /// A regular expression.
    Pattern(Cow<'a, str>),
    /// A number, a length of time or a name: PromQL as it is.
    Word(Cow<'a, str>),
}

impl<'a> Value<'a> {
    fn of(name: &str, scope: &Scope<'a>) -> Result<Self, TemplateError> {
        Ok(match name {
            "namespace" => Self::Text(scope.namespace),
            "rollout" => Self::Text(scope.rollout),
            "service" => Self::Text(scope.service),
            "backend" => Self::Text(scope.backend().ok_or(TemplateError::NoBackend)?),
            "revision" if scope.revision.revision == ANY => Self::Pattern(ANY_HASH.into()),
            "revision" => Self::Text(&scope.revision.revision),
            "pods" => Self::Pattern(pods(&scope.revision.replica_set).into()),
            "window" => Self::Word(scope.window.to_string().into()),
            _ => match scope.parameters.get(name) {
                Some((ParameterType::Text, text)) => Self::Text(text),
                // In a group: what stands around it must not become a part of its alternatives.
                Some((ParameterType::Pattern, pattern)) => Self::Pattern(format!("(?:{pattern})").into()),
                Some((_, word)) => Self::Word(word.into()),
                None => return Err(unknown(name, scope)),
            },
        })
    }
}

impl<'a> Scope<'a> {
    /// The Service that carries the traffic of the revision that is asked about.
    fn backend(&self) -> Option<&'a str> {
        let Backends { names, canary } = self.backends?;
        // In the past there was one Service as long as nothing was released.
        if self.revision.revision == ANY {
            return Some(&names.service);
        }
        let is_canary = self.revision.replica_set == canary.replica_set;
        Some(if is_canary { &names.canary } else { &names.stable })
    }
}

fn unknown(name: &str, scope: &Scope<'_>) -> TemplateError {
    let known = VARIABLES.into_iter().chain(scope.parameters.names());
    let nearest = known.min_by_key(|candidate| strsim::levenshtein(name, candidate)).unwrap_or("pods");
    TemplateError::Unknown { name: name.to_owned(), nearest: nearest.to_owned() }
}

/// `value` as it is written at `place`.
fn written(name: &str, value: &Value<'_>, place: Place) -> Result<String, TemplateError> {
    let name = || name.to_owned();
    let (quote, matcher) = match (place, value) {
        (Place::Comment, _) => return Ok(String::new()),
        (Place::Code, Value::Word(word)) => return Ok(word.clone().into_owned()),
        (Place::Code, _) => return Err(TemplateError::Unquoted { name: name() }),
        (Place::Pattern, _) => (None, Matcher::Pattern),
        (Place::Text, _) => (None, Matcher::None),
        (Place::String(quote, matcher), _) => (Some(quote), matcher),
    };
    let text = match (value, matcher) {
        (Value::Pattern(_), Matcher::Equal) => return Err(TemplateError::NotAPattern { name: name() }),
        (Value::Pattern(pattern), _) => pattern.clone().into_owned(),
        (Value::Text(text), Matcher::Pattern) => exactly(text),
        (Value::Word(word), Matcher::Pattern) => exactly(word),
        (Value::Text(text), _) => (*text).to_owned(),
        (Value::Word(word), _) => word.clone().into_owned(),
    };
    match quote {
        Some('`') if text.contains('`') => Err(TemplateError::Backtick { name: name() }),
        None | Some('`') => Ok(text),
        Some(quote) => Ok(escape_string(&text, quote)),
    }
}

#[cfg(test)]
mod tests;
