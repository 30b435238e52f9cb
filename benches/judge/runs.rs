//! Many runs by chance, on as many threads as there are cores.

use std::thread;

use anyhow::{Result, anyhow};
use rand::{SeedableRng, rngs::StdRng};

/// All chance comes from it.
pub const SEED: u64 = 20_261;

/// Every so many-th run is judged twice, to see that the bench does what the operator does.
pub const AUDITED: usize = 500;

/// The outcomes of `count` runs, in order. Each has chance of its own, which depends on nothing but [`SEED`], `name`
/// and its number.
pub fn runs<T: Send>(name: &str, count: usize, run: impl Fn(StdRng, usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let seed = name.bytes().fold(SEED, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    let threads = thread::available_parallelism()?.get();
    let share = count.div_ceil(threads);
    let work = |first: usize| -> Result<Vec<T>> {
        let numbers = first..(first + share).min(count);
        numbers.map(|number| run(StdRng::seed_from_u64(seed.wrapping_add(number as u64)), number)).collect()
    };
    let parts = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|place| scope.spawn(move || work(place * share))).collect();
        let joined = handles.into_iter().map(|handle| handle.join().map_err(|_| anyhow!("a run panicked"))?);
        joined.collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// Mean, median and 90th percentile.
pub fn figures(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |tenths: usize| values.get(values.len() * tenths / 10).copied().unwrap_or(f64::NAN);
    (values.iter().sum::<f64>() / values.len() as f64, at(5), at(9))
}
