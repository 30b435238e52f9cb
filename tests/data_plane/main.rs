//! Real packets through a real gateway: customers of HTTP/1.1, HTTP/2 and gRPC, Envoy, and servers that name their
//! revision, while the operator moves the weights on a real control plane. Not one request may be lost.

#[path = "../control_plane/behaviour.rs"]
mod behaviour;
#[path = "../rig/mod.rs"]
#[expect(dead_code, reason = "the behaviours on the control plane use more of the rig")]
mod rig;
#[path = "../control_plane/scenes.rs"]
#[expect(dead_code, reason = "the behaviours on the control plane begin in more of them")]
mod scenes;

mod answers;
mod bad_gateway;
mod calls;
mod chosen;
mod envoy;
mod nothing_lost;
mod routing;
mod sessions;
mod vanished;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Trial, run};

use behaviour::{Behaviour, Stage};
use rig::{assets::Assets, control_plane::Kind};

const SIDE_BY_SIDE: usize = 4;

fn topics() -> Vec<(&'static str, Vec<Behaviour>)> {
    vec![
        ("envoy", envoy::behaviours()),
        ("routing", routing::behaviours()),
        ("answers", answers::behaviours()),
        ("nothing lost", nothing_lost::behaviours()),
        ("calls", calls::behaviours()),
        ("chosen requests", chosen::behaviours()),
        ("sessions", sessions::behaviours()),
        ("bad gateway", bad_gateway::behaviours()),
        ("vanished endpoints", vanished::behaviours()),
    ]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let stage = match Stage::new(Kind::Real, Assets::find_with_envoy) {
        Ok(stage) => Arc::new(stage),
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let behaviours = topics().into_iter().flat_map(|(topic, of)| of.into_iter().map(move |one| (topic, one)));
    let trial = |(topic, behaviour): (&str, Behaviour)| {
        let stage = Arc::clone(&stage);
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(topic)
    };
    let conclusion = run(&arguments, behaviours.map(trial).collect());
    let passed = stage.passed();
    if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
        stage.close(Duration::from_secs(2));
    }
    if !arguments.list {
        println!("data plane: {passed} behaviours passed");
    }
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
