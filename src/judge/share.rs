//! The share of the requests that the new version was really given, and where it lies with a certainty of 99.9 %.
//!
//! Requests do not come one by one: a client sends many over one connection, and a gateway draws for connections, for
//! bursts, or not at all for as long as its configuration stays. So how far the share scatters is not what so many
//! independent draws would give, and is estimated from the blocks themselves: the variance of a ratio of two sums over
//! clusters (Cochran, Sampling Techniques, 1977, §6.4), with the quantile of Student's t for as many blocks, and of
//! neighbouring blocks together, which are further apart than most of what hangs together. It is never taken for less than
//! that of independent draws. What comes of it goes into Wilson's interval (<https://doi.org/10.2307/2276774>), which
//! holds for small shares as well.
//!
//! Blocks are joined in pairs when there are many, so that what is remembered stays small, and blocks grow beyond whatever
//! requests have in common (batch means, as simulations are evaluated: Schmeiser, 1982).

use super::block::Block;

/// Fewer blocks say nothing of how much they differ.
const FEWEST: usize = 6;

/// So many blocks are remembered at most.
const MOST: usize = 64;

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

impl Default for Division {
    fn default() -> Self {
        Self { batches: Vec::new(), width: 1, filled: 1 }
    }
}

impl Division {
    /// Takes in a block. One without requests says nothing.
    pub fn take(&mut self, block: &Block) {
        let batch = Batch { canary: block.canary.total, all: block.canary.total + block.stable.total };
        if batch.all <= 0.0 {
            return;
        }
        match self.batches.last_mut().filter(|_| self.filled < self.width) {
            Some(last) => {
                *last = last.plus(batch);
                self.filled += 1;
            }
            None => {
                self.batches.push(batch);
                self.filled = 1;
            }
        }
        if self.batches.len() == MOST && self.filled == self.width {
            self.batches = pairs(&self.batches);
            self.width *= 2;
            self.filled = self.width;
        }
    }

    /// The share that was given so far; nothing while there are too few blocks.
    #[must_use]
    pub fn served(&self) -> Option<Served> {
        if self.batches.len() < FEWEST {
            return None;
        }
        let all = self.batches.iter().copied().fold(Batch::default(), Batch::plus);
        let of_pairs = pairs(&self.batches);
        let scales = [Some(&self.batches), Some(&of_pairs).filter(|pairs| pairs.len() >= FEWEST)];
        let widest = scales.into_iter().flatten().map(|batches| widened(batches, all));
        let widest = widest.fold(QUANTILE * QUANTILE, f64::max);
        let (low, high) = wilson(all, widest);
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

    /// Whether `share`, a part of one, could be the one that was given.
    #[must_use]
    pub fn may_be(&self, share: f64) -> bool {
        self.low <= share && share <= self.high
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
    let count = batches.len() as f64;
    let squares = batches.iter().map(|batch| (batch.canary - share * batch.all).powi(2)).sum::<f64>();
    let variance = count / (count - 1.0) * squares / all.all.powi(2);
    student(count - 1.0).powi(2) * variance / independent
}

/// The quantile of Student's t at 99.95 % for so many degrees of freedom, by the expansion of Cornish and Fisher
/// (Abramowitz and Stegun, 26.7.5): within 2 % from five on.
fn student(freedom: f64) -> f64 {
    let z = QUANTILE;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0,
    ];
    terms.into_iter().rev().fold(0.0, |sum, term| (sum + term) / freedom) + z
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
    use crate::judge::Counts;

    fn block(canary: f64, stable: f64) -> Block {
        let [canary, stable] = [canary, stable].map(|total| Counts::exact(0.0, total));
        Block { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH, canary, stable }
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
        let mut division = Division::default();
        draws(seed, of, share).take(blocks).for_each(|block| division.take(&block));
        division
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(5.0, 6.869), (11.0, 4.437), (31.0, 3.633), (63.0, 3.449)] {
            assert!((student(freedom) / table - 1.0).abs() < 0.02, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn wilsons_interval_is_that_of_the_tables() {
        let (low, high) = wilson(Batch { canary: 10.0, all: 100.0 }, 1.959_964_f64.powi(2));
        assert!((low - 0.0552).abs() < 0.0001 && (high - 0.1744).abs() < 0.0001, "{low} {high}");
        assert!(wilson(Batch { canary: 0.0, all: 300.0 }, QUANTILE.powi(2)).1 > 0.01, "of 300, none may come by chance");
    }

    #[test]
    fn too_few_blocks_say_nothing() {
        assert_eq!(drawn(1, FEWEST - 1, (500, 1.0), 0.5).served(), None);
        assert!(drawn(1, FEWEST, (500, 1.0), 0.5).served().is_some());
        let mut silent = Division::default();
        (0..20).for_each(|_| silent.take(&block(0.0, 0.0)));
        assert_eq!(silent.served(), None);
    }

    /// Looked at after each block of two hours, in requests of their own, in crowds, and in a trickle.
    #[test]
    fn a_share_that_is_what_was_promised_is_hardly_ever_called_off_however_long_somebody_looks() {
        for (draws, together, share) in [(600, 1.0, 0.05), (60, 10.0, 0.05), (10, 60.0, 0.25), (10, 1.0, 0.01)] {
            let off = (0..1000).filter(|seed| is_ever_off(*seed, (draws, together), share)).count();
            assert!(off <= 5, "{draws} × {together} at {share}: {off} of 1000");
        }
    }

    /// For twelve blocks in a row, as two minutes are.
    fn is_ever_off(seed: u64, of: (u64, f64), share: f64) -> bool {
        let (mut division, mut row) = (Division::default(), 0);
        draws(seed, of, share).take(720).any(|block| {
            division.take(&block);
            let is_off = division.served().is_some_and(|served| served.off(share).is_some());
            row = if is_off { row + 1 } else { 0 };
            row >= 12
        })
    }

    #[test]
    fn a_gateway_that_ignores_weights_is_seen_within_a_minute() {
        let served = drawn(7, FEWEST, (600, 1.0), 0.5).served().unwrap();
        assert_eq!(served.off(0.05), Some(Off::TooMuch));
        assert_eq!(served.off(0.5), None);
        assert!(served.may_be(0.5) && !served.may_be(0.05));
        assert_eq!(served.off(1.0), Some(Off::TooLittle));
    }

    #[test]
    fn a_version_that_gets_nothing_of_its_percent_is_seen_when_that_is_no_chance_any_more() {
        let nothing = |blocks| {
            let mut division = Division::default();
            (0..blocks).for_each(|_| division.take(&block(0.0, 100.0)));
            division.served().unwrap().off(0.01)
        };
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
    fn at_all_of_the_traffic_a_hundredth_that_goes_elsewhere_is_tolerated() {
        let of = |stable| {
            let mut division = Division::default();
            (0..60).for_each(|_| division.take(&block(1000.0 - stable, stable)));
            division.served().unwrap().off(1.0)
        };
        assert_eq!([0.0, 5.0, 30.0].map(of), [None, None, Some(Off::TooLittle)]);
    }

    #[test]
    fn what_is_remembered_stays_small_and_complete() {
        let division = drawn(5, 10_000, (10, 1.0), 0.3);
        assert!(division.batches.len() < MOST);
        assert!((division.served().unwrap().requests - 100_000.0).abs() < 1e-6);
    }
}
