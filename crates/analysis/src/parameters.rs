//! The parameters of a template: what was given for them, each checked against its type.

use std::{borrow::Cow, collections::BTreeMap};

use tidegate_api::{
    Parameter, ParameterType, ParameterValues, Span, VARIABLES, nearest::did_you_mean, verdict::reason,
};

use super::pattern;

/// Longer values are refused.
const LONGEST: usize = 256;

/// Parameters that do not fit what the template declares. Templates are named with their kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the sentences say they are")]
pub enum ParameterError {
    #[error("{template} needs the parameter {name}{}", about(description.as_deref()))]
    Missing { template: String, name: String, description: Option<String> },
    #[error("{template} has no parameter {name}{near}")]
    Unknown { template: String, name: String, near: String },
    #[error("the parameter {name} of {template} is {value:?}, but it must be {}", type_.wanted())]
    Unfit { template: String, name: String, value: String, type_: ParameterType },
    #[error("the parameter {name} of {template} is called like a variable that is always there; rename it")]
    Taken { template: String, name: String },
}

fn about(description: Option<&str>) -> String {
    description.map(|description| format!(": {}", description.trim())).unwrap_or_default()
}

impl ParameterError {
    /// The same in one word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => reason::PARAMETER_MISSING,
            Self::Unknown { .. } => reason::PARAMETER_UNKNOWN,
            Self::Unfit { .. } | Self::Taken { .. } => reason::PARAMETER_INVALID,
        }
    }

    /// The parameter that it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        let (Self::Missing { name, .. }
        | Self::Unknown { name, .. }
        | Self::Unfit { name, .. }
        | Self::Taken { name, .. }) = self;
        name
    }
}

/// What stands for each parameter, checked against its type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, (ParameterType, String)>);

impl Parameters {
    /// None at all, as in a selector of the user's own.
    pub const NONE: &'static Self = &Self(BTreeMap::new());

    /// What `given`, and the defaults beside it, say for the parameters that `template` declares.
    ///
    /// # Errors
    /// The first parameter that is missing, unknown, or not what its type asks for.
    pub fn bind(
        template: &str,
        declared: &[Parameter],
        given: Option<&ParameterValues>,
    ) -> Result<Self, ParameterError> {
        let template = || template.to_owned();
        let nothing = ParameterValues::default();
        let given = &given.unwrap_or(&nothing).0;
        if let Some(name) = given.keys().find(|name| !declared.iter().any(|parameter| parameter.name == **name)) {
            let near = did_you_mean(name, declared.iter().map(|parameter| parameter.name.as_str()));
            return Err(ParameterError::Unknown { template: template(), name: name.clone(), near });
        }
        let mut values = BTreeMap::new();
        for Parameter { name, description, type_, default } in declared {
            if VARIABLES.contains(&name.as_str()) {
                return Err(ParameterError::Taken { template: template(), name: name.clone() });
            }
            let Some(value) = given.get(name).or(default.as_ref()) else {
                let description = description.clone();
                return Err(ParameterError::Missing { template: template(), name: name.clone(), description });
            };
            let Some(value) = fitting(*type_, value) else {
                let (name, value) = (name.clone(), value.chars().take(LONGEST).collect());
                return Err(ParameterError::Unfit { template: template(), name, value, type_: *type_ });
            };
            values.insert(name.clone(), (*type_, value.into_owned()));
        }
        Ok(Self(values))
    }

    /// The type and the value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<(ParameterType, &str)> {
        self.0.get(name).map(|(type_, value)| (*type_, value.as_str()))
    }

    /// What parameters there are.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// `value` as a query has it, if it is what `type_` asks for.
