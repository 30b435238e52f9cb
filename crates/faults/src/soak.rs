//! Runs without end: the seed draws the scene, when things happen, and what goes wrong.

use std::{collections::BTreeMap, time::Instant};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use tidegate_sim::{
    board,
    controllers::{Delay, GatewayMode, PodBehaviour},
    scenario::JobsEnd,
};

use crate::{
    faults::Fault,
    numbers::Manner,
    scenes::{self, Action, Ending, Scene},
    side_by_side::side_by_side,
    sweep::command,
    trial::Trial,
};

/// From here on nothing goes wrong any more.
const CALM: u64 = 320;
/// How long it may then take to come to rest: a quarrel is remembered for ten minutes, then the rest of a rollout comes.
const LENGTH: u64 = CALM + 1000;

/// What came of a soak.
pub struct Soaked {
    /// How many seeds were played.
    pub seeds: u64,
    /// In how many of them something broke.
    pub broken: usize,
    /// How many were played in a second.
    pub per_second: f64,
}

/// Plays `count` seeds from `first` on.
pub fn soak(first: u64, count: u64) -> Soaked {
    let began = Instant::now();
    let played = side_by_side(usize::try_from(count).unwrap_or(usize::MAX), |place| {
        let seed = first + place as u64;
        let broken = trial(seed).play().broken;
        for broken in &broken {
            println!("seed {seed}: {broken}\n  {}", command(&format!("replay {seed}")));
        }
        broken.len().min(1)
    });
    let per_second = count as f64 / began.elapsed().as_secs_f64();
    Soaked { seeds: count, broken: played.iter().sum(), per_second }
}

/// What a seed draws.
pub fn trial(seed: u64) -> Trial {
    drawn(seed, &scenes::all())
}

/// What it drew when there were so many scenes: later ones stand behind them.
pub fn trial_among(seed: u64, scenes: usize) -> Trial {
    let all = scenes::all();
    drawn(seed, &all[..scenes.min(all.len())])
}

fn drawn(seed: u64, all: &[Scene]) -> Trial {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = all[rng.random_range(0..all.len())].clone();
    // Here they meet whatever stage there is.
    scene.actions.retain(|(_, action)| !matches!(action, Action::Await(_)));
    if scene.spec.as_object().is_none_or(serde_json::Map::is_empty) && rng.random_bool(0.5) {
        scene.spec = match (scene.routed, rng.random_range(1..4)) {
            (true, 1) => scenes::choosy(),
            (true, _) => scenes::progressive(),
            (false, 3) => json!({"maxSurge": "75%"}),
            (false, surge) => json!({"maxSurge": surge}),
        };
    }
    for (at, _) in &mut scene.actions {
        *at = (*at + rng.random_range(0..40)).saturating_sub(20);
    }
    for _ in 0..rng.random_range(0..4) {
        misfortune(&mut rng, &mut scene.actions);
    }
    if scene.spec.get("gates").is_some() {
        for _ in 0..rng.random_range(0..4) {
            interference(&mut rng, &mut scene.actions);
        }
    }
    let deleted = scene.actions.iter().any(|(_, action)| matches!(action, Action::DeleteReplicaSet(_)));
    scene.actions.extend(calm());
    if deleted {
        // With the ReplicaSet its template is lost. A failed version does not take its place: that takes a person.
        scene.actions.push((CALM, Action::Push("checkout:v4")));
    }
    scene.length = LENGTH;
    scene.ending = Ending::AtRest;
    let faults = (0..rng.random_range(0..8)).map(|_| (rng.random_range(0..120), fault(&mut rng)));
    Trial { faults: faults.collect::<BTreeMap<_, _>>(), scene, seed }
}

