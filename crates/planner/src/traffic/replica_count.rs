//! The split without a route: all pods stand behind one Service, and each gets an equal part of the traffic.

use tidegate_api::Percent;

use super::{Acceptance, Router, Split, UnusableRoute};

/// A split by the number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaCount {
    /// How many pods carry all of the traffic.
    pub total: i32,
    /// How many more there may be; without it, as many as it takes to leave stable full.
    pub surge: Option<i32>,
}

impl Router for ReplicaCount {
    type Object = Counts;

    fn can_split(&self, _: &Counts, splits: &[Split<'_>]) -> Result<(), UnusableRoute> {
        let is_told = |split: &Split<'_>| !split.is_plain();
        if splits.iter().any(is_told) {
            let why = "pods are not told which requests they get: name routes under traffic, or leave match, mirror and sessionPersistence out";
            return Err(UnusableRoute::new(why));
        }
        Ok(())
    }

    /// As near to the weight as whole pods come.
    fn split(&self, counts: &Counts, split: Split<'_>) -> Result<Counts, UnusableRoute> {
        self.can_split(counts, &[split])?;
        Ok(self.counts(split.weight))
    }

    fn is_split(&self, counts: &Counts, split: Split<'_>) -> bool {
        split.is_plain() && *counts == self.counts(split.weight)
    }

    fn unsplit(&self, _: &Counts) -> Counts {
        self.counts(Percent::ZERO)
    }

    fn is_whole(&self, counts: &Counts) -> bool {
        *counts == self.counts(Percent::ZERO)
    }

    fn canary_share(&self, counts: &Counts) -> Option<Percent> {
        (counts.stable > 0 || counts.canary > 0).then(|| share(counts.stable, counts.canary))
    }

    /// Pods that are there are in force: nobody else has to take them over.
    fn acceptance(&self, _: &Counts) -> Acceptance {
        Acceptance::Accepted
    }
}

impl ReplicaCount {
    /// The counts whose share comes nearest to `weight`.
    #[must_use]
    pub fn counts(&self, weight: Percent) -> Counts {
        match self.surge {
            Some(surge) => within(self.total, surge, weight),
            None => counts(self.total, weight),
        }
    }
}

/// How many pods each revision should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of the stable revision.
    pub stable: i32,
    /// Of the new revision.
    pub canary: i32,
}

/// The counts whose shares come nearest to `weight`, where `total` pods carry all of the traffic.
///
/// A revision's share is its part of all pods, so for the share *w* of the canary
///
/// ```text
/// canary / (stable + canary) = w    ⇔    canary = stable · w / (1 − w)
/// ```
///
/// Stable stays full for as long as that is possible, so that turning back needs no new pod: with `stable = total`
/// the canary gets `round(total · w / (1 − w))` pods. Once that exceeds `total` (from about 50 %), the canary is
/// full and stable gets `round(total · (1 − w) / w)`. Between 0 % and 100 % both have at least one pod. As one of
/// them is always full, there are never fewer than `total` pods, and neither has to carry more than its pods can.
///
/// At 0 % the canary has none, at 100 % stable has none. A workload scaled to 0 stays at 0.
fn counts(total: i32, weight: Percent) -> Counts {
    let total = total.max(0);
    let (full, asked) = (f64::from(total), weight.percent());
    if total == 0 || asked <= 0.0 {
        return Counts { stable: total, canary: 0 };
    }
    if asked >= 100.0 {
        return Counts { stable: 0, canary: total };
    }
    let beside_full_stable = at_least_one(full * asked / (100.0 - asked));
    if beside_full_stable <= full {
        return Counts { stable: total, canary: whole(beside_full_stable) };
    }
    Counts { stable: whole(at_least_one(full * (100.0 - asked) / asked)), canary: total }
}

/// How many pods beyond `total` are looked at: more of them would not come nearer by a tenth of a percent.
const FURTHEST: i32 = 1_000;

