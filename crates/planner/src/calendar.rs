//! When windows of the week are open, by the wall clock of a time zone.
//!
//! What is asked is what the wall clock says, so both days of the daylight-saving change are right without a rule of their
//! own: an hour that the clock skips is not there, and one that it shows twice is open twice. The time zones are those that
//! the binary was built with, so that the answer is the same on every machine.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::{TimeZone, TimeZoneDatabase},
};
use tidegate_api::{Schedule, Window};

/// How many days ahead an opening is looked for: one further ahead is reported as never.
const DAYS_AHEAD: usize = 400;

/// A time zone that the database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone {0:?} is not in the IANA database: write a name such as Europe/Berlin, America/New_York or UTC")]
pub struct UnknownTimeZone(String);

/// The windows of a schedule, in its time zone.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    schedule: &'a Schedule,
    zone: TimeZone,
}

impl<'a> Calendar<'a> {
    /// # Errors
    /// There is no such time zone.
    pub fn new(schedule: &'a Schedule) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZoneDatabase::bundled().get(&schedule.time_zone);
        let zone = zone.map_err(|_| UnknownTimeZone(schedule.time_zone.clone()))?;
        Ok(Self { schedule, zone })
    }

    /// The schedule.
    #[must_use]
    pub fn schedule(&self) -> &'a Schedule {
        self.schedule
    }

    /// The first instant from `from` on at which one of `windows` is open, and the day is not frozen. Without windows, every
    /// hour is open. Nothing where that is more than a year ahead.
    #[must_use]
    pub fn opens_at(&self, windows: &[Window], from: Timestamp) -> Option<Timestamp> {
        if self.is_open(windows, from) {
            return Some(from);
        }
        let today = self.zone.to_datetime(from).date();
        let days = std::iter::successors(Some(today), |day| day.tomorrow().ok()).take(DAYS_AHEAD);
        let mut openings = days.filter(|day| !self.is_frozen(*day)).filter_map(|day| {
            let on_day = self.may_open(windows, day);
            on_day.into_iter().filter(|at| *at > from && self.is_open(windows, *at)).min()
        });
        openings.next()
    }

    /// `at` by the wall clock of the time zone, for people: `Mon 2026-03-02 09:00 CET (Europe/Berlin)`.
    #[must_use]
    pub fn told(&self, at: Timestamp) -> String {
        let zone = &self.schedule.time_zone;
        at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string() + &format!(" ({zone})")
    }

    fn is_open(&self, windows: &[Window], at: Timestamp) -> bool {
        let shown = self.zone.to_datetime(at);
        !self.is_frozen(shown.date()) && (windows.is_empty() || windows.iter().any(|window| window.holds(shown)))
    }

    fn is_frozen(&self, day: Date) -> bool {
        self.schedule.freeze.iter().any(|days| days.hold(day))
    }

    /// The instants of a day at which something may open: where windows begin, where the day begins, for a night that began on
    /// a frozen one, and where the clock is changed.
    fn may_open(&self, windows: &[Window], day: Date) -> Vec<Timestamp> {
        let midnight = day.to_datetime(Time::midnight());
        let beginnings = windows.iter().filter_map(|window| window.opens_on(day)).chain([midnight]);
        let mut instants: Vec<_> = beginnings.flat_map(|shown| self.instants(shown)).collect();
        let first = instants.iter().min().copied();
        let change = first.and_then(|first| self.zone.following(first).next()).map(|change| change.timestamp());
        instants.extend(change.filter(|change| self.zone.to_datetime(*change).date() == day));
        instants
    }

    /// When the clock shows that: once, twice, or, where it skips it, right after.
    fn instants(&self, shown: DateTime) -> impl Iterator<Item = Timestamp> + use<> {
        let ambiguous = || self.zone.to_ambiguous_timestamp(shown);
        [ambiguous().earlier(), ambiguous().later(), ambiguous().compatible()].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(zone: &str, freeze: &[&str]) -> Schedule {
        serde_json::from_value(json!({"timeZone": zone, "freeze": freeze})).unwrap()
    }

    /// When a window opens next, as seen at `from`: by the clock of the zone.
    fn opens(zone: &str, windows: &[&str], freeze: &[&str], from: &str) -> String {
        let schedule = schedule(zone, freeze);
        let calendar = Calendar::new(&schedule).unwrap();
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().unwrap()).collect();
        let opens = calendar.opens_at(&windows, from.parse().unwrap());
        opens.map_or_else(|| "never".to_owned(), |at| at.to_zoned(calendar.zone.clone()).to_string())
    }

    #[test]
    fn an_open_window_is_open_now_and_a_closed_one_opens_next() {
        let opens = |from| opens("Europe/Berlin", &["Mon-Fri 09:00-16:00"], &[], from);
        assert_eq!(opens("2026-03-02T08:00:00Z"), "2026-03-02T09:00:00+01:00[Europe/Berlin]");
        assert_eq!(opens("2026-03-02T12:34:56Z"), "2026-03-02T13:34:56+01:00[Europe/Berlin]");
        assert_eq!(opens("2026-03-06T15:00:00Z"), "2026-03-09T09:00:00+01:00[Europe/Berlin]");
    }

    #[test]
    fn days_that_are_frozen_are_passed_over() {
        let freeze = ["2026-12-24/2027-01-03"];
        let from = "2026-12-23T20:00:00Z";
        let opens = |windows: &[&str]| opens("Europe/Berlin", windows, &freeze, from);
        assert_eq!(opens(&["Mon-Fri 09:00-16:00"]), "2027-01-04T09:00:00+01:00[Europe/Berlin]");
        // A night that began on a frozen day opens when that is over.
        assert_eq!(opens(&["Sun 22:00-04:00"]), "2027-01-04T00:00:00+01:00[Europe/Berlin]");
        assert_eq!(opens(&[]), "2026-12-23T21:00:00+01:00[Europe/Berlin]");
    }

    #[test]
    fn an_hour_that_the_clock_skips_is_not_there() {
        // On the 29th of March the clock goes from 02:00 to 03:00.
        let opens = |window| opens("Europe/Berlin", &[window], &[], "2026-03-28T12:00:00Z");
        assert_eq!(opens("02:30-02:45"), "2026-03-30T02:30:00+02:00[Europe/Berlin]");
        assert_eq!(opens("02:30-04:00"), "2026-03-29T03:00:00+02:00[Europe/Berlin]");
        assert_eq!(opens("03:00-04:00"), "2026-03-29T03:00:00+02:00[Europe/Berlin]");
    }

    #[test]
    fn an_hour_that_the_clock_shows_twice_is_open_twice() {
        // On the 25th of October it goes from 03:00 back to 02:00, at 01:00 UTC.
        let opens = |window, from| opens("Europe/Berlin", &[window], &[], from);
        assert_eq!(opens("02:15-02:45", "2026-10-25T00:00:00Z"), "2026-10-25T02:15:00+02:00[Europe/Berlin]");
        assert_eq!(opens("02:15-02:45", "2026-10-25T00:50:00Z"), "2026-10-25T02:15:00+01:00[Europe/Berlin]");
        assert_eq!(opens("01:00-02:30", "2026-10-25T00:40:00Z"), "2026-10-25T02:00:00+01:00[Europe/Berlin]");
    }

    #[test]
    fn a_zone_half_an_hour_off_the_others_has_its_own_days() {
        // The 8th of March begins the summer of St. John's, at 05:30 UTC; its 1st of November ends it at 04:30 UTC.
        let opens = |window, from| opens("America/St_Johns", &[window], &[], from);
        assert_eq!(opens("Mon-Fri 09:00-16:00", "2026-03-06T20:00:00Z"), "2026-03-09T09:00:00-02:30[America/St_Johns]");
        assert_eq!(opens("Mon-Fri 09:00-16:00", "2026-10-30T20:00:00Z"), "2026-11-02T09:00:00-03:30[America/St_Johns]");
        assert_eq!(opens("Sun 02:15-03:15", "2026-03-08T00:00:00Z"), "2026-03-08T03:00:00-02:30[America/St_Johns]");
        assert_eq!(opens("Sun 01:15-01:45", "2026-11-01T04:20:00Z"), "2026-11-01T01:15:00-03:30[America/St_Johns]");
    }

    #[test]
    fn a_window_at_night_opens_in_the_next_one_however_far_the_change_of_the_clock_is() {
        let from = "2026-03-10T12:00:00Z";
        let opens = |zone, window| opens(zone, &[window], &[], from);
        assert_eq!(opens("Europe/Berlin", "00:00-06:00"), "2026-03-11T00:00:00+01:00[Europe/Berlin]");
        assert_eq!(opens("Europe/Berlin", "Sat-Sun 00:00-24:00"), "2026-03-14T00:00:00+01:00[Europe/Berlin]");
        assert_eq!(opens("America/New_York", "Sat-Sun 22:00-22:00"), "2026-03-14T22:00:00-04:00[America/New_York]");
    }

    #[test]
    fn what_never_opens_within_a_year_is_told_so() {
        assert_eq!(opens("UTC", &[], &["2026-01-01/2028-01-01"], "2026-03-02T08:00:00Z"), "never");
    }

    #[test]
    fn a_time_zone_that_does_not_exist_is_told() {
        let error = Calendar::new(&schedule("Europe/Atlantis", &[])).unwrap_err().to_string();
        assert!(error.starts_with("time zone \"Europe/Atlantis\" is not in the IANA database"), "{error}");
    }

    #[test]
    fn an_instant_is_told_by_the_clock_of_the_zone() {
        let schedule = schedule("Europe/Berlin", &[]);
        let calendar = Calendar::new(&schedule).unwrap();
        let told = calendar.told("2026-03-02T08:00:00Z".parse().unwrap());
        assert_eq!(told, "Mon 2026-03-02 09:00 CET (Europe/Berlin)");
    }
}
