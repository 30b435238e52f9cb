//! Each guard is there for something: without it a run breaks the invariant that it stands for, with it none does.
//!
//! The runs are the worlds of [`super::random`], each drawn from a seed; the first thing that breaks in one ends it.
//!
//! | without | what breaks | seed |
//! |---|---|---|
//! | `ReadyBackends` | gives 100% to checkout-stable, behind which no pod of its revision is ready | 1 |
//! | `OneStepPerGate` | the weight grows from 5% to 100% without a gate | 25 |
//! | `Evidence` | leaves stage canary without a Pass of every check | 18 |
//! | `Bake` | leaves stage canary before its bake is over | 1 |
//! | `Pause` | starts a version while it is paused | 15 |
//! | `Acceptance` | the clock of stage canary starts before the gateway has its weight | 67 |
//! | `RouteBeforePods` | to 0 while a route gives it 5 % | 7 |
//! | `DrainBeforePods` | to 0 before its requests have drained | 2 |
//! | `DrainBeforeServices` | deletes Service checkout-stable before requests to it have drained | 2 |
//! | `StableCapacity` | to 0 leaves 1 of 4 pods | 126 |
//! | `CarriedWeight` | which 1 of 3 ready pods do not carry | 73 |
//! | `MaxSurge` | more than the 4 that maxSurge allows | 58 |
//! | `OneCanary` | still has pods | 11 |
//! | `FailedStaysFailed` | starts, though it failed before | 48 |
//!
//! In two cases chance does not help, and the run is told by hand. No world is long enough for `BoundedHistories`:
//! versions fail one after the other until "the status has" too many bytes. And without `Pause` something always
//! starts that should not before a stage is left that should not be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::json;
use tidegate_api::Verdict;

use super::{
    lab::Lab,
    random::world,
    specs::{progressive, routed},
};
use crate::plan::guard::{self, Guard};

/// How many seeds are tried to name another one, where the one in the table breaks something else, or nothing.
const SEEDS: u64 = 300;

/// The first line of what breaks, if anything does.
fn broken(run: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    let told = panic.downcast_ref::<String>().map(String::as_str);
    let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    Some(told.lines().next().unwrap_or_default().to_owned())
}

/// Plays the world of a seed.
fn drawn(seed: u64) {
    let dice = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    world().new_tree(&mut TestRunner::new(dice)).unwrap().current().plays_out();
}

/// Without `guard` the world of `seed` breaks the invariant of that sentence first; with it, none.
fn bites(guard: Guard, sentence: &str, seed: u64) {
    let row = format!("//! | `{guard:?}` | {sentence} | {seed} |");
    assert!(include_str!("bite.rs").lines().any(|line| line == row), "not in the table above: {row}");
    let without = |seed| guard::without(guard, || broken(|| drawn(seed)));
    let breaks = |seed: &u64| without(*seed).is_some_and(|told| told.contains(sentence));
    let told = without(seed);
    assert!(
        told.as_ref().is_some_and(|told| told.contains(sentence)),
        "without {guard:?} seed {seed} breaks {told:?}; seed {:?} breaks: {sentence}",
        (0..SEEDS).find(breaks)
    );
    assert_eq!(broken(|| drawn(seed)), None, "with every guard");
}

/// The same for a run that is told by hand.
fn bites_in(guard: Guard, sentence: &str, run: impl Fn()) {
    let told = guard::without(guard, || broken(&run));
    assert!(told.as_ref().is_some_and(|told| told.contains(sentence)), "without {guard:?} it breaks {told:?}");
    assert_eq!(broken(&run), None, "with every guard");
}

#[test]
fn weight_goes_to_backends_without_ready_pods() {
    let sentence = "gives 100% to checkout-stable, behind which no pod of its revision is ready";
    bites(Guard::ReadyBackends, sentence, 1);
}

#[test]
fn the_weight_grows_by_more_than_a_step() {
    bites(Guard::OneStepPerGate, "the weight grows from 5% to 100% without a gate", 25);
}

#[test]
fn a_stage_is_left_without_evidence() {
    bites(Guard::Evidence, "leaves stage canary without a Pass of every check", 18);
}

#[test]
fn a_stage_is_left_before_its_bake_is_over() {
    bites(Guard::Bake, "leaves stage canary before its bake is over", 1);
}

#[test]
fn a_pause_stops_no_start() {
    bites(Guard::Pause, "starts a version while it is paused", 15);
}

#[test]
fn a_pause_stops_no_stage() {
    bites_in(Guard::Pause, "leaves a stage while it is paused", || {
        let mut lab = Lab::in_stage(&routed(), "canary");
        lab.cluster.edit(&json!({"paused": true}));
        lab.pass(24 * 3600);
    });
}

#[test]
fn a_clock_starts_before_the_gateway_has_the_weight() {
    bites(Guard::Acceptance, "the clock of stage canary starts before the gateway has its weight", 67);
}

#[test]
fn pods_go_before_the_route_has_left_them() {
    bites(Guard::RouteBeforePods, "to 0 while a route gives it 5 %", 7);
}

#[test]
fn pods_go_before_their_requests_have_drained() {
    bites(Guard::DrainBeforePods, "to 0 before its requests have drained", 2);
}

#[test]
fn services_go_before_their_requests_have_drained() {
    bites(Guard::DrainBeforeServices, "deletes Service checkout-stable before requests to it have drained", 2);
}

#[test]
fn stable_goes_before_the_new_pods_serve() {
    bites(Guard::StableCapacity, "to 0 leaves 1 of 4 pods", 126);
}

#[test]
fn weights_grow_beyond_what_pods_carry() {
    bites(Guard::CarriedWeight, "which 1 of 3 ready pods do not carry", 73);
}

#[test]
fn traffic_goes_back_to_fewer_pods_than_it_needs() {
    bites_in(Guard::CarriedWeight, "which 1 of 10 ready pods do not carry", || {
        let mut lab = Lab::in_stage(&progressive(), "full");
        lab.pass(60);
        lab.cluster.ready_at_most("v1", Some(1));
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.settle();
    });
}

#[test]
fn more_pods_come_than_there_is_room_for() {
    bites(Guard::MaxSurge, "more than the 4 that maxSurge allows", 58);
}

#[test]
fn a_version_comes_beside_the_one_before_it() {
    bites(Guard::OneCanary, "still has pods", 11);
}

#[test]
fn a_version_that_failed_starts_again() {
    bites(Guard::FailedStaysFailed, "starts, though it failed before", 48);
}

#[test]
fn histories_grow_without_end() {
    bites_in(Guard::BoundedHistories, "the status has", || {
        let mut lab = Lab::adopted(&routed());
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        for version in 2..40 {
            lab.cluster.push(&format!("v{version}"));
            lab.finish();
        }
    });
}