/// The counts whose share comes nearest to `weight`, among those with `total` to `total + surge` pods in all.
///
/// With *n* pods in all the shares are *k/n*, so each *n* has a nearest one, at most *1/2n* away; more pods to choose
/// from come nearer. Where several come equally near, stable is left as close to `total` as can be: turning back then
/// needs the fewest new pods. Every pod gets the same part of the traffic, and there are never fewer than `total`, so
/// that neither revision has to carry more than its pods can. Between 0 % and 100 % both have at least one pod, for
/// which a `total` of one pod needs a `surge` of at least one.
///
/// At 0 % the canary has none, at 100 % stable has none. A workload scaled to 0 stays at 0.
fn within(total: i32, surge: i32, weight: Percent) -> Counts {
    let total = total.max(0);
    if total == 0 || weight <= Percent::ZERO || weight >= Percent::FULL {
        return counts(total, weight);
    }
    let most = total.saturating_add(surge.clamp(i32::from(total == 1), FURTHEST));
    let nearest_of = |all: i32| {
        let canary = whole((f64::from(all) * weight.fraction()).round()).clamp(1, all - 1);
        Counts { stable: all - canary, canary }
    };
    let distance = |counts: &Counts| {
        let off = (share(counts.stable, counts.canary).percent() - weight.percent()).abs();
        // Equally near but for the last bits of a float.
        ((off * 1e9).round(), (counts.stable - total).abs())
    };
    let nearer = |one: Counts, other: Counts| if distance(&other) < distance(&one) { other } else { one };
    (total.max(2)..=most).map(nearest_of).reduce(nearer).unwrap_or(Counts { stable: total, canary: 0 })
}

/// The part of the traffic that the canary gets when so many pods of each revision are ready; nothing when none are.
#[must_use]
pub fn share(stable_ready: i32, canary_ready: i32) -> Percent {
    let (stable, canary) = (f64::from(stable_ready.max(0)), f64::from(canary_ready.max(0)));
    // 0/0 is not a number, and `Percent` makes nothing of it.
    Percent::new(canary * 100.0 / (stable + canary))
}

fn at_least_one(pods: f64) -> f64 {
    pods.round().max(1.0)
}

