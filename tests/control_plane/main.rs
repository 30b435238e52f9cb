//! Tidegate's behaviours on a real control plane, and the same on the embedded cluster, with a real Prometheus: where
//! the two differ, the embedded one is wrong. A part of them on the oldest version of Kubernetes, too.
//!
//! Each of the worlds is started once, by the first behaviour that runs on it; behaviours run side by side, each in
//! its own namespace, and spend most of their time waiting.
//!
//! `-- embedded:` runs those on the embedded cluster only, `-- oldest:` all of them on the oldest version only,
//! `-- --skip embedded: --skip oldest:` those on the current control plane.

mod admission;
mod adoption;
mod approvals;
mod bad_input;
mod behaviour;
mod commands;
mod conformance;
mod degrade;
mod deletion;
mod drill;
mod endpoints;
mod evidence;
mod gates;
mod gateways;
mod gitops;
mod helm;
mod helm_waits;
mod hostile_prometheus;
mod installation;
mod jobs;
mod long_history;
mod notifications;
mod ownership;
mod permissions;
mod pipelines;
mod plans;
mod policies;
mod promotion;
mod resilience;
mod revert;
mod rig_itself;
mod routers;
mod runbooks;
mod scenes;
mod sharing;
mod steering;
mod surge;
mod suspects;
mod templates;
mod terminal;
mod tools;
mod track;
mod volume;
mod warm_up;
mod watch;
mod without_rules;

use std::{process::ExitCode, sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Conclusion, Trial, run};

use behaviour::{Behaviour, Stage, listed};
use tidegate_testkit::{assets::Assets, control_plane::Kind};

const SIDE_BY_SIDE: usize = 12;

