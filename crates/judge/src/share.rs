//! The share of the requests that the new version was really given, and where it lies with a certainty of 99.9 %.
//!
//! Requests do not come one by one: a client sends many over one connection, and a gateway draws for connections, for
//! bursts, or not at all for as long as its configuration stays. So how far the share scatters is not what so many
//! independent draws would give, and is estimated from the blocks themselves: the variance of a ratio of two sums over
//! clusters (Cochran, Sampling Techniques, 1977, §6.4), with the quantile of Student's t for as many. It is never taken for
//! less than that of independent draws. What comes of it goes into Wilson's interval
//! (<https://doi.org/10.2307/2276774>), which holds for small shares as well.
//!
//! Blocks are gathered in batches in which every target is scraped as often as in any other: in the others, its counters
//! would stand still, or gain twice as much, and all that has nothing to do with who got the requests. Batches are joined
//! in pairs when there are many, so that what is remembered stays small, and they grow beyond whatever requests have in
//! common (batch means, as simulations are evaluated: Schmeiser, 1982).

use std::time::Duration;

use super::block::Block;

/// Fewer batches say nothing of how much they differ.
const FEWEST: usize = 3;

/// So many batches are remembered at most.
const MOST: usize = 64;

/// So many blocks make a batch at most, at first.
const WIDEST: u32 = 12;

/// A batch is at least so many scrapes long: one that comes a little late is then half of it at most.
const SCRAPES: f64 = 2.0;

/// A batch may be longer or shorter than a whole number of scrapes by this part of one.
const UNEVEN: f64 = 0.05;

/// The quantiles of Student's t at 99.95 % for two, three and four degrees of freedom.
const FEW: [f64; 3] = [31.599, 12.924, 8.610];

/// The quantile of the standard normal distribution at 99.95 %: a thousandth lies outside of both ends together.
const QUANTILE: f64 = 3.290_526_731;

/// So far from the weight a share may be, as a part of the weight and at most in all: a data plane of many processes
/// divides no better, and neither does the counting of requests that probes and retries add to.
const TOLERATED: (f64, f64) = (0.05, 0.01);

/// How the requests of a stage were divided between the versions, in blocks of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Division {
    batches: Vec<Batch>,
    /// How many blocks make a batch.
    width: u32,
    /// How many of them the last batch has.
    filled: u32,
}

/// The requests of some blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Batch {
    canary: f64,
    all: f64,
}

impl Batch {
    fn plus(self, other: Self) -> Self {
        Self { canary: self.canary + other.canary, all: self.all + other.all }
    }

    fn share(self) -> f64 {
        self.canary / self.all
    }
}

impl Division {
    /// Of blocks that are so long, by counters that are scraped so far apart.
    #[must_use]
    pub fn new(block: Duration, scrape: Duration) -> Self {
        let scrapes = block.as_secs_f64() / scrape.as_secs_f64().max(f64::MIN_POSITIVE);
        let uneven = |width: &u32| {
            let scrapes = f64::from(*width) * scrapes;
            (scrapes - scrapes.round()).abs()
        };
        let long = || (1..=WIDEST).filter(|width| f64::from(*width) * scrapes >= SCRAPES - UNEVEN);
        let even = long().find(|width| uneven(width) <= UNEVEN);
        let width = even.or_else(|| long().min_by(|one, other| uneven(one).total_cmp(&uneven(other))));
        let width = width.unwrap_or(WIDEST);
        Self { batches: Vec::new(), width, filled: width }
    }

    /// Takes in a block. One without requests says nothing.
    pub fn take(&mut self, block: &Block) {
        let batch = Batch { canary: block.canary.total, all: block.canary.total + block.stable.total };
        if batch.all <= 0.0 {
            return;
        }
        if let Some(last) = self.batches.last_mut().filter(|_| self.filled < self.width) {
            *last = last.plus(batch);
            self.filled += 1;
        } else {
            self.batches.push(batch);
            self.filled = 1;
        }
        if self.batches.len() == MOST && self.filled == self.width {
            self.batches = pairs(&self.batches);
            self.width *= 2;
            self.filled = self.width;
        }
    }

    /// The share that was given so far, by whole batches; nothing while there are too few.
    #[must_use]
    pub fn served(&self) -> Option<Served> {
        let unfinished = usize::from(self.filled < self.width);
        let batches = self.batches.get(..self.batches.len().saturating_sub(unfinished))?;
        if batches.len() < FEWEST {
            return None;
        }
        let all = batches.iter().copied().fold(Batch::default(), Batch::plus);
        let square = widened(batches, all).max(QUANTILE * QUANTILE);
        let (low, high) = wilson(all, square);
        Some(Served { share: all.share(), low, high, requests: all.all })
    }
}

/// The share of the requests that the new version was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    /// Of those that were counted, as a part of one.
    pub share: f64,
    /// Where it lies at least, with a certainty of 99.9 %.
    pub low: f64,
    /// Where it lies at most.
    pub high: f64,
    /// How many requests that stands on, of both versions.
    pub requests: f64,
}

