//! What a query yields.

use std::borrow::Cow;

use super::labels::Labels;

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at: i64,
    /// What was measured.
    pub value: f64,
}

/// The bits of the NaN that says "this series ended here". Any other NaN is a value.
/// <https://github.com/prometheus/prometheus/blob/main/model/value/value.go>
const STALE: u64 = 0x7ff0_0000_0000_0002;

impl Point {
    /// The end of a series.
    #[must_use]
    pub fn stale(at: i64) -> Self {
        Self { at, value: f64::from_bits(STALE) }
    }

    /// Whether the series ended here.
    #[must_use]
    pub fn is_stale(self) -> bool {
        self.value.to_bits() == STALE
    }
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which series.
    pub labels: Labels,
    /// Milliseconds since 1970: when it was evaluated; for a selected series, when it was scraped.
    pub at: i64,
    /// Its value.
    pub value: f64,
}

/// The values of a series over a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// Which series.
    pub labels: Labels,
    /// In order of time, without markers of staleness.
    pub points: Cow<'a, [Point]>,
}

/// What an expression yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// One value for each series.
    Vector(Vec<Sample>),
    /// Several values for each series.
    Matrix(Vec<Series<'a>>),
}

impl Value<'_> {
    /// As the HTTP API calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Text(_) => "string",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
        }
    }
}
