//! One pod's requests.

use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};

use super::{
    behaviour::{Manner, Now},
    draw::{binomial, gauss, in_crowds, poisson},
    exposition::{Counts, Exposed, Exposition, Target},
    histogram::Spread,
    load::Backend,
    totals::Totals,
};
use crate::scenario::{Kind, Metric, Standing, Version};

/// One pod's requests since it started.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) revision: String,
    pub(super) version: String,
    pub(super) standing: Standing,
    /// Which part of all requests it gets.
    pub(super) share: f64,
    /// Of which part of all requests it gets copies.
    pub(super) copies: f64,
    /// Since when it is ready.
    pub(super) ready_since: Timestamp,
    /// How many requests are expected that have not been drawn yet.
    pub(super) pending: f64,
    /// The same of copies.
    pub(super) copied: f64,
    /// How many requests all pods together were expected to get when `pending` was last brought up to date.
    pub(super) seen: f64,
    counts: Counts,
    own: Vec<f64>,
    exposition: Exposition,
    scraped: f64,
    /// When requests were last drawn, in seconds from the start.
    drawn: f64,
    /// What came since it was last scraped, for the metrics that count it then.
    unscraped: Drawn,
}

/// Requests that were drawn.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drawn {
    /// How many, copies among them.
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) copies: u64,
}

impl Drawn {
    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.failed += more.failed;
        self.copies += more.copies;
    }
}

impl Pod {
    pub(super) fn new(backend: &Backend<'_>, standing: Standing, offset: f64) -> Self {
        Self {
            revision: backend.revision.to_owned(),
            version: backend.version.to_owned(),
            standing,
            share: 0.0,
            copies: 0.0,
            ready_since: backend.ready_since,
            pending: 0.0,
            copied: 0.0,
            seen: 0.0,
            counts: Counts::default(),
            own: Vec::new(),
            exposition: Exposition::default(),
            scraped: offset,
            drawn: offset,
            unscraped: Drawn::default(),
        }
    }

    /// Draws the requests that are pending at `offset` seconds, and counts them here and in `totals`.
    pub(super) fn draw(
        &mut self,
        rng: &mut StdRng,
        (now, manner): (&Now, &Manner),
        (offset, is_cold, capacity): (f64, bool, Option<f64>),
        totals: &mut Totals,
    ) -> Drawn {
        let elapsed = offset - std::mem::replace(&mut self.drawn, offset);
        let own = poisson(rng, std::mem::take(&mut self.pending));
        let copies = match std::mem::take(&mut self.copied) {
            expected if expected > 0.0 => poisson(rng, expected),
            _ => 0,
        };
        let requests = own + copies;
        let cold = manner.cold.as_ref().filter(|_| is_cold);
        let (more_errors, spread) = cold.map_or((manner.errors, &manner.spread), |(errors, spread)| (*errors, spread));
        let rate = now.error_rate + (1.0 - now.error_rate) * more_errors;
        let answered = capacity.map_or(requests, |capacity| requests.min(whole(capacity * elapsed)));
        let failed = if now.together > 1.0 {
            in_crowds(rng, answered, rate, now.together)
        } else {
            binomial(rng, answered, rate)
        };
        let failed = failed + (requests - answered);
        let drawn = Drawn { requests, failed, copies };
        self.unscraped.add(drawn);
        self.count_codes(rng, now, drawn);
        let waiting = self.count_pauses(rng, requests, elapsed, (now, totals));
        self.count_durations(rng, requests - waiting, spread, totals);
        totals.requests += requests;
        totals.failed += failed;
        drawn
    }

    /// Counts those that came in a pause, as long as it lasted.
    fn count_pauses(
        &mut self,
        rng: &mut StdRng,
        requests: u64,
        elapsed: f64,
        (now, totals): (&Now, &mut Totals),
    ) -> u64 {
        let Some((frequency, length, spread)) = now.pauses.as_ref().filter(|_| elapsed > 0.0) else { return 0 };
        let pauses = poisson(rng, frequency * elapsed) as f64;
        let waiting = binomial(rng, requests, pauses * length / elapsed);
        self.count_durations(rng, waiting, spread, totals);
        waiting
    }

    fn count_codes(&mut self, rng: &mut StdRng, now: &Now, drawn: Drawn) {
        *self.counts.codes.entry(200).or_default() += drawn.requests - drawn.failed;
        let (mut left, mut share) = (drawn.failed, 1.0);
        for (code, part) in &now.codes {
            if left == 0 {
                break;
            }
            let count = if share <= *part { left } else { binomial(rng, left, part / share) };
            *self.counts.codes.entry(*code).or_default() += count;
            (left, share) = (left - count, share - part);
        }
    }

    fn count_durations(&mut self, rng: &mut StdRng, requests: u64, spread: &Spread, totals: &mut Totals) {
        let buckets = spread.chances.len() + 1;
        self.counts.buckets.resize(buckets, 0);
        totals.buckets.resize(buckets, 0);
        let mut left = requests;
        for (index, chance) in spread.chances.iter().chain([&1.0]).enumerate() {
            if left == 0 {
                break;
            }
            let count = binomial(rng, left, *chance);
            left -= count;
            for counts in [&mut self.counts.buckets, &mut totals.buckets] {
                if let Some(bucket) = counts.get_mut(index) {
                    *bucket += count;
                }
            }
        }
        if requests > 0 {
            let scatter = spread.deviation * (requests as f64).sqrt() * gauss(rng);
            self.counts.sum += (spread.mean * requests as f64 + scatter).max(0.0);
        }
    }

    /// Shows everything as it is at `offset` seconds.
    pub(super) fn expose(
        &mut self,
        rng: &mut StdRng,
        offset: f64,
        version: &Version,
        (exposed, target): (&Exposed, &Target<'_>),
    ) -> &Exposition {
        self.own.resize(version.metrics.len(), 0.0);
        let elapsed = (offset - self.scraped).max(0.0);
        self.scraped = offset;
        let came = std::mem::take(&mut self.unscraped);
        for (index, (metric, value)) in version.metrics.iter().zip(&mut self.own).enumerate() {
            advance(rng, metric, value, offset, elapsed, came);
            self.exposition.show_own(index, metric, *value, target);
        }
        self.exposition.show(&self.counts, exposed, target);
        &self.exposition
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut off at both ends")]
fn whole(count: f64) -> u64 {
    count.clamp(0.0, 1e15) as u64
}

/// Brings a metric of the version's own up to `offset`.
fn advance(rng: &mut impl Rng, metric: &Metric, value: &mut f64, offset: f64, elapsed: f64, came: Drawn) {
    let scatter = 1.0 + metric.spread.fraction() * gauss(rng);
    if let Some(level) = metric.gauge.as_ref().and_then(|gauge| gauge.at(offset)) {
        *value = level.at(offset) * scatter;
    }
    if let Some(level) = metric.counter.as_ref().and_then(|counter| counter.at(offset)) {
        *value += (level.at(offset) * elapsed * scatter).max(0.0);
    }
    if let Some(level) = metric.per_request.as_ref().and_then(|counter| counter.at(offset)) {
        let requests = match metric.of {
            Kind::All => came.requests,
            Kind::Failed => came.failed,
            Kind::Served => came.requests - came.failed,
        };
        // Whole events stay whole.
        let scatter = if metric.spread == tidegate_api::Percent::ZERO { 1.0 } else { scatter };
        *value += (level.at(offset) * requests as f64 * scatter).max(0.0);
    }
}
