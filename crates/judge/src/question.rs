//! What is asked in a stage: the check, with the limits that the stage sets instead of its own.

use std::time::Duration;

use tidegate_api::{Check, CheckOverride, LimitOverride, Percent, Quantile, QueryRelative, Relative, Span, UnitError};

use super::boundary::Boundary;

/// A limit of a stage that does not fit the check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// The text is not a number in the check's form.
    #[error("the stage's {field} for check {check:?}: {why}")]
    Unit {
        /// The check.
        check: String,
        /// `max`, `min` or `warn`.
        field: &'static str,
        /// What is wrong with it.
        why: UnitError,
    },
    /// The text is not a number.
    #[error("the stage's {field} for check {check:?}: {text:?} is not a number, such as 0.85")]
    Number {
        /// The check.
        check: String,
        /// `max`, `min` or `warn`.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// Only queries have `min`.
    #[error("the stage sets min for check {check:?}, but only a query has min")]
    NoMin {
        /// The check.
        check: String,
    },
    /// `min` and `max` leave nothing between them.
    #[error("with the stage's limits, min of check {check:?} is above its max")]
    Crossed {
        /// The check.
        check: String,
    },
    /// The check asks nothing.
    #[error("check {check:?} asks neither errorRate nor latency nor query")]
    Empty {
        /// The check.
        check: String,
    },
}

/// What a check asks in a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// How large the share of bad requests may be.
    Proportion {
        /// Above it the revision fails.
        max: Option<Tolerance>,
        /// The same, compared with the stable version.
        relative: Option<Tolerance>,
        /// Above it somebody is told.
        warn: Option<Tolerance>,
    },
    /// Within which limits a value has to stay.
    Value(ValueLimits),
}

impl Question {
    /// What counts requests and can fail the revision.
    pub fn deciding(&self) -> impl Iterator<Item = &Tolerance> {
        let (max, relative) = match self {
            Self::Proportion { max, relative, .. } => (max.as_ref(), relative.as_ref()),
            Self::Value(_) => (None, None),
        };
        max.into_iter().chain(relative)
    }

    /// Whether the revision can fail by it. A check that only warns holds nobody up.
    #[must_use]
    pub fn decides(&self) -> bool {
        match self {
            Self::Proportion { max, relative, .. } => max.is_some() || relative.is_some(),
            Self::Value(limits) => limits.max.is_some() || limits.min.is_some() || limits.relative.is_some(),
        }
    }
}

/// How large the share of bad requests may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// What makes a request bad.
    pub subject: Indicator,
    /// What part of the requests may be bad.
    pub boundary: Boundary,
}

/// What makes a request bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Indicator {
    /// It failed.
    Failed,
    /// It took longer than the time within which that quantile of all requests has to be answered.
    SlowerThan(Span, Quantile),
}

/// Within which limits a value has to stay.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ValueLimits {
    /// The highest value.
    pub max: Option<f64>,
    /// The lowest value.
    pub min: Option<f64>,
    /// How far from stable's value.
    pub relative: Option<QueryRelative>,
    /// Beyond it somebody is told: below it when there is a `min`, above it otherwise.
    pub warn: Option<f64>,
    /// How long the value has to stay beyond its limit to fail.
    pub lasting: Duration,
    /// How many looks in a row may be beyond the limit.
    pub tolerated: u32,
}

/// `check` with the limits that `stage` sets instead of its own.
///
/// # Errors
/// [`InvalidLimit`] if a limit of the stage does not fit the check.
pub fn question(check: &Check, stage: Option<&CheckOverride>) -> Result<Question, InvalidLimit> {
    let name = &check.name;
    let (max, min, warn) =
        stage.map_or((None, None, None), |stage| (stage.max.as_ref(), stage.min.as_ref(), stage.warn.as_ref()));
    if let (Some(_), None) = (min, &check.query) {
        return Err(InvalidLimit::NoMin { check: name.clone() });
    }
    if let Some(errors) = &check.error_rate {
        let subject = Indicator::Failed;
        let tolerance = |limit: Percent| Tolerance { subject, boundary: Boundary::fixed(limit.fraction()) };
        return Ok(Question::Proportion {
            max: unit(name, "max", max, errors.max)?.map(tolerance),
            relative: errors.relative.map(|relative| Tolerance { subject, boundary: compared(relative, 1.5, 0.005) }),
            warn: unit(name, "warn", warn, errors.warn)?.map(tolerance),
        });
    }
    if let Some(latency) = &check.latency {
        let quantile = latency.quantile;
        let subject = |limit: Span| Indicator::SlowerThan(limit, quantile);
        let tolerance =
            |limit: Span| Tolerance { subject: subject(limit), boundary: Boundary::fixed(1.0 - quantile.value()) };
        let max = unit(name, "max", max, latency.max)?;
        let relative = latency.relative.zip(max);
        return Ok(Question::Proportion {
            max: max.map(tolerance),
            relative: relative.map(|(relative, limit)| Tolerance {
                subject: subject(limit),
                boundary: compared(relative, 1.25, 0.02),
            }),
            warn: unit(name, "warn", warn, latency.warn)?.map(tolerance),
        });
    }
    let Some(query) = &check.query else { return Err(InvalidLimit::Empty { check: name.clone() }) };
    let limits = ValueLimits {
        max: number(name, "max", max, query.max)?,
        min: number(name, "min", min, query.min)?,
        relative: query.relative,
        warn: number(name, "warn", warn, query.warn)?,
        lasting: query.for_.unwrap_or_default().duration(),
        tolerated: query.failure_limit.and_then(|limit| limit.try_into().ok()).unwrap_or(0),
    };
    match (limits.min, limits.max) {
        (Some(min), Some(max)) if min > max => Err(InvalidLimit::Crossed { check: name.clone() }),
        _ => Ok(Question::Value(limits)),
    }
}

