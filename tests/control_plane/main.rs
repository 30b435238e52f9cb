//! Tidegate's behaviours on a real control plane, and the same on the embedded cluster, with a real Prometheus: where
//! the two differ, the embedded one is wrong.
//!
//! Each of the two worlds is started once, by the first behaviour that runs on it; behaviours run side by side, each in
//! its own namespace, and spend most of their time waiting.
//!
//! `-- embedded:` runs those on the embedded cluster only, `-- --skip embedded:` those on the real control plane.

#[path = "../rig/mod.rs"]
mod rig;

mod admission;
mod adoption;
mod bad_input;
mod behaviour;
mod conformance;
mod deletion;
mod endpoints;
mod evidence;
mod hostile_prometheus;
mod installation;
mod long_history;
mod ownership;
mod permissions;
mod promotion;
mod resilience;
mod revert;
mod rig_itself;
mod routers;
mod scenes;
mod sharing;
mod steering;
mod surge;
mod templates;
mod tools;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Conclusion, Trial, run};

use behaviour::{Behaviour, Stage};
use rig::{assets::Assets, control_plane::Kind};

const SIDE_BY_SIDE: usize = 8;

type Topic = (&'static str, Vec<Behaviour>);

fn topics() -> Vec<Topic> {
    vec![
        ("rig", rig_itself::behaviours()),
        ("admission", admission::behaviours()),
        ("adoption", adoption::behaviours()),
        ("surge", surge::behaviours()),
        ("deletion", deletion::behaviours()),
        ("ownership", ownership::behaviours()),
        ("promotion", promotion::behaviours()),
        ("revert", revert::behaviours()),
        ("endpoints", endpoints::behaviours()),
        ("evidence", evidence::behaviours()),
        ("hostile prometheus", hostile_prometheus::behaviours()),
        ("steering", steering::behaviours()),
        ("resilience", resilience::behaviours()),
        ("sharing", sharing::behaviours()),
        ("routers", routers::behaviours()),
        ("tools", tools::behaviours()),
        ("long history", long_history::behaviours()),
        ("bad input", bad_input::behaviours()),
        ("templates", templates::behaviours()),
        ("installation", installation::behaviours()),
    ]
}

/// What the real one is asked together with an embedded one.
fn comparisons() -> Vec<Topic> {
    vec![("conformance", conformance::behaviours())]
}

/// What is said of all the others together, once they are over; says nothing after a part of them.
fn in_the_end() -> Vec<Topic> {
    vec![("permissions", permissions::behaviours())]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let stages = match [Kind::Real, Kind::Embedded].map(|kind| Stage::new(kind, Assets::find).map(Arc::new)) {
        [Ok(real), Ok(embedded)] => [real, embedded],
        [Err(error), _] | [_, Err(error)] => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all = trials(&stages, topics);
    all.extend(trials(&stages[..1], comparisons));
    let mut conclusions = vec![run(&arguments, all)];
    if conclusions[0].num_filtered_out == 0 {
        conclusions.push(run(&arguments, trials(&stages, in_the_end)));
    }
    let [real, embedded] = stages.each_ref().map(|stage| stage.passed());
    for stage in stages {
        if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
            stage.close(Duration::from_secs(2));
        }
    }
    if !arguments.list {
        println!("embedded: {embedded} behaviours passed");
        println!("control plane: {real} behaviours passed");
        println!("skipped: {}", conclusions.iter().map(|part| part.num_ignored).sum::<u64>());
    }
    if conclusions.iter().any(Conclusion::has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Every behaviour on every stage, taking turns, so that both worlds have something to wait for all the time.
fn trials(stages: &[Arc<Stage>], topics: fn() -> Vec<Topic>) -> Vec<Trial> {
    let trial = |stage: &Arc<Stage>, topic: &str, behaviour: Behaviour| {
        let kind = match stage.kind {
            Kind::Real => topic.to_owned(),
            Kind::Embedded => format!("embedded: {topic}"),
        };
        let stage = Arc::clone(stage);
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(kind)
    };
    let behaviours = topics().into_iter().flat_map(|(topic, of)| of.into_iter().map(move |one| (topic, one)));
    behaviours.flat_map(|(topic, behaviour)| stages.iter().map(move |stage| trial(stage, topic, behaviour))).collect()
}
