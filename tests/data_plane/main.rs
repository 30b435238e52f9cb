//! Real packets through a real gateway: customers of HTTP/1.1, HTTP/2 and gRPC, and servers that name their revision,
//! while the operator moves the weights on a real control plane. Not one request may be lost.
//!
//! Through Envoy, which the rig tells of the routes; and what does not depend on the rig's own reading of them through
//! Traefik, too, which reads them by itself. `-- traefik:` runs those only, `-- --skip traefik:` the others.

#[path = "../control_plane/behaviour.rs"]
mod behaviour;
#[path = "../control_plane/scenes.rs"]
#[expect(dead_code, reason = "the behaviours on the control plane begin in more of them")]
mod scenes;

mod answers;
mod bad_gateway;
mod calls;
mod chosen;
mod envoy;
mod features;
mod nothing_lost;
mod own_kinds;
mod routing;
mod sessions;
mod shares;
mod vanished;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Trial, run};

use behaviour::{Behaviour, Stage, listed};
use tidegate_testkit::{assets::Assets, control_plane::Kind};

const SIDE_BY_SIDE: usize = 10;

const SHARES: &str = "shares";

fn topics() -> Vec<(&'static str, Vec<Behaviour>)> {
    vec![
        (SHARES, shares::behaviours()),
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

/// What runs through Traefik as well: one for each thing that a route is made to say.
const THROUGH_TRAEFIK: [&str; 10] = [
    "a_promotion_loses_no_request",
    "a_revert_in_the_second_stage_loses_no_request",
    "a_revert_in_the_last_stage_loses_no_request_and_cuts_no_stream",
    "a_rollout_that_is_deleted_in_mid_flight_loses_no_request",
    "a_promotion_on_a_grpc_route_loses_no_call_and_cuts_no_stream",
    "a_revert_on_a_grpc_route_loses_no_call_and_cuts_no_stream",
    "when_a_stage_of_matches_is_reverted_everybody_is_on_stable",
    "users_move_once_from_stable_to_the_canary_and_as_many_as_each_stage_says",
    "when_a_version_is_reverted_all_users_are_on_stable_and_stay_there",
    "the_share_that_is_measured_is_the_one_that_was_written_and_that_customers_saw",
];

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
    let through_traefik = match listed(trials(&traefik, "traefik: ", topics()), &THROUGH_TRAEFIK) {
        Ok(part) => {
            let alone = vec![("features", features::behaviours()), ("own kinds", own_kinds::behaviours())];
            part.into_iter().chain(trials(&traefik, "traefik: ", alone))
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = run(&arguments, in_order(trials(&envoy, "", topics()), through_traefik.collect()));
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

/// Those that wait for minutes come first, since they would be waited for in the end. Those through Traefik are spread
/// among those through Envoy: with many shops at once it follows their routes late.
fn in_order(through_envoy: Vec<Trial>, through_traefik: Vec<Trial>) -> Vec<Trial> {
    let place = |trials: Vec<Trial>| {
        let count = trials.len().max(1);
        trials.into_iter().enumerate().map(move |(number, trial)| (1000 * number / count, trial))
    };
    let mut all: Vec<_> = place(through_envoy).chain(place(through_traefik)).collect();
    all.sort_by_key(|(place, trial)| (!trial.kind().ends_with(SHARES), *place));
    all.into_iter().map(|(_, trial)| trial).collect()
}

fn trials(stage: &Arc<Stage>, through: &str, topics: Vec<(&'static str, Vec<Behaviour>)>) -> Vec<Trial> {
    let behaviours = topics.into_iter().flat_map(|(topic, of)| of.into_iter().map(move |one| (topic, one)));
    let trial = |(topic, behaviour): (&str, Behaviour)| {
        let stage = Arc::clone(stage);
        let kind = format!("{through}{topic}");
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(kind)
    };
    behaviours.map(trial).collect()
}
