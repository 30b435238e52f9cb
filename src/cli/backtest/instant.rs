//! An instant as people write it.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use tidegate_api::Span;

/// Text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time such as 2026-03-03T14:00:00Z, 2026-03-03, now, -7d or -90m")]
pub struct NoInstant(String);

/// An instant as people write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Instant {
    /// A point in time.
    At(Timestamp),
    /// So long before now.
    Ago(SignedDuration),
}

impl Instant {
    /// Which instant it is at `now`, in whole seconds.
    pub fn at(self, now: Timestamp) -> Timestamp {
        let at = match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH),
        };
        Timestamp::from_second(at.as_second()).unwrap_or(at)
    }
}

impl FromStr for Instant {
    type Err = NoInstant;

    fn from_str(text: &str) -> Result<Self, NoInstant> {
        let wrong = || NoInstant(text.to_owned());
        if text == "now" {
            return Ok(Self::Ago(SignedDuration::ZERO));
        }
        if let Some(ago) = text.strip_prefix('-') {
            let (days, rest) = ago.split_once('d').unwrap_or(("0", ago));
            let days = days.parse::<u32>().map_err(|_| wrong())?;
            let rest = if rest.is_empty() { Span::default() } else { rest.parse().map_err(|_| wrong())? };
            let rest = SignedDuration::try_from(rest.duration()).map_err(|_| wrong())?;
            let ago = SignedDuration::from_hours(i64::from(days) * 24).checked_add(rest);
            return ago.map(Self::Ago).ok_or_else(wrong);
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        let day = text.parse::<Date>().map_err(|_| wrong())?;
        day.to_zoned(TimeZone::UTC).map(|day| Self::At(day.timestamp())).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let now: Timestamp = "2026-03-10T12:00:00.7Z".parse().unwrap();
        text.parse::<Instant>().unwrap().at(now).to_string()
    }

    #[test]
    fn an_instant_is_a_time_a_day_or_so_long_ago() {
        assert_eq!(read("2026-03-03T14:00:00+01:00"), "2026-03-03T13:00:00Z");
        assert_eq!(read("2026-03-03"), "2026-03-03T00:00:00Z");
        assert_eq!(read("now"), "2026-03-10T12:00:00Z");
        assert_eq!([read("-7d"), read("-1d12h")], ["2026-03-03T12:00:00Z", "2026-03-09T00:00:00Z"]);
        assert_eq!(read("-90m"), "2026-03-10T10:30:00Z");
    }

    #[test]
    fn what_is_no_instant_is_refused_with_a_sentence() {
        for text in ["", "-", "yesterday", "-d", "-7w", "2026-13-01", "-99999999999d", "-4294967295d1h", "12:00"] {
            match text.parse::<Instant>() {
                Err(error) => assert!(error.to_string().ends_with("now, -7d or -90m"), "{error}"),
                // Longer ago than anything: the beginning of time.
                Ok(instant) => assert_eq!(instant.at(Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH, "{text}"),
            }
        }
    }
}