type Topic = (&'static str, Vec<Behaviour>);

fn topics() -> Vec<Topic> {
    vec![
        // It takes the longest, since it has a cluster of its own.
        ("installation", installation::behaviours()),
        ("rig", rig_itself::behaviours()),
        ("adoption", adoption::behaviours()),
        ("surge", surge::behaviours()),
        ("deletion", deletion::behaviours()),
        ("ownership", ownership::behaviours()),
        ("promotion", promotion::behaviours()),
        ("revert", revert::behaviours()),
        ("plans", plans::behaviours()),
        ("gates", gates::behaviours()),
        ("jobs", jobs::behaviours()),
        ("watch", watch::behaviours()),
        ("degrade", degrade::behaviours()),
        ("drill", drill::behaviours()),
        ("runbooks", runbooks::behaviours()),
        ("track", track::behaviours()),
        ("suspects", suspects::behaviours()),
        ("endpoints", endpoints::behaviours()),
        ("evidence", evidence::behaviours()),
        ("warm up", warm_up::behaviours()),
        ("volume", volume::behaviours()),
        ("gateways", gateways::behaviours()),
        ("hostile prometheus", hostile_prometheus::behaviours()),
        ("steering", steering::behaviours()),
        ("resilience", resilience::behaviours()),
        ("sharing", sharing::behaviours()),
        ("policies", policies::behaviours()),
        ("routers", routers::behaviours()),
        ("tools", tools::behaviours()),
        ("long history", long_history::behaviours()),
        ("bad input", bad_input::behaviours()),
        ("templates", templates::behaviours()),
    ]
}

/// What takes an API server that keeps the rules of CRDs.
fn with_rules() -> Vec<Topic> {
    vec![("admission", admission::behaviours())]
}

/// What the tools of today do to a cluster of today.
fn with_tools() -> Vec<Topic> {
    vec![
        ("gitops", gitops::behaviours()),
        ("pipelines", pipelines::behaviours()),
        ("commands", commands::behaviours()),
        ("terminal", terminal::behaviours()),
        ("notifications", notifications::behaviours()),
        ("helm", helm::behaviours()),
        ("helm waits", helm_waits::behaviours()),
    ]
}

/// What takes one that drops them.
fn without_rules() -> Vec<Topic> {
    vec![("without rules", without_rules::behaviours())]
}

/// What runs on the oldest version with all the others: one for each API in which it differs from later ones (see
/// docs/kubernetes-versions.md), and each phase of a rollout once.
const OFTEN_ON_THE_OLDEST: [&str; 14] = [
    "a_pod_that_goes_loses_no_request",
    "a_rollout_that_cannot_be_decoded_stops_no_other",
    "rules_that_an_old_api_server_does_not_know_are_kept_all_the_same",
    "adoption_restarts_no_pod",
    "adoption_waits_while_an_autoscaler_targets_the_deployment",
    "a_good_version_goes_through_all_stages_and_becomes_the_stable_one",
    "at_rest_nothing_is_written",
    "a_promotion_is_told_by_events_with_numbers",
    "errors_on_the_canary_turn_the_traffic_back",
    "the_weight_of_a_canary_without_ready_pods_goes_back_until_they_are",
    "a_rollout_scales_like_a_deployment",
    "weights_that_somebody_changes_are_written_back_and_the_writer_is_named",
    "an_operator_that_is_told_to_end_hands_over_at_once",
    "deleting_the_rollout_in_the_foreground_in_mid_flight_hands_back_the_stable_version",
];

/// What takes a real API server: an embedded one to compare it with, or policies that it keeps.
fn on_the_real_one() -> Vec<Topic> {
    vec![
        ("conformance", conformance::behaviours()),
        ("approvals", approvals::behaviours()),
        ("refused jobs", jobs::looked_into::behaviours()),
    ]
}

/// What is said of all the others together, once they are over; says nothing after a part of them.
fn in_the_end() -> Vec<Topic> {
    vec![("permissions", permissions::behaviours())]
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let kinds = [Kind::Real, Kind::Embedded, Kind::Oldest];
    let stages = match kinds.map(|kind| Stage::new(kind, Assets::find).map(Arc::new)) {
        [Ok(real), Ok(embedded), Ok(oldest)] => [real, embedded, oldest],
        [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (current, oldest) = stages.split_at(2);
    let mut all = trials(current, topics);
    all.extend(trials(current, with_rules));
    all.extend(trials(current, with_tools));
    all.extend(trials(&current[..1], on_the_real_one));
    let mut on_oldest = trials(oldest, topics);
    on_oldest.extend(trials(oldest, without_rules));
    if !arguments.filter.as_deref().is_some_and(|filter| filter.starts_with("oldest")) {
        on_oldest = match listed(on_oldest, &OFTEN_ON_THE_OLDEST) {
            Ok(part) => part,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
    }
    all.extend(on_oldest);
    let mut conclusions = vec![run(&arguments, all)];
    if conclusions[0].num_filtered_out == 0 {
        conclusions.push(run(&arguments, trials(current, in_the_end)));
    }
    let passed = stages.each_ref().map(|stage| (stage.kind, stage.passed()));
    for stage in stages {
        if let Ok(stage) = Arc::try_unwrap(stage).map_err(drop) {
            stage.close(Duration::from_secs(2));
        }
    }
    if !arguments.list {
        for (kind, passed) in passed {
            println!("{kind}: {passed} behaviours passed");
        }
        println!("skipped: {}", conclusions.iter().map(|part| part.num_ignored).sum::<u64>());
    }
    if conclusions.iter().any(Conclusion::has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Every behaviour on every stage, taking turns, so that all worlds have something to wait for all the time.
fn trials(stages: &[Arc<Stage>], topics: fn() -> Vec<Topic>) -> Vec<Trial> {
    let trial = |stage: &Arc<Stage>, topic: &str, behaviour: Behaviour| {
        let kind = match stage.kind {
            Kind::Real => topic.to_owned(),
            kind => format!("{kind}: {topic}"),
        };
        let stage = Arc::clone(stage);
        Trial::ignorable_test(behaviour.name, move || stage.perform(behaviour)).with_kind(kind)
    };
    let behaviours = topics().into_iter().flat_map(|(topic, of)| of.into_iter().map(move |one| (topic, one)));
    behaviours.flat_map(|(topic, behaviour)| stages.iter().map(move |stage| trial(stage, topic, behaviour))).collect()
}
