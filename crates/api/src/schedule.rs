//! When a rollout may start, and when a stage may be left: windows of the week in a time zone, and days on which neither is.

use std::{borrow::Cow, fmt, ops::RangeInclusive, str::FromStr};

use jiff::civil::{Date, DateTime, Time, Weekday};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{schema, units::UnitError};

/// When a rollout may go on by itself. Going back is never held by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
pub struct Schedule {
    /// The time zone that the rest is written in, by its name in the IANA database, such as `Europe/Berlin`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+/-]*$"))]
    pub time_zone: String,

    /// When a new version may start. Default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub start: Vec<Window>,

    /// When a stage may be left, the last one too. Default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub advance: Vec<Window>,

    /// Days on which no version starts and no stage is left: `2026-12-24`, or the first and the last of several,
    /// `2026-12-24/2027-01-02`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub freeze: Vec<Days>,
}

/// Hours of some days of the week: `Mon-Fri 09:00-16:00`, `Sat,Sun 10:00-12:00`, or of every day: `22:00-04:00`, which ends
/// on the day after it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    /// The first moment after it; nothing where that is midnight.
    to: Option<Time>,
    text: String,
}

/// One day of the calendar, or several that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    days: RangeInclusive<Date>,
    text: String,
}

const WEEK: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Window {
    const WANTED: &'static str = "a window such as Mon-Fri 09:00-16:00, Sat,Sun 10:00-12:00 or 22:00-04:00";

    /// Whether it is open at that time of the wall clock.
    #[must_use]
    pub fn holds(&self, at: DateTime) -> bool {
        let began_on = |day: Option<Date>| day.is_some_and(|day| self.is_of(day));
        let is_before_end = self.to.is_none_or(|to| at.time() < to);
        if self.ends_the_day_after() {
            let began_today = began_on(Some(at.date())) && at.time() >= self.from;
            return began_today || began_on(at.date().yesterday().ok()) && is_before_end;
        }
        began_on(Some(at.date())) && at.time() >= self.from && is_before_end
    }

    /// When it opens on that day, if it does.
    #[must_use]
    pub fn opens_on(&self, day: Date) -> Option<DateTime> {
        self.is_of(day).then(|| day.to_datetime(self.from))
    }

    fn is_of(&self, day: Date) -> bool {
        self.days.contains(&day.weekday())
    }

    fn ends_the_day_after(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }
}

impl FromStr for Window {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let read = || {
            let (days, hours) = text.rsplit_once(' ').unwrap_or(("Mon-Sun", text));
            let (from, to) = hours.split_once('-')?;
            let to = if to == "24:00" { None } else { Some(time(to)?) };
            let days = days.split(',').map(days_of).collect::<Option<Vec<_>>>()?.concat();
            Some(Self { days, from: time(from)?, to, text: text.to_owned() })
        };
        read().ok_or_else(|| UnitError::new(text, Self::WANTED))
    }
}

/// `Mon`, or all from one day to another: `Sat-Mon` are three.
fn days_of(text: &str) -> Option<Vec<Weekday>> {
    let place = |name: &str| WEEK.iter().position(|(known, _)| *known == name);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (place(first)?, place(last)?);
    let count = (last + WEEK.len() - first) % WEEK.len() + 1;
    Some(WEEK.iter().cycle().skip(first).take(count).map(|(_, day)| *day).collect())
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

impl Days {
    const WANTED: &'static str =
        "a day such as 2026-12-24, or the first and the last of several: 2026-12-24/2027-01-02";

    /// Whether `day` is one of them.
    #[must_use]
    pub fn hold(&self, day: Date) -> bool {
        self.days.contains(&day)
    }
}

impl FromStr for Days {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        let days = date(first).zip(date(last)).filter(|(first, last)| first <= last);
        let (first, last) = days.ok_or_else(|| UnitError::new(text, Self::WANTED))?;
        Ok(Self { days: first..=last, text: text.to_owned() })
    }
}

/// A day of the calendar. The 29th of February is the 28th where there is none: that takes a calendar to find out, which the
/// rule of the CRD has not, and what the API server took must not be refused afterwards.
fn date(text: &str) -> Option<Date> {
    let is_plain = text.len() == "2026-12-24".len();
    let leap = || text.strip_suffix("02-29").and_then(|year| format!("{year}02-28").parse().ok());
    text.parse().ok().or_else(leap).filter(|_| is_plain)
}

