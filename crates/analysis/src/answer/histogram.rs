//! A sample of a native histogram, as the API writes it.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/api/#native-histograms>

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};

/// What a native histogram stood at.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// When it was scraped.
    pub at: Timestamp,
    /// All that was observed.
    pub count: f64,
    /// What was observed in each bucket that is not empty: empty ones are in no answer.
    pub buckets: Vec<Bucket>,
}

/// A bucket, in the unit of what was observed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// What is not in it any more, below.
    pub lower: f64,
    /// The largest that is in it.
    pub upper: f64,
    /// What was observed of it.
    pub count: f64,
}

/// Seconds, and the histogram.
#[derive(Deserialize)]
pub(super) struct WrittenHistogram(f64, Body);

#[derive(Deserialize)]
struct Body {
    count: Number,
    #[serde(default)]
    buckets: Vec<WrittenBucket>,
}

/// Which of its bounds belong to it, the bounds, and the count. No duration is measured so exactly that it would matter to
/// which bucket a bound belongs.
#[derive(Deserialize)]
struct WrittenBucket(IgnoredAny, Number, Number, Number);

/// A number as text.
#[derive(Clone, Copy)]
struct Number(f64);

impl WrittenHistogram {
    /// The same in numbers; nothing if its time is none.
    pub(super) fn histogram(self) -> Option<Histogram> {
        let Self(seconds, Body { count: Number(count), buckets }) = self;
        let bucket = |WrittenBucket(_, lower, upper, count): &WrittenBucket| {
            let [Number(lower), Number(upper), Number(count)] = [*lower, *upper, *count];
            Bucket { lower, upper, count }
        };
        Some(Histogram { at: super::series::instant(seconds)?, count, buckets: buckets.iter().map(bucket).collect() })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number as text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}
