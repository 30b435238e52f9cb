//! Variables in PromQL, escaped by their type and by where they stand.

use crate::api::{RevisionStatus, Span};

/// What the variables of a query stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scope<'a> {
    /// The Rollout's namespace.
    pub namespace: &'a str,
    /// The Rollout's name.
    pub rollout: &'a str,
    /// The Service that clients use.
    pub service: &'a str,
    /// The revision that is asked about.
    pub revision: &'a RevisionStatus,
    /// The length of time that a `rate()` should cover.
    pub window: Span,
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
        nearest: &'static str,
    },
    /// `{{` without `}}`.
    #[error("a variable that begins with {{{{ does not end with }}}}")]
    Unclosed,
    /// A text stands where PromQL takes no text.
    #[error("{{{{{name}}}}} must stand inside quotes")]
    Unquoted {
        /// The variable.
        name: &'static str,
    },
    /// `pods` is compared as if it were a name.
    #[error("{{{{pods}}}} is a regular expression: match it with =~ or !~")]
    NotAPattern,
    /// A value cannot be written in a string between backticks.
    #[error("the value of {{{{{name}}}}} cannot stand between backticks; use double quotes")]
    Backtick {
        /// The variable.
        name: &'static str,
    },
}

const NAMES: [&str; 6] = ["namespace", "rollout", "service", "revision", "pods", "window"];

/// Kubernetes cuts the base of a generated name here, so that five random letters still fit into 63.
/// <https://github.com/kubernetes/apiserver/blob/master/pkg/storage/names/generate.go>
const GENERATED_BASE: usize = 58;

/// The hash of a pod template that stands for any: no object's name has it.
pub(super) const ANY: &str = "*";

/// What the hash of any pod template looks like.
const ANY_HASH: &str = "[a-z0-9]+";

/// What the names of all pods of a ReplicaSet start with; five letters or digits follow.
pub(super) fn pod_prefix(replica_set: &str) -> String {
    format!("{replica_set}-").chars().take(GENERATED_BASE).collect()
}

/// A regular expression that matches the names of just the pods of a ReplicaSet.
pub(super) fn pods(replica_set: &str) -> String {
    let prefix = escape_pattern(&pod_prefix(replica_set)).replace(&escape_pattern(ANY), ANY_HASH);
    format!("{prefix}[a-z0-9]{{5}}")
}

/// Whether `pod`, which matches [`pods`] of one of two ReplicaSets, belongs to the one with this [`pod_prefix`].
pub(super) fn is_pod_of(prefix: &str, pod: &str) -> bool {
    match prefix.split_once(ANY) {
        Some((workload, _)) => pod.starts_with(workload),
        None => pod.strip_prefix(prefix).is_some_and(|random| random.len() == 5),
    }
}

/// `text` as a regular expression that matches only it.
pub(super) fn escape_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// `text` as it is written between double or single quotes.
pub(super) fn escape_string(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str(r"\n"),
            '\\' | '"' | '\'' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Where in a query the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    Comment,
    /// Inside a string, with its quote and how it is compared.
    String(char, Matcher),
}

/// What stands before a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matcher {
    /// `=` or `!=`.
    Equal,
    /// `=~` or `!~`.
    Pattern,
    /// Neither: the argument of a function.
    None,
}

/// Fills in the variables of `template`.
///
/// # Errors
/// [`TemplateError`], with the variable and what to do.
pub fn render(template: &str, scope: &Scope<'_>) -> Result<String, TemplateError> {
    let mut query = String::with_capacity(template.len());
    let mut place = Place::Code;
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if let Some(inside) = rest.strip_prefix("{{") {
            let (name, behind) = inside.split_once("}}").ok_or(TemplateError::Unclosed)?;
            query.push_str(&value(name.trim(), scope, place)?);
            rest = behind;
            continue;
        }
        let mut taken = c.len_utf8();
        place = match place {
            Place::Code if matches!(c, '"' | '\'' | '`') => Place::String(c, matcher(&query)),
            Place::Code if c == '#' => Place::Comment,
            Place::Comment if c == '\n' => Place::Code,
            Place::String(quote, _) if c == quote => Place::Code,
            Place::String(quote, _) if c == '\\' && quote != '`' => {
                taken += rest.chars().nth(1).map_or(0, char::len_utf8);
                place
            }
            _ => place,
        };
        let (read, behind) = rest.split_at(taken);
        query.push_str(read);
        rest = behind;
    }
    Ok(query)
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