/// Something that goes wrong for a while, or that somebody does.
fn misfortune(rng: &mut StdRng, actions: &mut Vec<(u64, Action)>) {
    let from = rng.random_range(0..CALM - 20);
    let until = rng.random_range(from..CALM);
    let image = *["checkout:v1", "checkout:v2", "checkout:v3"].choose(rng).unwrap_or(&"checkout:v2");
    let mut during = |begin: Action, end: Action| actions.extend([(from, begin), (until, end)]);
    match rng.random_range(0..19) {
        0 => during(Action::Numbers(manner(rng)), Action::Numbers(Manner::Honest)),
        1 => during(Action::NumbersRestart, Action::NumbersRestart),
        2 => during(Action::Gateway(GatewayMode::Silent), Action::Gateway(GatewayMode::Accepting)),
        3 => during(Action::Gateway(GatewayMode::Rejecting), Action::Gateway(GatewayMode::ReportingLate)),
        4 => during(
            Action::Gateway(GatewayMode::Slow(Delay::millis(2_000, 20_000))),
            Action::Gateway(GatewayMode::Accepting),
        ),
        5 => during(Action::Pods(image, PodBehaviour::never_ready()), Action::Pods(image, PodBehaviour::default())),
        6 => during(
            Action::Pods(image, PodBehaviour::crashing_after(Delay::millis(500, 20_000))),
            Action::Pods(image, PodBehaviour::default()),
        ),
        7 => during(Action::Quota(Some(rng.random_range(1..6))), Action::Quota(None)),
        8 => during(Action::LoseNode, Action::RegainNode),
        9 => during(Action::Crash, Action::Crash),
        10 => during(Action::Compact, Action::Compact),
        11 => during(Action::Push(image), Action::Push("checkout:v2")),
        12 => during(Action::Edit(json!({"paused": true})), Action::Edit(json!({"paused": false}))),
        13 => during(Action::Edit(json!({"replicas": rng.random_range(0..8)})), Action::Edit(json!({"replicas": 3}))),
        14 => actions.push((from, Action::WriteRoute(vec![rng.random_range(0..100), 50]))),
        15 => during(Action::Gateway(GatewayMode::RejectingSplits), Action::Gateway(GatewayMode::Accepting)),
        16 => during(Action::Gateway(GatewayMode::Breaking), Action::Gateway(GatewayMode::RejectingSplits)),
        17 => {
            let (canary, pause) = (rng.random_range(0..100), rng.random_range(2..20_usize));
            for at in (from..CALM).step_by(pause).take(rng.random_range(2..8)) {
                actions.push((at, Action::WriteRoute(vec![50, canary])));
                actions.push((at, Action::ScaleDeployment(rng.random_range(0..3))));
            }
        }
        _ => actions.push((from, Action::DeleteReplicaSet(image))),
    }
}

/// Whoever answers for gates does so in another manner for a while, or somebody asks for something.
fn interference(rng: &mut StdRng, actions: &mut Vec<(u64, Action)>) {
    let from = rng.random_range(0..CALM - 20);
    let until = rng.random_range(from..CALM);
    let manners = [board::Manner::Wait, board::Manner::Stop, board::Manner::Hang, board::Manner::Fail];
    match rng.random_range(0..6) {
        0 | 1 => {
            let manner = *manners.choose(rng).unwrap_or(&board::Manner::Hang);
            actions.extend([(from, Action::Board(manner)), (until, Action::Board(board::Manner::Go))]);
        }
        2 => actions.push((from, Action::Approve("sign-off", "joe"))),
        3 => actions.push((from, Action::Ask("promote"))),
        4 => actions.push((from, Action::Ask("retry"))),
        _ => actions.push((from, Action::Ask("abort"))),
    }
}

fn manner(rng: &mut StdRng) -> Manner {
    let manners = [
        Manner::Down,
        Manner::Hangs,
        Manner::Failing(500),
        Manner::Failing(422),
        Manner::Failing(401),
        Manner::WebPage,
        Manner::Empty,
        Manner::NotANumber,
        Manner::Infinite,
        Manner::WrongType,
        Manner::Warning,
        Manner::Behind,
        Manner::Truncated,
    ];
    manners[rng.random_range(0..manners.len())]
}

fn fault(rng: &mut StdRng) -> Fault {
    let faults = [
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::LostAnswer,
        Fault::LostRequest,
        Fault::Refused(409),
        Fault::Refused(500),
        Fault::Refused(503),
        Fault::Refused(429),
        Fault::Refused(403),
        Fault::Refused(404),
        Fault::Refused(422),
        Fault::Stale,
        Fault::Slow(3),
        Fault::Slow(30),
        Fault::Truncated,
        Fault::Twice,
        Fault::Silent,
        Fault::Gone,
    ];
    faults[rng.random_range(0..faults.len())]
}

/// Everything works again, and nobody wants anything any more.
fn calm() -> Vec<(u64, Action)> {
    let mut actions = vec![
        (CALM, Action::Numbers(Manner::Honest)),
        (CALM, Action::Gateway(GatewayMode::Accepting)),
        (CALM, Action::Quota(None)),
        (CALM, Action::RegainNode),
        (CALM, Action::Edit(json!({"paused": false}))),
        (CALM, Action::Board(board::Manner::Go)),
        // One that hangs runs again.
        (CALM, Action::Jobs(JobsEnd::Succeed)),
        (CALM, Action::DeleteJobs),
    ];
    // Whatever waits for a person gets its answer. By turns, since what counted for one try does not for the next.
    for time in 0..45 {
        actions.push((CALM + 20 * time, Action::Approve("sign-off", if time % 2 == 0 { "jane" } else { "joe" })));
    }
    for image in ["checkout:v1", "checkout:v2", "checkout:v3"] {
        actions.push((CALM, Action::Pods(image, PodBehaviour::default())));
    }
    actions
}