#[expect(clippy::cast_possible_truncation, reason = "rounded, and never above a total that was an i32")]
fn whole(pods: f64) -> i32 {
    pods as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::traffic::Sessions;

    fn at(total: i32, weight: f64) -> (i32, i32) {
        let counts = counts(total, Percent::new(weight));
        (counts.stable, counts.canary)
    }

    #[test]
    fn the_ends_are_one_revision_alone() {
        assert_eq!(at(10, 0.0), (10, 0));
        assert_eq!(at(10, 100.0), (0, 10));
    }

    #[test]
    fn stable_is_full_up_to_half_and_the_canary_from_there() {
        assert_eq!(at(10, 5.0), (10, 1));
        assert_eq!(at(10, 25.0), (10, 3));
        assert_eq!(at(10, 50.0), (10, 10));
        assert_eq!(at(10, 75.0), (3, 10));
        assert_eq!(at(10, 99.9), (1, 10));
    }

    #[test]
    fn a_surge_comes_nearer_to_the_weight() {
        let at = |total, surge, weight| {
            let counts = within(total, surge, Percent::new(weight));
            (counts.stable, counts.canary)
        };
        assert_eq!(at(4, 1, 5.0), (4, 1));
        assert_eq!(at(4, 4, 5.0), (7, 1));
        assert_eq!(at(10, 1, 25.0), (8, 3));
        assert_eq!(at(10, 10, 25.0), (9, 3));
        assert_eq!(at(10, 10, 50.0), (10, 10));
        assert_eq!(at(1, 1, 5.0), (1, 1));
        assert_eq!(at(10, 5, 100.0), (0, 10));
        assert_eq!(at(i32::MAX, i32::MAX, 50.0).1, i32::MAX / 2 + 1);
    }

    #[test]
    fn a_split_by_pods_can_be_read_back_and_taken_back() {
        for surge in [None, Some(5)] {
            let router = ReplicaCount { total: 10, surge };
            let whole = Counts { stable: 10, canary: 0 };
            let quarter = Split::from(Percent::new(25.0));
            let split = router.split(&whole, quarter).unwrap();
            assert!(router.is_split(&split, quarter) && !router.is_whole(&split));
            assert_eq!(router.canary_share(&split), Some(share(split.stable, split.canary)));
            assert_eq!((router.unsplit(&split), router.is_whole(&whole)), (whole, true));
            assert_eq!(router.acceptance(&split), Acceptance::Accepted);
        }
        assert_eq!(ReplicaCount { total: 0, surge: None }.canary_share(&Counts::default()), None);
    }

    #[test]
    fn pods_cannot_be_told_which_requests_they_get() {
        let router = ReplicaCount { total: 10, surge: None };
        let mirrored = Split { mirror: Percent::new(10.0), ..Split::from(Percent::new(5.0)) };
        let persistent = Split {
            sessions: Some(Sessions { generation: "", before: Percent::ZERO }),
            ..Split::from(Percent::new(5.0))
        };
        for split in [mirrored, persistent] {
            let refused = router.can_split(&Counts::default(), &[Split::NONE, split]).unwrap_err().to_string();
            assert!(refused.starts_with("pods are not told which requests they get: name routes"), "{refused}");
            assert!(router.split(&Counts::default(), split).is_err());
        }
        assert!(router.can_split(&Counts::default(), &[Split::from(Percent::new(5.0)), Percent::FULL.into()]).is_ok());
    }

    #[test]
    fn a_workload_scaled_to_zero_stays_there() {
        assert_eq!(at(0, 50.0), (0, 0));
        assert_eq!(at(0, 100.0), (0, 0));
    }

    #[test]
    fn the_share_is_that_of_the_ready_pods() {
        assert_eq!(share(3, 1), Percent::new(25.0));
        assert_eq!(share(0, 2), Percent::FULL);
        assert_eq!(share(0, 0), Percent::ZERO);
    }

    proptest! {
        #[test]
        fn a_canary_with_weight_has_a_pod(total in 1..100_000, weight in 0.001..=100.0) {
            prop_assert!(at(total, weight).1 >= 1);
        }

        #[test]
        fn neither_side_carries_more_than_its_pods_can(total in 1..100_000, weight in 0.0..=100.0) {
            let (stable, canary) = at(total, weight);
            let reached = share(stable, canary).fraction();
            let all = f64::from(total);
            prop_assert!(f64::from(canary) / all >= reached - 1e-9);
            prop_assert!(f64::from(stable) / all >= 1.0 - reached - 1e-9);
        }

        #[test]
        fn a_surge_is_kept_and_everything_is_carried(total in 1..2_000, surge in 1..500, weight in 0.001..100.0) {
            let Counts { stable, canary } = within(total, surge, Percent::new(weight));
            prop_assert!(stable >= 1 && canary >= 1 || weight >= 100.0);
            prop_assert!((total..=total + surge).contains(&(stable + canary)));
            let (reached, all) = (share(stable, canary).fraction(), f64::from(total));
            prop_assert!(f64::from(canary) / all >= reached - 1e-9);
            prop_assert!(f64::from(stable) / all >= 1.0 - reached - 1e-9);
        }

        #[test]
        fn no_other_counts_within_a_surge_come_nearer(total in 1..40, surge in 1..40, weight in 0.1..99.9) {
            let weight = Percent::new(weight);
            let off = |stable, canary| (share(stable, canary).percent() - weight.percent()).abs();
            let Counts { stable, canary } = within(total, surge, weight);
            for all in total.max(2)..=total + surge {
                for other in 1..all {
                    prop_assert!(off(stable, canary) <= off(all - other, other) + 1e-8);
                }
            }
        }

        #[test]
        fn a_larger_surge_never_comes_less_near(total in 1..500, surge in 1..200, weight in 0.1..99.9) {
            let weight = Percent::new(weight);
            let off = |counts: Counts| (share(counts.stable, counts.canary).percent() - weight.percent()).abs();
            prop_assert!(off(within(total, surge + 1, weight)) <= off(within(total, surge, weight)) + 1e-8);
        }

        #[test]
        fn more_weight_never_means_fewer_canary_pods(total in 1..1_000, one in 0.0..=100.0, other in 0.0..=100.0) {
            let (less, more) = (at(total, f64::min(one, other)), at(total, f64::max(one, other)));
            prop_assert!(less.1 <= more.1 && less.0 >= more.0);
        }

        #[test]
        fn no_other_count_comes_nearer(total in 1..500, weight in 0.5..=50.0) {
            let (stable, canary) = at(total, weight);
            let ideal = f64::from(total) * weight / (100.0 - weight);
            prop_assert_eq!(stable, total);
            prop_assert!((f64::from(canary) - ideal).abs() <= 0.5 || canary == 1);
        }
    }
}
