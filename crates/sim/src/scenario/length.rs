//! Lengths of time, up to weeks.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use tidegate_api::Span;

/// The longest time that a simulation may take.
pub const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A length of time, written `90s`, `2h30m`, `7d` or, counted from a scenario's start, `T+10m`; at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Length(Duration);

/// Text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time such as 90s, 2h30m or 7d, up to 366d")]
pub struct NoLength(String);

impl Length {
    /// `seconds` as a length.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same, as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In seconds.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl From<Duration> for Length {
    fn from(duration: Duration) -> Self {
        Self(duration.min(LONGEST))
    }
}

impl FromStr for Length {
    type Err = NoLength;

    fn from_str(text: &str) -> Result<Self, NoLength> {
        let wrong = || NoLength(text.to_owned());
        let written = text.strip_prefix("T+").unwrap_or(text);
        let (days, rest) = written.split_once('d').unwrap_or(("0", written));
        let days: u32 = days.parse().ok().filter(|days| *days <= 366).ok_or_else(wrong)?;
        let rest = if rest.is_empty() && written.ends_with('d') {
            Duration::ZERO
        } else {
            rest.parse::<Span>().map_err(|_| wrong())?.duration()
        };
        let whole = Duration::from_hours(u64::from(days) * 24).checked_add(rest).filter(|whole| *whole <= LONGEST);
        whole.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&tidegate_picture::length(self.0))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_reads_back_what_it_prints() {
        for text in ["0s", "90s", "7d", "6d12h", "1d30m", "500ms", "366d"] {
            let length: Length = text.parse().unwrap();
            assert_eq!(length.to_string().parse::<Length>().unwrap(), length, "{text}");
        }
        assert_eq!("T+10m".parse::<Length>().unwrap(), Length::seconds(600));
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in ["", "d", "7", "-1d", "367d", "366d1s", "1d1d", "1dd", "T+", "a week", "99999999999d"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
    }
}
