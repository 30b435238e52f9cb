//! Small worlds, completely: everything goes its usual way, but for misfortunes, and those may come at any moment.
//!
//! Two pods, two stages, one route. At each moment the operator and all controllers take one round, or else one of
//! the world's misfortunes comes: the operator dies before a write, somebody falls silent for any length of time, time
//! flies, a second leader acts on what it saw long ago, people change their mind. Up to a number of misfortunes every
//! order of them is tried. The invariants of [`super::invariants`] are held after every write, and from every moment
//! that was reached, once nobody does anything any more, the world has to come to rest.
//!
//! `MISFORTUNES=2 cargo test --release --lib small_worlds` tries every pair of them.

mod explorer;
mod likeness;
mod moves;

use serde_json::{Value, json};
use tidegate_api::Verdict;

use super::{
    cluster::{Cluster, Gateway},
    lab::Lab,
    specs::routed,
};
use explorer::explore;
use moves::{DELAYS, Moment, Move};

/// A Rollout of two stages beside two pods of `v1`, not adopted yet.
fn created() -> Lab {
    let mut spec = routed();
    spec["stages"] = json!([
        {"name": "half", "weight": "50%", "bake": "1m"},
        {"name": "full", "weight": "100%", "bake": "1m"},
    ]);
    let mut cluster = Cluster::serving(2);
    cluster.create_rollout(&spec);
    Lab::new(cluster)
}

/// The same by pods, without a route.
fn created_by_pods() -> Lab {
    let mut lab = created();
    lab.cluster.edit(&json!({"traffic": Value::Null}));
    lab
}

/// Adopted, with `v2` on its way.
fn pushed(mut lab: Lab) -> Lab {
    lab.settle();
    lab.cluster.push("v2");
    lab
}

fn everything_from(name: &str, lab: Lab, misfortunes: &[Move]) {
    let left = std::env::var("MISFORTUNES").ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    let first = Moment { lab, seen_by_other: None, stopped: None, left };
    let moments = explore(&first, &[&DELAYS, misfortunes].concat());
    println!("{name}: {moments} moments");
}

#[test]
fn adoption() {
    everything_from("adoption", created(), &[Move::Push("v2"), Move::Scale(3), Move::Delete]);
}

#[test]
fn a_promotion() {
    let news = [Move::Verdict(Verdict::Fail), Move::Verdict(Verdict::NoData), Move::Break("v1"), Move::Break("v2")];
    everything_from("promotion", pushed(created()), &news);
    everything_from("promotion by pods", pushed(created_by_pods()), &news);
}

#[test]
fn a_promotion_that_people_change() {
    let deeds = [Move::Push("v1"), Move::Push("v3"), Move::Pause(true), Move::Scale(1), Move::Scale(3), Move::Delete];
    everything_from("people", pushed(created()), &deeds);
    everything_from("people by pods", pushed(created_by_pods()), &deeds);
}

#[test]
fn a_promotion_behind_a_bad_gateway() {
    let gateway =
        [Move::Gateway(Gateway::Silent), Move::Gateway(Gateway::Rejects), Move::WriteRoute(0), Move::WriteRoute(50)];
    everything_from("gateway", pushed(created()), &gateway);
}

#[test]
fn a_promotion_with_two_leaders() {
    everything_from("two leaders", pushed(created()), &[Move::OtherLooks]);
    everything_from("two leaders by pods", pushed(created_by_pods()), &[Move::OtherLooks]);
}

#[test]
fn a_revert() {
    let mut lab = pushed(created());
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    everything_from("revert", lab, &[Move::OtherLooks, Move::Push("v1"), Move::Delete]);
}
