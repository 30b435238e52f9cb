//! What clients ask for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};
use tidegate_api::Percent;

use super::{Length, OverTime, over_time::Step};

/// The most requests in a second that are counted; more would only be larger numbers.
const MOST: f64 = 1e7;

/// The requests that each application gets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// How many requests come in a second, at the peak of the day if `shape` has one. Default: 50.
    #[serde(default = "Traffic::default_rate")]
    pub requests_per_second: OverTime<Rate>,
    /// How that changes by day and week. Default: it does not.
    #[serde(default)]
    pub shape: Shape,
    /// Times of more requests. Default: none.
    #[serde(default)]
    pub bursts: Option<Bursts>,
    /// Times of more requests by the clock. Default: none.
    #[serde(default)]
    pub spikes: Option<Spikes>,
    /// How many of the requests are those that a stage's `match`, or another rule by headers or parameters, describes.
    /// Default: none.
    #[serde(default)]
    pub described: Option<Percent>,
    /// What clients do after a failed request. Default: nothing.
    #[serde(default)]
    pub retries: Option<Retries>,
    /// The bounds of the latency histograms. Default: those of Prometheus' client libraries, and Istio's.
    #[serde(default)]
    pub buckets: Option<Vec<Length>>,
}

impl Traffic {
    fn default_rate() -> OverTime<Rate> {
        OverTime::always(Rate::brief(Count(50.0)))
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            requests_per_second: Self::default_rate(),
            shape: Shape::default(),
            bursts: None,
            spikes: None,
            described: None,
            retries: None,
            buckets: None,
        }
    }
}

/// A number that is not negative and not absurd.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count(pub f64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if !(0.0..=MOST).contains(&number) {
            return Err(D::Error::custom(format!("{number} is not between 0 and {MOST}")));
        }
        Ok(Self(number))
    }
}

/// How many requests come from some instant on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// From when on.
    #[serde(default)]
    pub from: Length,
    /// How many in a second.
    pub rate: Count,
}

impl Step for Rate {
    type Short = Count;

    fn brief(rate: Count) -> Self {
        Self { from: Length::default(), rate }
    }

    fn from(&self) -> Length {
        self.from
    }
}

/// How the rate changes by day and week.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    /// A day with a peak and a quiet night.
    #[serde(default)]
    pub diurnal: Option<Diurnal>,
    /// How much of a weekday's traffic comes on Saturdays and Sundays. Default: all of it.
    #[serde(default)]
    pub weekend: Option<Percent>,
}

/// A day with a peak and, twelve hours away from it, a quiet hour.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diurnal {
    /// When most requests come, in UTC.
    pub peak: TimeOfDay,
    /// How much of the peak's rate comes at the quietest hour.
    pub low: Percent,
}

/// Text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time of day such as \"14:00\"")]
pub struct NoTimeOfDay(String);

/// A time of day, written `14:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// Minutes since midnight.
    pub minutes: u32,
}

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, NoTimeOfDay> {
        let read = |part: &str, below: u32| {
            let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u32>().ok().filter(|number| digits && *number < below)
        };
        let parts = text.split_once(':').and_then(|(hours, minutes)| read(hours, 24).zip(read(minutes, 60)));
        let (hours, minutes) = parts.ok_or_else(|| NoTimeOfDay(text.to_owned()))?;
        Ok(Self { minutes: hours * 60 + minutes })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Times of more requests, which come and go at random.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bursts {
    /// How long it is quiet between two of them, on average.
    pub every: Length,
    /// How long one lasts, on average.
    pub length: Length,
    /// How many times as many requests come.
    pub factor: Count,
}

/// Times of more requests by the clock, as timers and cron jobs make them: one begins whenever a whole number of `every`
/// has passed since midnight, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spikes {
    /// From the beginning of one to that of the next; a day at most.
    pub every: Length,
    /// How long each lasts.
    pub length: Length,
    /// How many times as many requests come.
    pub factor: Count,
}

/// What clients do after a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retries {
    /// How many of the failed requests are sent again.
    pub share: Percent,
}