/// How the requests of a stage were divided between the versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divided {
    /// What the new version was given since the weight came into force.
    pub served: Served,
    /// Whether a gateway counted them, which sees all that it answers; otherwise the versions did, each its own.
    pub is_by_gateway: bool,
}

/// On which side of what was promised a share lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// The new version is given fewer requests.
    TooLittle,
    /// The new version is given more requests.
    TooMuch,
}

impl Served {
    /// Of so many requests, the new version was given none.
    #[must_use]
    pub fn none_of(requests: f64) -> Self {
        let (low, high) = wilson(Batch { canary: 0.0, all: requests.max(1.0) }, QUANTILE * QUANTILE);
        Self { share: 0.0, low, high, requests }
    }

    /// Whether the share is certainly another than the one that was `promised`, by more than what is tolerated.
    #[must_use]
    pub fn off(&self, promised: f64) -> Option<Off> {
        let tolerated = (TOLERATED.0 * promised).min(TOLERATED.1);
        if self.high < promised - tolerated {
            Some(Off::TooLittle)
        } else if self.low > promised + tolerated {
            Some(Off::TooMuch)
        } else {
            None
        }
    }

    /// Whether `share`, a part of one, could be the one that was given, give or take what is tolerated.
    #[must_use]
    pub fn may_be(&self, share: f64) -> bool {
        self.off(share).is_none()
    }
}

/// Neighbours together; one that has none stays as it is.
fn pairs(batches: &[Batch]) -> Vec<Batch> {
    batches.chunks(2).map(|pair| pair.iter().copied().fold(Batch::default(), Batch::plus)).collect()
}

/// What the square of the normal quantile has to be for Wilson's interval around `all` to be as wide as the scatter of
/// `batches` asks for.
fn widened(batches: &[Batch], all: Batch) -> f64 {
    let share = all.share();
    let independent = share * (1.0 - share) / all.all;
    if independent <= 0.0 {
        // All went to one version: the blocks do not differ.
        return 0.0;
    }
    let freedom = batches.len() - 1;
    let squares = batches.iter().map(|batch| (batch.canary - share * batch.all).powi(2)).sum::<f64>();
    let variance = batches.len() as f64 / freedom as f64 * squares / all.all.powi(2);
    student(freedom).powi(2) * variance / independent
}

/// The quantile of Student's t at 99.95 % for so many degrees of freedom, by the expansion of Cornish and Fisher
/// (Abramowitz and Stegun, 26.7.5): within 2 % from five on, and from a table below.
fn student(freedom: usize) -> f64 {
    if let Some(few) = freedom.checked_sub(2).and_then(|place| FEW.get(place)) {
        return *few;
    }
    let z = QUANTILE;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0,
    ];
    terms.into_iter().rev().fold(0.0, |sum, term| (sum + term) / freedom as f64) + z
}