fn fitting(type_: ParameterType, value: &str) -> Option<Cow<'_, str>> {
    if value.len() > LONGEST {
        return None;
    }
    let fits = match type_ {
        ParameterType::Text => true,
        ParameterType::Pattern => pattern::is_readable(value),
        ParameterType::Name => {
            let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
            value.starts_with(letter) && value.chars().all(|c| letter(c) || c.is_ascii_digit())
        }
        ParameterType::Number => is_number(value),
        // Prometheus knows no fractions in a length of time; the span prints none.
        ParameterType::Duration => {
            let span = value.parse::<Span>().ok().filter(|span| span.duration().as_millis() > 0)?;
            return Some(Cow::Owned(span.to_string()));
        }
    };
    fits.then_some(Cow::Borrowed(value))
}

fn is_number(value: &str) -> bool {
    let (whole, part) = value
        .strip_prefix('-')
        .unwrap_or(value)
        .split_once('.')
        .map_or_else(|| (value.strip_prefix('-').unwrap_or(value), None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str| (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && part.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, type_: ParameterType, default: Option<&str>) -> Parameter {
        let description = Some(format!("What {name} is for."));
        Parameter { name: name.to_owned(), description, type_, default: default.map(str::to_owned) }
    }

    fn given(values: &[(&str, &str)]) -> ParameterValues {
        ParameterValues(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn bound(declared: &[Parameter], values: &[(&str, &str)]) -> Result<Parameters, String> {
        Parameters::bind("CheckTemplate shop", declared, Some(&given(values))).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_given_comes_before_the_default() {
        let declared = [parameter("port", ParameterType::Number, Some("80"))];
        assert_eq!(bound(&declared, &[]).unwrap().get("port"), Some((ParameterType::Number, "80")));
        assert_eq!(bound(&declared, &[("port", "81")]).unwrap().get("port"), Some((ParameterType::Number, "81")));
    }

    #[test]
    fn a_missing_parameter_is_told_with_what_it_is_for() {
        let declared = [parameter("route", ParameterType::Text, None)];
        assert_eq!(
            bound(&declared, &[]).unwrap_err(),
            "CheckTemplate shop needs the parameter route: What route is for."
        );
    }

    #[test]
    fn an_unknown_parameter_is_told_with_the_nearest() {
        let declared = [parameter("route", ParameterType::Text, Some("a"))];
        let error = bound(&declared, &[("rout", "b")]).unwrap_err();
        assert_eq!(error, "CheckTemplate shop has no parameter rout; did you mean route?");
    }

    #[test]
    fn a_parameter_that_hides_a_variable_is_refused() {
        let error = bound(&[parameter("pods", ParameterType::Text, Some("a"))], &[]).unwrap_err();
        assert!(error.contains("called like a variable that is always there"), "{error}");
    }

    #[test]
    fn a_value_fits_its_type_or_is_refused_with_an_example() {
        let fits = |type_, value| bound(&[parameter("it", type_, None)], &[("it", value)]);
        for (type_, good, bad) in [
            (ParameterType::Text, &["", "\"}{", "é"][..], &[][..]),
            (ParameterType::Pattern, &["5..|429", "(?i:ok)"], &["(", "a)|(b", "*"]),
            (ParameterType::Name, &["up", "job:rate5m", "_a1"], &["", "1a", "a-b", "a b", "up{", "é"]),
            (ParameterType::Number, &["0", "-1", "0.25"], &["", "-", "1e9", "0x1", ".5", "1.", "1.2.3", "--1", "NaN"]),
            (ParameterType::Duration, &["30s", "1h30m", "0.5h"], &["", "0s", "-1s", "1d", "5", "1m]"]),
        ] {
            for value in good {
                assert!(fits(type_, value).is_ok(), "{type_} {value:?}");
            }
            for value in bad {
                let error = fits(type_, value).unwrap_err();
                assert!(error.contains("but it must be") && error.contains(type_.wanted()), "{error}");
            }
        }
        let long = "a".repeat(257);
        assert!(fits(ParameterType::Text, &long).is_err());
        assert_eq!(fits(ParameterType::Duration, "0.5h").unwrap().get("it"), Some((ParameterType::Duration, "30m")));
    }
}