/// The boundary of a comparison, with what is usual where nothing is said.
fn compared(relative: Relative, ratio: f64, margin: f64) -> Boundary {
    Boundary { ratio: relative.ratio.unwrap_or(ratio), margin: relative.margin.map_or(margin, Percent::fraction) }
}

fn unit<T: std::str::FromStr<Err = UnitError>>(
    check: &str,
    field: &'static str,
    stage: Option<&LimitOverride>,
    own: Option<T>,
) -> Result<Option<T>, InvalidLimit> {
    let Some(LimitOverride(text)) = stage else { return Ok(own) };
    text.parse().map(Some).map_err(|why| InvalidLimit::Unit { check: check.to_owned(), field, why })
}

fn number(
    check: &str,
    field: &'static str,
    stage: Option<&LimitOverride>,
    own: Option<f64>,
) -> Result<Option<f64>, InvalidLimit> {
    let Some(LimitOverride(text)) = stage else { return Ok(own) };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(InvalidLimit::Number { check: check.to_owned(), field, text: text.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tidegate_api::StageCheck;

    use super::*;

    fn asked(check: Value, stage: Value) -> Result<Question, InvalidLimit> {
        let (mut check, mut stage) = (check, stage);
        check["name"] = json!("it");
        stage["name"] = json!("it");
        let StageCheck::Override(stage) = serde_json::from_value(stage).unwrap() else { panic!("a check of its own") };
        question(&serde_json::from_value(check).unwrap(), Some(&stage))
    }

    fn refused(check: Value, stage: Value) -> String {
        asked(check, stage).unwrap_err().to_string()
    }

    #[test]
    fn a_stage_sets_another_limit_and_leaves_the_rest() {
        let errors = json!({"errorRate": {"preset": "istio", "max": "1%", "warn": "0.5%"}});
        let tolerance =
            |percent: f64| Some(Tolerance { subject: Indicator::Failed, boundary: Boundary::fixed(percent / 100.0) });
        assert_eq!(
            asked(errors, json!({"max": "2%"})),
            Ok(Question::Proportion { max: tolerance(2.0), relative: None, warn: tolerance(0.5) })
        );
        let query = json!({"query": {"expr": "1", "min": 1, "max": 3.5, "for": "5m", "failureLimit": 2}});
        let limits = ValueLimits {
            min: Some(2.0),
            max: Some(3.5),
            lasting: Duration::from_mins(5),
            tolerated: 2,
            ..Default::default()
        };
        assert_eq!(asked(query, json!({"min": 2})), Ok(Question::Value(limits)));
    }

    #[test]
    fn a_limit_in_the_wrong_form_is_refused_with_a_sentence() {
        let latency = json!({"latency": {"preset": "istio", "quantile": 0.95, "max": "1s"}});
        assert_eq!(
            refused(latency.clone(), json!({"max": "5%"})),
            "the stage's max for check \"it\": \"5%\" is not a length of time such as 30s, 10m or 1h30m"
        );
        assert_eq!(
            refused(latency, json!({"min": "1s"})),
            "the stage sets min for check \"it\", but only a query has min"
        );
        let query = json!({"query": {"expr": "1", "max": 3}});
        assert_eq!(
            refused(query.clone(), json!({"max": "NaN"})),
            "the stage's max for check \"it\": \"NaN\" is not a number, such as 0.85"
        );
        assert_eq!(refused(query, json!({"min": 4})), "with the stage's limits, min of check \"it\" is above its max");
    }

    #[test]
    fn a_check_that_only_warns_does_not_decide() {
        let warns = json!({"errorRate": {"preset": "istio", "warn": "0.5%"}});
        assert!(!asked(warns.clone(), json!({})).unwrap().decides());
        assert!(asked(warns, json!({"max": "1%"})).unwrap().decides());
    }
}
