//! Functions that read a number of seconds as a time in UTC.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// The function `name`, if it is one of these.
pub(super) fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "minute" => |at| read(at, |time| time.minute().into()),
        "hour" => |at| read(at, |time| time.hour().into()),
        "day_of_week" => |at| read(at, |time| time.weekday().to_sunday_zero_offset().into()),
        "day_of_month" => |at| read(at, |time| time.day().into()),
        "day_of_year" => |at| read(at, DateTime::day_of_year),
        "days_in_month" => |at| read(at, |time| time.days_in_month().into()),
        "month" => |at| read(at, |time| time.month().into()),
        "year" => |at| read(at, DateTime::year),
        _ => return None,
    })
}

/// What is not a time has no date.
fn read(seconds: f64, part: fn(DateTime) -> i16) -> f64 {
    if seconds.is_nan() {
        return f64::NAN;
    }
    #[allow(clippy::cast_possible_truncation, reason = "beyond the range of times it saturates, and is refused")]
    let time = Timestamp::from_second(seconds as i64);
    time.map_or(f64::NAN, |time| part(Offset::UTC.to_datetime(time)).into())
}
