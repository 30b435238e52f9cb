//! How many requests clients send.

use std::f64::consts::TAU;

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use rand::{SeedableRng, rngs::StdRng};

use super::windows::Windows;
use crate::scenario::Traffic;

/// The rate is taken to be even for so many seconds.
const STEP: f64 = 60.0;

/// How many requests clients send, as a rate over time.
#[derive(Debug)]
pub(super) struct Demand {
    traffic: Traffic,
    start: Timestamp,
    bursts: Option<Windows>,
    rng: StdRng,
}

impl Demand {
    /// What `traffic` says, counted from `start`; asked about no time before `from`, in seconds.
    pub(super) fn new(traffic: &Traffic, start: Timestamp, from: f64, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let bursts = traffic
            .bursts
            .map(|bursts| Windows::new(&mut rng, bursts.every.as_seconds(), bursts.length.as_seconds(), from));
        Self { traffic: traffic.clone(), start, bursts, rng }
    }

    /// How many requests are expected between two instants, in seconds from the start.
    pub(super) fn expected(&mut self, from: f64, to: f64) -> f64 {
        let mut expected = 0.0;
        let mut at = from;
        while at < to {
            let next = (at + STEP).min(to);
            expected += self.rate(f64::midpoint(at, next)) * (next - at);
            at = next;
        }
        expected
    }

    /// Requests in a second.
    fn rate(&mut self, offset: f64) -> f64 {
        let base = self.traffic.requests_per_second.at(offset).map_or(0.0, |step| step.rate.0);
        let is_burst = self.bursts.as_mut().is_some_and(|windows| windows.look(&mut self.rng, offset));
        let burst = self.traffic.bursts.filter(|_| is_burst).map_or(1.0, |bursts| bursts.factor.0);
        base * self.shape(offset) * burst * self.spike(offset)
    }

    fn spike(&self, offset: f64) -> f64 {
        let Some(spikes) = self.traffic.spikes else { return 1.0 };
        let now = self.start.as_second() as f64 + offset;
        let since = now.rem_euclid(86_400.0) % spikes.every.as_seconds();
        if since < spikes.length.as_seconds() { spikes.factor.0 } else { 1.0 }
    }

    fn shape(&self, offset: f64) -> f64 {
        let shape = &self.traffic.shape;
        let now = self.start.as_second() as f64 + offset;
        let diurnal = shape.diurnal.map_or(1.0, |day| {
            let low = day.low.fraction();
            let from_peak = now - f64::from(day.peak.minutes) * 60.0;
            low + (1.0 - low) * f64::midpoint(1.0, (TAU * from_peak / 86_400.0).cos())
        });
        let weekend = shape.weekend.filter(|_| is_weekend(now)).map_or(1.0, tidegate_api::Percent::fraction);
        diurnal * weekend
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond all instants is brought to the last of them")]
fn is_weekend(seconds: f64) -> bool {
    let instant = Timestamp::from_second(seconds as i64).unwrap_or_default();
    matches!(TimeZone::UTC.to_datetime(instant).weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn demand(traffic: &str) -> Demand {
        let scenario = Scenario::parse(&format!("start: 2026-03-02T00:00:00Z\ntraffic: {traffic}"), "s").unwrap();
        Demand::new(&scenario.traffic, scenario.start, 0.0, 1)
    }

    #[test]
    fn a_day_has_its_peak_and_its_quiet_hour_and_a_week_its_end() {
        let mut demand = demand("{requestsPerSecond: 40, shape: {diurnal: {peak: \"14:00\", low: 20%}, weekend: 50%}}");
        let hour = 3600.0;
        for (at, rate) in
            [(14.0 * hour, 40.0), (2.0 * hour, 8.0), (8.0 * hour, 24.0), ((5.0 * 24.0 + 14.0) * hour, 20.0)]
        {
            assert!((demand.rate(at) - rate).abs() < 0.01, "{at}: {}", demand.rate(at));
        }
        let day = demand.expected(0.0, 24.0 * hour);
        assert!((day / (24.0 * 86_400.0) - 1.0).abs() < 1e-3, "{day}");
    }

    #[test]
    fn steps_follow_one_another() {
        let mut demand = demand("{requestsPerSecond: [{from: 0s, rate: 10}, {from: 1h, rate: 100}]}");
        assert!((demand.expected(3540.0, 3660.0) - (600.0 + 6000.0)).abs() < 1e-6);
    }

    #[test]
    fn spikes_come_by_the_clock() {
        let mut demand = demand("{requestsPerSecond: 10, spikes: {every: 15m, length: 1m, factor: 6}}");
        for (at, rate) in [(0.0, 60.0), (59.0, 60.0), (60.0, 10.0), (899.0, 10.0), (900.0, 60.0)] {
            assert!((demand.rate(at) - rate).abs() < 1e-9, "{at}");
        }
    }

    #[test]
    fn bursts_bring_more_on_average_by_their_share() {
        let mut demand = demand("{requestsPerSecond: 10, bursts: {every: 9m, length: 1m, factor: 11}}");
        let mean = demand.expected(0.0, 30.0 * 86_400.0) / (30.0 * 86_400.0);
        assert!((mean / 20.0 - 1.0).abs() < 0.05, "{mean}");
    }
}
