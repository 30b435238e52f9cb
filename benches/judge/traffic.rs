//! Requests by chance, with what makes judging hard: errors that come in crowds, rates that wander, days and nights.

use std::f64::consts::TAU;

use rand::{Rng, rngs::StdRng};
use rand_distr::{Binomial, Distribution, Geometric, Poisson, StandardNormal};
use tidegate_judge::{Baseline, Boundary, Counts};

use crate::stage::{HISTORY, Scrape};

/// How a rate changes over time, for both versions at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// Not at all.
    Steady,
    /// It wanders between its lowest value and twenty times as much, all the way within a few minutes.
    Wanders,
    /// At some moment it is twenty times as high.
    Jumps,
    /// Four times as many requests by day as by night, and then four times as many of them are bad.
    Daily,
}

/// Whether bad requests come alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crowd {
    /// Each by itself.
    Alone,
    /// In bursts, of geometric length with this mean.
    Bursts(f64),
    /// One after the other: a slow request is followed by slow ones until so many, on average, were slow in a row.
    Rows(f64),
}

/// What the requests of a run are like.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// Requests of the canary from one scrape to the next, on average.
    pub canary: f64,
    /// Requests of stable for each of them.
    pub stable_for_each: f64,
    /// What part of stable's requests is bad at the lowest.
    pub base: f64,
    /// The canary is just as bad as it may be by this line.
    pub boundary: Boundary,
    pub course: Course,
    pub crowd: Crowd,
    /// How many scrapes the run is long, and how many a day is.
    pub length: i64,
    pub day: i64,
}

/// A run of it.
pub struct Flow {
    traffic: Traffic,
    rng: StdRng,
    at: i64,
    /// Where on its way from the lowest rate to the highest it is, from 0 to 1.
    level: f64,
    /// When it jumps; when the day begins.
    moment: i64,
    canary: Row,
    stable: Row,
}

/// Requests that are slow one after the other: how many there are still to come of the present kind.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    slow: bool,
    left: u64,
}

impl Flow {
    /// Begins with what stable was like before, which is learned as the operator does.
    pub fn new(traffic: Traffic, mut rng: StdRng, block: i64) -> (Self, Baseline) {
        let span = if traffic.course == Course::Jumps { traffic.length } else { traffic.day };
        let moment = rng.random_range(0..span.max(1));
        let level = rng.random();
        let at = -i64::from(HISTORY) * block;
        let mut flow = Self { traffic, rng, at, level, moment, canary: Row::default(), stable: Row::default() };
        let history: Vec<_> = (0..HISTORY).map(|_| flow.block_of_history(block)).collect();
        (flow.canary, flow.stable) = (Row::default(), Row::default());
        (flow, Baseline::of_halves(&history))
    }

    /// From now on the canary gets so many requests from one scrape to the next, and stable so many for each of them.
    pub fn shift(&mut self, canary: f64, stable_for_each: f64) {
        self.traffic = Traffic { canary, stable_for_each, ..self.traffic };
    }

    /// What both versions answer until the next scrape.
    pub fn scrape(&mut self) -> Scrape {
        let (demand, stable_rate) = self.advance();
        let Traffic { canary, stable_for_each, boundary, .. } = self.traffic;
        let canary_rate = boundary.limit(stable_rate);
        Scrape {
            canary: self.draw(canary * demand, canary_rate, true),
            stable: self.draw(canary * stable_for_each * demand, stable_rate, false),
        }
    }

    /// Before the rollout all requests are stable's: those of two halves of its pods.
    fn block_of_history(&mut self, block: i64) -> [Counts; 2] {
        let half = self.traffic.canary * (1.0 + self.traffic.stable_for_each) / 2.0;
        let mut sum = [Counts::default(); 2];
        for _ in 0..block {
            let (demand, rate) = self.advance();
            for (sum, is_canary) in sum.iter_mut().zip([true, false]) {
                *sum = sum.plus(self.draw(half * demand, rate, is_canary));
            }
        }
        sum
    }

    /// Goes on to the next scrape: how many requests there are, as a multiple of the mean, and how many of them are bad.
    fn advance(&mut self) -> (f64, f64) {
        self.at += 1;
        let base = self.traffic.base;
        match self.traffic.course {
            Course::Steady => (1.0, base),
            Course::Wanders => {
                let step: f64 = StandardNormal.sample(&mut self.rng);
                self.level = (self.level + 0.1 * step).abs();
                self.level = if self.level > 1.0 { (2.0 - self.level).max(0.0) } else { self.level };
                (1.0, base * 20f64.powf(self.level))
            }
            Course::Jumps => (1.0, if self.at >= self.moment { 20.0 * base } else { base }),
            Course::Daily => {
                let phase = TAU * (self.at - self.moment) as f64 / self.traffic.day as f64;
                let demand = 1.0 + 0.6 * phase.cos();
                (demand, base * demand)
            }
        }
    }

    fn draw(&mut self, mean: f64, rate: f64, is_canary: bool) -> Counts {
        let total = Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.rng));
        let bad = match self.traffic.crowd {
            Crowd::Alone => bad_alone(&mut self.rng, total, rate),
            Crowd::Bursts(length) => bad_in_bursts(&mut self.rng, total, rate, length),
            Crowd::Rows(length) => {
                let row = if is_canary { &mut self.canary } else { &mut self.stable };
                row.slow_of(&mut self.rng, total, rate, length)
            }
        };
        Counts::exact(bad, total)
    }
}

fn bad_alone(rng: &mut StdRng, total: f64, rate: f64) -> f64 {
    Binomial::new(whole(total), rate).map_or(0.0, |binomial| binomial.sample(rng) as f64)
}

fn bad_in_bursts(rng: &mut StdRng, total: f64, rate: f64, length: f64) -> f64 {
    let bursts = Poisson::new(total * rate / length).map_or(0.0, |poisson| poisson.sample(rng));
    let bad: u64 = (0..whole(bursts)).map(|_| geometric(rng, length)).sum();
    (bad as f64).min(total)
}

impl Row {
    fn slow_of(&mut self, rng: &mut StdRng, total: f64, rate: f64, length: f64) -> f64 {
        let (mut left, mut slow) = (whole(total), 0);
        while left > 0 {
            if self.left == 0 {
                self.slow = !self.slow;
                self.left = geometric(rng, if self.slow { length } else { length * (1.0 - rate) / rate });
            }
            let taken = left.min(self.left);
            self.left -= taken;
            left -= taken;
            slow += if self.slow { taken } else { 0 };
        }
        slow as f64
    }
}

/// At least 1, with that mean.
fn geometric(rng: &mut StdRng, mean: f64) -> u64 {
    1 + Geometric::new(1.0 / mean.max(1.0)).map_or(0, |geometric| geometric.sample(rng))
}

/// A count of requests, which is drawn as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of at most a few thousand")]
fn whole(count: f64) -> u64 {
    count as u64
}