/// Wilson's interval, where `square` is that of the quantile.
fn wilson(all: Batch, square: f64) -> (f64, f64) {
    let (count, share) = (all.all, all.share());
    let middle = (share + square / (2.0 * count)) / (1.0 + square / count);
    let spread = square * (share * (1.0 - share) + square / (4.0 * count)) / count;
    let half = spread.sqrt() / (1.0 + square / count);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rand::{SeedableRng, rngs::StdRng};
    use rand_distr::{Binomial, Distribution};

    use super::*;
    use crate::Counts;

    fn block(canary: f64, stable: f64) -> Block {
        let [canary, stable] = [canary, stable].map(|total| Counts::exact(0.0, total));
        Block { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH, canary, stable }
    }

    /// Blocks that are batches by themselves.
    fn nothing_yet() -> Division {
        Division::new(Duration::from_secs(10), Duration::from_secs(5))
    }

    /// Blocks of so many draws each; `together` requests have one draw.
    fn draws(seed: u64, (draws, together): (u64, f64), share: f64) -> impl Iterator<Item = Block> {
        let mut random = StdRng::seed_from_u64(seed);
        let binomial = Binomial::new(draws, share).unwrap();
        std::iter::repeat_with(move || {
            let canary = binomial.sample(&mut random);
            block(canary as f64 * together, (draws - canary) as f64 * together)
        })
    }

    fn drawn(seed: u64, blocks: usize, of: (u64, f64), share: f64) -> Division {
        let mut division = nothing_yet();
        draws(seed, of, share).take(blocks).for_each(|block| division.take(&block));
        division
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(2, 31.6), (4, 8.61), (5, 6.869), (11, 4.437), (31, 3.633), (63, 3.449)] {
            assert!((student(freedom) / table - 1.0).abs() < 0.02, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn wilsons_interval_is_that_of_the_tables() {
        let (low, high) = wilson(Batch { canary: 10.0, all: 100.0 }, 1.959_964_f64.powi(2));
        assert!((low - 0.0552).abs() < 0.0001 && (high - 0.1744).abs() < 0.0001, "{low} {high}");
        assert!(
            wilson(Batch { canary: 0.0, all: 300.0 }, QUANTILE.powi(2)).1 > 0.01,
            "of 300, none may come by chance"
        );
    }

    #[test]
    fn too_few_blocks_say_nothing() {
        assert_eq!(drawn(1, FEWEST - 1, (500, 1.0), 0.5).served(), None);
        assert!(drawn(1, FEWEST, (500, 1.0), 0.5).served().is_some());
        let mut silent = nothing_yet();
        (0..20).for_each(|_| silent.take(&block(0.0, 0.0)));
        assert_eq!(silent.served(), None);
    }

    /// Looked at after each block of two hours, in requests of their own, in crowds, and in a trickle.
    #[test]
    fn a_share_that_is_what_was_promised_is_hardly_ever_called_off_however_long_somebody_looks() {
        for (draws, together, share) in [(600, 1.0, 0.05), (60, 10.0, 0.05), (10, 60.0, 0.25), (10, 1.0, 0.01)] {
            let off = (0..500).filter(|seed| is_ever_off(*seed, (draws, together), share)).count();
            assert!(off <= 2, "{draws} × {together} at {share}: {off} of 500");
        }
    }

    /// For twelve blocks in a row, as two minutes are.
    fn is_ever_off(seed: u64, of: (u64, f64), share: f64) -> bool {
        let (mut division, mut row) = (nothing_yet(), 0);
        draws(seed, of, share).take(720).any(|block| {
            division.take(&block);
            let is_off = division.served().is_some_and(|served| served.off(share).is_some());
            row = if is_off { row + 1 } else { 0 };
            row >= 12
        })
    }

    #[test]
    fn a_gateway_that_ignores_weights_is_seen_within_three_batches() {
        let served = drawn(7, FEWEST, (600, 1.0), 0.5).served().unwrap();
        assert_eq!(served.off(0.05), Some(Off::TooMuch));
        assert_eq!(served.off(0.5), None);
        assert!(served.may_be(0.5) && !served.may_be(0.05));
        assert_eq!(served.off(1.0), Some(Off::TooLittle));
    }

    #[test]
    fn a_version_that_gets_nothing_of_its_percent_is_seen_when_that_is_no_chance_any_more() {
        let nothing = |blocks| {
            let mut division = nothing_yet();
            (0..blocks).for_each(|_| division.take(&block(0.0, 100.0)));
            division.served().unwrap().off(0.01)
        };
        assert_eq!([600.0, 1500.0].map(|all| Served::none_of(all).off(0.01)), [None, Some(Off::TooLittle)]);
        assert_eq!(nothing(6), None, "none of 600 may come by chance");
        assert_eq!(nothing(15), Some(Off::TooLittle));
    }

    #[test]
    fn requests_that_come_in_crowds_make_the_interval_as_wide_as_the_crowds_are_large() {
        let width = |together| {
            let served = drawn(3, 60, (600, together), 0.1).served().unwrap();
            (served.high - served.low) * served.requests.sqrt()
        };
        assert!((width(25.0) / width(1.0) / 5.0 - 1.0).abs() < 0.35, "{} {}", width(25.0), width(1.0));
    }

    #[test]
    fn a_batch_holds_as_many_scrapes_of_each_target_as_any_other() {
        let width = |block, scrape| Division::new(Duration::from_secs(block), Duration::from_millis(scrape)).width;
        assert_eq!([width(10, 1000), width(10, 5000), width(60, 15_000)], [1; 3]);
        assert_eq!([width(20, 15_000), width(20, 14_990), width(10, 15_000)], [3; 3]);
        assert_eq!([width(1, 1000), width(30, 30_000), width(10, 4000)], [2; 3]);
        assert!(width(10, 7300) <= WIDEST);
    }

    /// Twelve pods, each of which is scraped every 15 seconds at a time of its own.
    #[test]
    fn how_scrapes_fall_into_blocks_does_not_widen_the_interval() {
        let mut division = Division::new(Duration::from_secs(20), Duration::from_secs(15));
        let scrapes = |offset: i64, end: i64| (end - offset).div_euclid(15) - (end - 20 - offset).div_euclid(15);
        for end in (1..=90).map(|block| block * 20) {
            let stable = (0..11).map(|pod| scrapes(pod, end)).sum::<i64>() as f64;
            division.take(&block(scrapes(11, end) as f64 * 150.0, stable * 150.0));
        }
        let served = division.served().unwrap();
        let independent = 2.0 * QUANTILE * (served.share * (1.0 - served.share) / served.requests).sqrt();
        assert!((served.share - 1.0 / 12.0).abs() < 1e-3, "{served:?}");
        assert!(served.high - served.low < 1.1 * independent, "{served:?}");
    }

    #[test]
    fn at_all_of_the_traffic_a_hundredth_that_goes_elsewhere_is_tolerated() {
        let of = |stable| {
            let mut division = nothing_yet();
            (0..60).for_each(|_| division.take(&block(1000.0 - stable, stable)));
            division.served().unwrap().off(1.0)
        };
        assert_eq!([0.0, 5.0, 30.0].map(of), [None, None, Some(Off::TooLittle)]);
    }

    #[test]
    fn what_is_remembered_stays_small_and_complete() {
        let division = drawn(5, 8192, (10, 1.0), 0.3);
        assert!(division.batches.len() < MOST);
        assert!((division.served().unwrap().requests - 81_920.0).abs() < 1e-6);
    }
}
