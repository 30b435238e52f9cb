//! Functions that change labels.

use regex::Regex;

use super::{
    super::{error::QueryError, value::Sample},
    Arguments,
};

/// Whether `name` may be the name of a label.
pub(in super::super) fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `label_replace`: another label from parts of one.
pub(super) fn replace(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let (to, replacement) = (arguments.text(1)?, arguments.text(2)?);
    let (from, pattern) = (arguments.text(3)?, arguments.text(4)?);
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|_| refused(&format!("invalid regular expression in label_replace(): {pattern}")))?;
    if !is_label_name(&to) {
        return Err(refused(&format!("invalid destination label name in label_replace(): {to}")));
    }
    let mut samples = arguments.vector(0)?;
    for sample in &mut samples {
        let mut value = String::new();
        let Some(captures) = regex.captures(sample.labels.get(&from)) else { continue };
        captures.expand(&replacement, &mut value);
        sample.labels = sample.labels.with(&to, &value);
    }
    Ok(samples)
}

/// `label_join`: one label from several.
pub(super) fn join(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let (to, separator) = (arguments.text(1)?, arguments.text(2)?);
    let from = (3..arguments.count()).map(|index| arguments.text(index)).collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = from.iter().find(|name| !is_label_name(name)) {
        return Err(refused(&format!("invalid source label name in label_join(): {name}")));
    }
    if !is_label_name(&to) {
        return Err(refused(&format!("invalid destination label name in label_join(): {to}")));
    }
    let mut samples = arguments.vector(0)?;
    for sample in &mut samples {
        let parts: Vec<&str> = from.iter().map(|name| sample.labels.get(name)).collect();
        sample.labels = sample.labels.with(&to, &parts.join(&separator));
    }
    Ok(samples)
}

fn refused(why: &str) -> QueryError {
    QueryError::Execution(why.to_owned())
}
