//! Tidegate's behaviours on a real control plane with a real Prometheus.
//!
//! The rig is started once, by the first behaviour that runs; behaviours run side by side, each in its own
//! namespace, and spend most of their time waiting.

#[path = "../rig/mod.rs"]
mod rig;

mod admission;
mod adoption;
mod bad_input;
mod behaviour;
mod deletion;
mod evidence;
mod hostile_prometheus;
mod installation;
mod long_history;
mod permissions;
mod promotion;
mod resilience;
mod revert;
mod rig_itself;
mod scenes;
mod sharing;
mod steering;
mod surge;
mod tools;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Conclusion, Trial, run};

use behaviour::{Behaviour, Stage};

const SIDE_BY_SIDE: usize = 8;

type Topic = (&'static str, Vec<Behaviour>);

fn topics() -> Vec<Topic> {
    vec![
        ("rig", rig_itself::behaviours()),
        ("admission", admission::behaviours()),
        ("adoption", adoption::behaviours()),
        ("surge", surge::behaviours()),
        ("deletion", deletion::behaviours()),
        ("promotion", promotion::behaviours()),
        ("revert", revert::behaviours()),
        ("evidence", evidence::behaviours()),
        ("hostile prometheus", hostile_prometheus::behaviours()),
        ("steering", steering::behaviours()),
        ("resilience", resilience::behaviours()),
        ("sharing", sharing::behaviours()),
        ("tools", tools::behaviours()),
        ("long history", long_history::behaviours()),
        ("bad input", bad_input::behaviours()),
        ("installation", installation::behaviours()),
    ]
}

/// What is said of all the others together, once they are over; says nothing after a part of them.
fn in_the_end() -> Vec<Topic> {
    vec![("permissions", permissions::behaviours())]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let stage = match Stage::new() {
        Ok(stage) => Arc::new(stage),
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut conclusions = vec![run(&arguments, trials(&stage, topics()))];
    if conclusions[0].num_filtered_out == 0 {
        conclusions.push(run(&arguments, trials(&stage, in_the_end())));
    }
    if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
        stage.close(Duration::from_secs(2));
    }
    if !arguments.list {
        println!("control plane: {} behaviours passed", conclusions.iter().map(|part| part.num_passed).sum::<u64>());
        println!("skipped: {}", conclusions.iter().map(|part| part.num_ignored).sum::<u64>());
    }
    if conclusions.iter().any(Conclusion::has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn trials(stage: &Arc<Stage>, topics: Vec<Topic>) -> Vec<Trial> {
    let trial = |topic: &str, behaviour: Behaviour| {
        let stage = Arc::clone(stage);
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(topic)
    };
    let of = |(topic, behaviours): Topic| behaviours.into_iter().map(move |behaviour| trial(topic, behaviour));
    topics.into_iter().flat_map(of).collect()
}
