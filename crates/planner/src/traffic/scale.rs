//! The arithmetic of weights within one rule: how a share of one backend becomes whole numbers for all of them.

use tidegate_api::Percent;

/// The highest weight that a backend may have.
///
/// <https://gateway-api.sigs.k8s.io/reference/spec/#backendref>
pub const MAX: i64 = 1_000_000;

/// What a rule's weights may be multiplied by: percents, tenths, hundredths, … of a percent.
const SCALES: [i64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// The canary's share as a fraction, over the smallest of [`SCALES`] that can express it.
///
/// It depends on the share alone, so that it can be read back from the weights: see [`Ratio::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// How many parts the canary gets.
    pub canary: i64,
    /// Of how many.
    pub scale: i64,
}

impl Ratio {
    /// For a Service without any weight, which leaves no share to read back: see [`restored`].
    pub const NOTHING: Self = Self { canary: 0, scale: SCALES[0] };

    /// `share` as a ratio; nothing if it is finer than a ten-thousandth of a percent.
    #[must_use]
    pub fn of(share: Percent) -> Option<Self> {
        SCALES.into_iter().find_map(|scale| {
            // 12.5 % is 125 of 1000 only to within the last bits of a float.
            let parts = share.fraction() * scale as f64;
            let canary = parts.round();
            ((parts - canary).abs() < 1e-6).then(|| Self { canary: whole(canary), scale })
        })
    }

    /// The ratio that gave these two weights; nothing if none did, or if both are 0 and any may have.
    fn read(stable: i64, canary: i64) -> Option<Self> {
        let sum = stable + canary;
        let mut scales = SCALES.into_iter().filter(|_| sum > 0);
        let scale = scales.find(|scale| canary * scale % sum == 0)?;
        Some(Self { canary: canary * scale / sum, scale })
    }

    /// Stable's and the canary's weight, where the Service itself had `weight`.
    #[must_use]
    pub fn divide(self, weight: i64) -> (i64, i64) {
        (weight * (self.scale - self.canary), weight * self.canary)
    }
}

/// The weight of one backend of a rule, where a Service that was split counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Of stable and canary.
    Divided(i64, i64),
    /// Of a backend that was not split.
    Undivided(i64),
}

impl Weight {
    fn sum(self) -> i64 {
        match self {
            Self::Divided(stable, canary) => stable + canary,
            Self::Undivided(weight) => weight,
        }
    }
}

/// The weights that a rule had before its Service was split.
///
/// Exactly those, when they can be what a split wrote. When somebody has changed them since, the shares as they now
/// stand, in small numbers. Either way no weight that was above 0 becomes 0, and all of them leave room for another
/// split by whole percents: the way back to stable is never refused for numbers that do not fit.
#[must_use]
pub fn restored(weights: &[Weight]) -> Vec<i64> {
    let sums: Vec<_> = weights.iter().map(|weight| weight.sum()).collect();
    match common_scale(weights) {
        Some(scale) => sums.into_iter().map(|sum| sum / scale).collect(),
        None => reduced(&sums),
    }
}

fn common_scale(weights: &[Weight]) -> Option<i64> {
    let mut found = None;
    for weight in weights {
        if let Weight::Divided(stable, canary) = *weight
            && weight.sum() > 0
        {
            let scale = Ratio::read(stable, canary)?.scale;
            if *found.get_or_insert(scale) != scale {
                return None;
            }
        }
    }
    // With no weight on the Service, no share can be read back, and `Backends::split` uses the smallest scale.
    let scale = found.unwrap_or(SCALES[0]);
    weights.iter().all(|weight| weight.sum() % scale == 0 && weight.sum() <= MAX).then_some(scale)
}

fn reduced(sums: &[i64]) -> Vec<i64> {
    let divisor = sums.iter().fold(0, |divisor, sum| greatest_common_divisor(divisor, *sum)).max(1);
    let highest = sums.iter().max().map_or(0, |sum| sum / divisor);
    let room = MAX / SCALES[0];
    let fitted = |sum: &i64| {
        let weight = sum / divisor;
        if highest > room && weight > 0 { ((weight * room + highest / 2) / highest).max(1) } else { weight }
    };
    sums.iter().map(fitted).collect()
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded, and at most the largest scale")]
fn whole(parts: f64) -> i64 {
    parts as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_uses_the_smallest_scale_that_expresses_it() {
        for (percent, canary, scale) in
            [(5.0, 5, 100), (12.5, 125, 1_000), (0.05, 5, 10_000), (33.3333, 333_333, 1_000_000), (100.0, 100, 100)]
        {
            assert_eq!(Ratio::of(Percent::new(percent)), Some(Ratio { canary, scale }), "{percent}");
        }
        assert_eq!(Ratio::of(Percent::new(100.0 / 3.0)), None);
    }

    #[test]
    fn weights_that_somebody_changed_keep_their_shares() {
        use Weight::{Divided, Undivided};
        assert_eq!(restored(&[Divided(2, 1), Undivided(6)]), [1, 2]);
        assert_eq!(restored(&[Divided(95, 5), Undivided(50)]), [2, 1]);
        assert_eq!(restored(&[Divided(1, 0), Undivided(MAX)]), [1, 10_000]);
        assert_eq!(restored(&[Divided(0, 0), Undivided(300)]), [0, 3]);
    }

    proptest! {
        #[test]
        fn a_split_is_read_back(tenths in 0_i32..=1_000, weights in prop::collection::vec(0_i64..1_000, 1..5)) {
            let ratio = Ratio::of(Percent::new(f64::from(tenths) / 10.0)).unwrap();
            prop_assume!(weights[0] > 0);
            let (stable, canary) = ratio.divide(weights[0]);
            let mut split = vec![Weight::Divided(stable, canary)];
            split.extend(weights[1..].iter().map(|weight| Weight::Undivided(weight * ratio.scale)));
            prop_assert_eq!(restored(&split), weights);
        }

        #[test]
        fn any_weights_leave_room_for_the_way_back(
            divided in prop::collection::vec((0..=MAX, 0..=MAX), 1..4),
            undivided in prop::collection::vec(0..=MAX, 0..4),
        ) {
            let mut weights: Vec<_> = divided.into_iter().map(|(s, c)| Weight::Divided(s, c)).collect();
            weights.extend(undivided.into_iter().map(Weight::Undivided));
            for (restored, weight) in restored(&weights).into_iter().zip(weights) {
                prop_assert!(restored * SCALES[0] <= MAX);
                prop_assert_eq!(restored == 0, weight.sum() == 0);
            }
        }
    }
}