fn value(written: &str, scope: &Scope<'_>, place: Place) -> Result<String, TemplateError> {
    let unknown = || TemplateError::Unknown { name: written.to_owned(), nearest: nearest(written) };
    let name = NAMES.into_iter().find(|name| *name == written).ok_or_else(unknown)?;
    let text = match name {
        "window" => return Ok(scope.window.to_string()),
        "namespace" => scope.namespace,
        "rollout" => scope.rollout,
        "service" => scope.service,
        "revision" => &scope.revision.revision,
        _ => &scope.revision.replica_set,
    };
    let Place::String(quote, matcher) = place else {
        return if place == Place::Comment { Ok(String::new()) } else { Err(TemplateError::Unquoted { name }) };
    };
    let text = match (name, matcher) {
        ("revision", Matcher::Pattern) if text == ANY => ANY_HASH.to_owned(),
        ("pods", Matcher::Equal) => return Err(TemplateError::NotAPattern),
        ("pods", _) => pods(text),
        (_, Matcher::Pattern) => escape_pattern(text),
        _ => text.to_owned(),
    };
    match quote {
        '`' if text.contains('`') => Err(TemplateError::Backtick { name }),
        '`' => Ok(text),
        _ => Ok(escape_string(&text)),
    }
}

/// The variable that is written most like `name`.
fn nearest(name: &str) -> &'static str {
    NAMES.into_iter().min_by_key(|candidate| strsim::levenshtein(name, candidate)).unwrap_or("pods")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(replica_set: &str) -> RevisionStatus {
        RevisionStatus { revision: "7f9c6b54d".to_owned(), replica_set: replica_set.to_owned(), ..Default::default() }
    }

    fn rendered(template: &str) -> Result<String, TemplateError> {
        let revision = revision("check.out-7f9c6b54d");
        let scope = Scope {
            namespace: "shop",
            rollout: "checkout",
            service: "check.out",
            revision: &revision,
            window: Span::seconds(90),
        };
        render(template, &scope)
    }

    #[test]
    fn a_value_is_escaped_for_where_it_stands() {
        for (template, query) in [
            (r#"x{service="{{service}}"}"#, r#"x{service="check.out"}"#),
            (r#"x{service=~"{{ service }}|a"}"#, r#"x{service=~"check\\.out|a"}"#),
            (r"x{service=~`{{service}}`}", r"x{service=~`check\.out`}"),
            (r#"x{pod=~"{{pods}}"}"#, r#"x{pod=~"check\\.out-7f9c6b54d-[a-z0-9]{5}"}"#),
            (r"rate(x{r!~'a\'{{revision}}'}[{{window}}])", r"rate(x{r!~'a\'7f9c6b54d'}[1m30s])"),
            ("x # {{rollout}} \"\n+ 1", "x #  \"\n+ 1"),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(query));
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused_with_a_sentence() {
        for (template, sentence) in [
            (r#"x{a="{{pod}}"}"#, "there is no variable {{pod}}; did you mean {{pods}}?"),
            (r#"x{a="{{name_space}}"}"#, "there is no variable {{name_space}}; did you mean {{namespace}}?"),
            (r#"x{pod="{{pods}}"}"#, "{{pods}} is a regular expression: match it with =~ or !~"),
            ("sum({{service}})", "{{service}} must stand inside quotes"),
            (r#"x{a="{{pods"}"#, "a variable that begins with {{ does not end with }}"),
        ] {
            assert_eq!(rendered(template).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn no_value_leaves_its_string() {
        let hostile = revision("a\"} or up{x=\"\n\\");
        let scope = Scope { namespace: "n", rollout: "r", service: "s", revision: &hostile, window: Span::seconds(60) };
        let query = render(r#"x{pod=~"{{pods}}"}"#, &scope).unwrap();
        let inside = query.strip_prefix(r#"x{pod=~""#).and_then(|rest| rest.strip_suffix(r#""}"#)).unwrap();
        assert!(!inside.replace(r"\\", "").replace(r#"\""#, "").contains(['"', '\n']), "{query}");
    }

    #[test]
    fn any_revision_of_a_workload_can_be_asked_for() {
        let any = RevisionStatus { revision: ANY.to_owned(), ..revision("check.out-*") };
        let scope = Scope { namespace: "n", rollout: "r", service: "s", revision: &any, window: Span::seconds(60) };
        let query = render(r#"x{pod=~"{{pods}}",hash=~"{{revision}}"}"#, &scope);
        assert_eq!(query.as_deref(), Ok(r#"x{pod=~"check\\.out-[a-z0-9]+-[a-z0-9]{5}",hash=~"[a-z0-9]+"}"#));
        assert!(is_pod_of("check.out-*-", "check.out-7f9c6b54d-x7k2p") && !is_pod_of("-", "check.out-7f9c6b54d-x7k2p"));
    }

    #[test]
    fn pods_of_a_replica_set_with_a_long_name_are_still_matched() {
        let long = "a".repeat(60);
        assert_eq!(pods(&long), format!("{}[a-z0-9]{{5}}", "a".repeat(58)));
    }
}
