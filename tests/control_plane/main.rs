//! Tidegate's behaviours on a real control plane with a real Prometheus.
//!
//! The rig is started once, by the first behaviour that runs; behaviours run side by side, each in its own
//! namespace, and spend most of their time waiting.

#[path = "../rig/mod.rs"]
mod rig;

mod behaviour;
mod rig_itself;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Trial, run};

use behaviour::{Behaviour, Stage};

const SIDE_BY_SIDE: usize = 8;

fn topics() -> Vec<(&'static str, Vec<Behaviour>)> {
    vec![("rig", rig_itself::behaviours())]
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
    let trials = topics().into_iter().flat_map(|(topic, behaviours)| {
        let stage = Arc::clone(&stage);
        behaviours.into_iter().map(move |behaviour| {
            let stage = Arc::clone(&stage);
            Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(topic)
        })
    });
    let conclusion = run(&arguments, trials.collect());
    if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
        stage.close(Duration::from_secs(2));
    }
    if !arguments.list {
        println!("control plane: {} behaviours passed", conclusion.num_passed);
        println!("skipped: {}", conclusion.num_ignored);
    }
    conclusion.exit_code()
}
