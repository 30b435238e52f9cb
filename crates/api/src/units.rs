//! Numbers as people write them: `5%`, `1h30m`, `0.95`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a number could not be read; the sentence is shown to the user as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

impl UnitError {
    pub(super) fn new(text: &str, wanted: &'static str) -> Self {
        Self { text: text.to_owned(), wanted }
    }
}

/// What is wrong with a number that is not whole, where the API server takes a whole number or a text: a sentence.
#[must_use]
pub fn unquoted(number: &serde_json::Number) -> String {
    format!("{number} is neither a whole number nor a text; write it in quotes: \"{number}\"")
}

/// A share of a whole, written `5%`, `0.1%` or as a bare number of percent (`5`). Held in percent: 5 % is `5.0`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Percent(f64);

impl Percent {
    /// What the CRD asks of a percentage. Whatever was decoded keeps it.
    pub(super) const RULE: &'static str = "string(self).matches('^(100([.]0+)?|[0-9]{1,2}([.][0-9]+)?)%?$')";

    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// The whole.
    pub const FULL: Self = Self(100.0);
    const WANTED: &'static str = "a percentage between 0% and 100%, such as 5% or 0.5%";

    /// `percent` out of a hundred; values outside 0..=100 are brought to the nearer end.
    #[must_use]
    pub fn new(percent: f64) -> Self {
        // And 0 to what is a little less: nobody writes -0%.
        Self(if percent.is_finite() { percent.clamp(0.0, 100.0) + 0.0 } else { 0.0 })
    }

    /// A part of one: 5 % is `0.05`.
    #[must_use]
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }

    /// Out of a hundred: 5 % is `5.0`.
    #[must_use]
    pub fn percent(self) -> f64 {
        self.0
    }

    /// What is left of the whole: of 5 % it is 95 %.
    #[must_use]
    pub fn rest(self) -> Self {
        Self::new(100.0 - self.0)
    }

    /// The lower one of two.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// This part of `total` pods, rounded up; at least one pod, where there are any.
    #[must_use]
    pub fn of(self, total: i32) -> i32 {
        // 7 % of 100 is a little more than 7 in floats, and not 8 pods.
        let part = (f64::from(total) * self.fraction() - 1e-6).ceil();
        #[expect(clippy::cast_possible_truncation, reason = "a part of an i32 is an i32")]
        let part = part as i32;
        part.max(1).min(total)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A third of the pods is 33.33333333%: the schema allows twelve characters, and a status must be writable.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e8)
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match number.parse::<f64>() {
            Ok(percent) if plain && percent <= 100.0 => Ok(Self(percent)),
            _ => Err(UnitError::new(text, Self::WANTED)),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => other.to_string(),
        };
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 12,
            "x-kubernetes-validations": [{
                "rule": Self::RULE,
                "message": "must be a percentage between 0% and 100%, such as 5% or 0.5%",
            }],
        })
    }
}

/// A length of time, written as Go and Kubernetes do: `10m`, `1h30m`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

impl Span {
    const WANTED: &'static str = "a length of time such as 30s, 10m or 1h30m";

    /// `seconds` as a span.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same, as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if self.0.as_millis() == 0 {
            return f.write_str("0s");
        }
        for (count, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (u64::from(millis), "ms")] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        // kube's parser panics on what a `Duration` cannot hold, such as `99999999999999999999h` and `1h-5m`.
        let bounded = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'.')
            && text.split(|c: char| c.is_ascii_lowercase()).all(|number| number.len() <= 12);
        if !bounded {
            return Err(UnitError::new(text, Self::WANTED));
        }
        text.parse::<kube::core::Duration>()
            .map(|duration| Self(duration.into()))
            .map_err(|_| UnitError::new(text, Self::WANTED))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "pattern": "^([0-9]{1,6}(\\.[0-9]{1,6})?(ms|s|m|h))+$",
        })
    }
}

/// A point of a distribution, strictly between 0 and 1: `0.95` is the value that 95 % of requests stay below.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Quantile(f64);

impl Quantile {
    /// The quantile as a part of one, if it lies strictly between 0 and 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value < 1.0).then_some(Self(value))
    }

    /// As a part of one.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 0.999 * 100 is 99.9 only to within the last bits; eight digits are more than anybody writes.
        let percent = (self.0 * 1e10).round() / 1e8;
        write!(f, "p{percent}")
    }
}

impl<'de> Deserialize<'de> for Quantile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| D::Error::custom("a quantile lies strictly between 0 and 1, such as 0.95"))
    }
}

impl JsonSchema for Quantile {
    fn schema_name() -> Cow<'static, str> {
        "Quantile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "x-kubernetes-validations": [{
                "rule": "self > 0.0 && self < 1.0",
                "message": "a quantile lies strictly between 0 and 1, such as 0.95",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_read_with_or_without_its_sign() {
        for (text, percent) in [("5%", 5.0), ("5", 5.0), ("0.5%", 0.5), ("100%", 100.0)] {
            assert_eq!(text.parse::<Percent>().unwrap().percent().to_bits(), f64::to_bits(percent));
        }
        assert_eq!(serde_json::from_str::<Percent>("25").unwrap(), Percent::new(25.0));
    }

    #[test]
    fn what_is_not_a_percentage_is_refused_with_a_sentence() {
        for text in ["", "%", "101%", "-1%", "NaN", "inf", "five", "1e1%"] {
            let error = text.parse::<Percent>().unwrap_err().to_string();
            assert!(error.ends_with("is not a percentage between 0% and 100%, such as 5% or 0.5%"), "{error}");
        }
    }

    #[test]
    fn a_computed_percentage_fits_the_schema() {
        assert_eq!(Percent::new(100.0 / 3.0).to_string(), "33.33333333%");
    }

    #[test]
    fn a_span_reads_back_what_it_prints() {
        for text in ["0s", "30s", "1h30m", "500ms", "48h", "1m500ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert!("-5s".parse::<Span>().is_err());
        assert!("5 days".parse::<Span>().is_err());
    }

    #[test]
    fn a_span_that_no_clock_can_hold_is_refused() {
        for text in ["99999999999999999999h", "1h-5m", "1e300h", ""] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_quantile_prints_as_people_say_it() {
        assert_eq!(Quantile::new(0.95).unwrap().to_string(), "p95");
        assert_eq!(Quantile::new(0.999).unwrap().to_string(), "p99.9");
        assert_eq!(Quantile::new(1.0), None);
    }
}