/// What is written as text, and has to be of a certain form.
macro_rules! written {
    ($name:ident, $longest:literal, $form:literal, $rule:literal, $message:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "maxLength": $longest,
                    "x-kubernetes-validations": [{
                        "rule": concat!("self.matches('", $form, "')", $rule),
                        "message": $message,
                    }],
                })
            }
        }
    };
}

written!(
    Window,
    48,
    "^((Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))?(,(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))?)* )?([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
    "",
    "must be a window such as Mon-Fri 09:00-16:00, Sat,Sun 10:00-12:00 or 22:00-04:00"
);
written!(
    Days,
    21,
    "^[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))(/[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9])))?$",
    " && (self.size() < 21 || self.substring(0, 10) <= self.substring(11))",
    "must be a day such as 2026-12-24, or the first and the last of several: 2026-12-24/2027-01-02"
);

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn holds(window: &str, times: [(i8, i8, i8); 4]) -> [bool; 4] {
        let window: Window = window.parse().unwrap();
        // The 2nd of March 2026 is a Monday.
        times.map(|(day, hour, minute)| window.holds(datetime(2026, 3, day, hour, minute, 0, 0)))
    }

    #[test]
    fn a_window_opens_with_its_first_minute_and_is_closed_at_its_end() {
        let times = [(2, 8, 59), (2, 9, 0), (2, 15, 59), (2, 16, 0)];
        assert_eq!(holds("Mon-Fri 09:00-16:00", times), [false, true, true, false]);
        assert_eq!(holds("09:00-24:00", [(2, 8, 0), (2, 9, 0), (2, 23, 59), (3, 0, 0)]), [false, true, true, false]);
    }

    #[test]
    fn days_are_single_ones_and_rows_of_them_across_the_end_of_the_week() {
        assert_eq!(
            holds("Sat-Mon 09:00-16:00", [(6, 9, 0), (7, 9, 0), (8, 9, 0), (9, 9, 0)]),
            [false, true, true, true]
        );
        assert_eq!(
            holds("Mon,Wed 09:00-16:00", [(2, 9, 0), (3, 9, 0), (4, 9, 0), (5, 9, 0)]),
            [true, false, true, false]
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let times = [(6, 21, 59), (6, 22, 0), (7, 3, 59), (7, 4, 0)];
        assert_eq!(holds("Fri 22:00-04:00", times), [false, true, true, false]);
        assert_eq!(holds("Fri 22:00-04:00", [(5, 23, 0), (6, 3, 0), (7, 22, 0), (8, 3, 0)]), [false; 4]);
        assert_eq!(
            holds("Fri 06:00-06:00", [(6, 5, 59), (6, 6, 0), (7, 5, 59), (7, 6, 0)]),
            [false, true, true, false]
        );
    }

    #[test]
    fn what_is_no_window_is_told_with_one() {
        for text in [
            "",
            "Mon",
            "Mon 9-16",
            "Mon 09:00",
            "Mon 09:00-25:00",
            "Mon 24:00-01:00",
            "Day 09:00-16:00",
            "Mon- 09:00-16:00",
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains("is not a window such as Mon-Fri 09:00-16:00"), "{error}");
        }
    }

    #[test]
    fn days_of_the_calendar_are_one_or_a_first_and_a_last() {
        let holds = |text: &str, day| text.parse::<Days>().unwrap().hold(Date::new(2026, 12, day).unwrap());
        assert_eq!([23, 24, 25].map(|day| holds("2026-12-24", day)), [false, true, false]);
        assert_eq!([23, 24, 31].map(|day| holds("2026-12-24/2027-01-02", day)), [false, true, true]);
        assert!("2027-02-29".parse::<Days>().unwrap().hold(Date::new(2027, 2, 28).unwrap()));
        for text in ["2026-02-30", "2026-11-31", "2026-12-24/2026-12-23", "Christmas", "2026-12-24T00"] {
            assert!(text.parse::<Days>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_read_is_written_as_it_stood() {
        let written = serde_json::json!({
            "timeZone": "Europe/Berlin", "start": ["Mon-Fri 09:00-16:00"], "freeze": ["2026-12-24/2027-01-02"],
        });
        let schedule: Schedule = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(schedule).unwrap(), written);
    }
}
