//! Real packets through a real gateway: customers of HTTP/1.1, HTTP/2 and gRPC, and servers that name their revision,
//! while the operator moves the weights on a real control plane. Not one request may be lost.
//!
//! Through Envoy, which the rig tells of the routes; and what does not depend on the rig's own reading of them through
//! Traefik, too, which reads them by itself. `-- traefik:` runs those only, `-- --skip traefik:` the others.

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

type Topic = (&'static str, Vec<Behaviour>);

fn through_envoy() -> Vec<Topic> {
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

fn through_traefik() -> Vec<Topic> {
    vec![
        ("traefik: nothing lost", nothing_lost::behaviours()),
        ("traefik: calls", calls::behaviours()),
        ("traefik: chosen requests", chosen::matches_alone()),
        ("traefik: sessions", sessions::behaviours()),
    ]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let stages =
        [Assets::find_with_envoy, Assets::find_with_traefik].map(|find| Stage::new(Kind::Real, find).map(Arc::new));
    let [envoy, traefik] = match stages {
        [Ok(envoy), Ok(traefik)] => [envoy, traefik],
        [Err(error), _] | [_, Err(error)] => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut all = trials(&envoy, through_envoy());
    all.extend(trials(&traefik, through_traefik()));
    let conclusion = run(&arguments, all);
    let passed = [("data plane", &envoy), ("traefik", &traefik)].map(|(name, stage)| (name, stage.passed()));
    for stage in [envoy, traefik] {
        if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
            stage.close(Duration::from_secs(2));
        }
    }
    if !arguments.list {
        for (name, passed) in passed {
            println!("{name}: {passed} behaviours passed");
        }
    }
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn trials(stage: &Arc<Stage>, topics: Vec<Topic>) -> Vec<Trial> {
    let behaviours = topics.into_iter().flat_map(|(topic, of)| of.into_iter().map(move |one| (topic, one)));
    let trial = |(topic, behaviour): (&str, Behaviour)| {
        let stage = Arc::clone(stage);
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(topic)
    };
    behaviours.map(trial).collect()
}
