//! The real operator on the embedded cluster, with every fault at every moment.
//!
//! `cargo test --test simulation` plays each scene once, and some faults. `make sweep` plays every fault at every call
//! of every scene; `make soak SEEDS=N` plays N runs with whatever their seeds draw. CI plays a part of both, another one
//! for each commit. A run that breaks something prints the command that plays it again.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial as Test};

use tidegate_faults::{
    scenes::{self, Scene},
    soak,
    sweep::{self, Part},
    trial::{Record, Trial},
};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many seeds a plain test plays.
const SEEDS: u64 = 20;
/// Seeds that broke something once: a drain that nobody began anew, a route that was never restored for one, and routes that
/// somebody wrote while their watch was silent, when Services or pods went that they gave traffic to; and requests that were to be
/// expected without end, since the numbers before were none.
const MENDED: [(u64, usize); 6] =
    [(582_104, 37), (623_779, 37), (705_833, 37), (706_472, 37), (721_705, 37), (838_744, 87)];
/// A plain test puts its faults into every so many-th call.
const STEP: usize = 61;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sweep"] => swept(&scenes::all(), Part::WHOLE),
        ["sweep", part] => swept_in_part(&scenes::all(), part),
        ["sweep", part, name] => swept_in_part(scenes::named(name).as_slice(), part),
        ["soak", count] => soaked(0, count.parse().unwrap_or(0)),
        ["soak", first, count] => soaked(first.parse().unwrap_or(0), count.parse().unwrap_or(0)),
        ["replay", seed] => tell(&soak::trial(seed.parse().unwrap_or(0)).play()),
        ["play", scene, rest @ ..] => play(scene, rest),
        _ => libtest_mimic::run(&Arguments::from_args(), tests()).exit_code(),
    }
}

fn tests() -> Vec<Test> {
    let scenes = scenes::all()
        .into_iter()
        .map(|scene| Test::test(scene.name, move || whole(&Trial::of(&scene, 1).play().broken)).with_kind("scene"));
    scenes
        .chain([
            Test::test("the same seed plays the same run, byte for byte", deterministic),
            Test::test("a fault at any call changes nothing in the end", || {
                match sweep::sweep(&scenes::all(), Part { place: 0, of: STEP }).broken {
                    0 => Ok(()),
                    broken => Err(format!("{broken} runs differ").into()),
                }
            }),
            Test::test("what once broke something stays mended", || {
                let broken: Vec<_> = MENDED
                    .into_iter()
                    .flat_map(|(seed, scenes)| soak::trial_among(seed, scenes).play().broken)
                    .collect();
                whole(&broken)
            }),
            Test::test(
                "whatever seeds draw, nothing unsafe happens and everything comes to rest",
                || match soak::soak(0, SEEDS).broken {
                    0 => Ok(()),
                    broken => Err(format!("{broken} seeds break something").into()),
                },
            ),
        ])
        .collect()
}

fn deterministic() -> Result<(), Failed> {
    for seed in [1, 7, 11] {
        let [one, other] = [0, 1].map(|_| soak::trial(seed).play());
        if let Some((one, other)) = one.log.iter().zip(&other.log).find(|(one, other)| one != other) {
            return Err(format!("seed {seed}: {one}\n{other}").into());
        }
        if one.fingerprint != other.fingerprint || one.calls != other.calls {
            return Err(format!("seed {seed}: two runs differ").into());
        }
    }
    Ok(())
}

fn whole(broken: &[String]) -> Result<(), Failed> {
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}

fn swept_in_part(scenes: &[Scene], part: &str) -> ExitCode {
    match part.parse() {
        Ok(part) => swept(scenes, part),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn swept(scenes: &[Scene], part: Part) -> ExitCode {
    let sweep::Swept { scenarios, points, broken } = sweep::sweep(scenes, part);
    println!("sweep: scenarios={scenarios} part={part} points={points} broken={broken}");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soaked(first: u64, count: u64) -> ExitCode {
    let soak::Soaked { seeds, broken, per_second } = soak::soak(first, count);
    println!("soak: first={first} seeds={seeds} broken={broken} per_second={per_second:.0}");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays one run of a scene, with a fault at a call if both are named.
fn play(scene: &str, rest: &[&str]) -> ExitCode {
    let Some(scene) = scenes::named(scene) else {
        let names: Vec<_> = scenes::all().iter().map(|scene| scene.name).collect();
        eprintln!("there is no scene {scene:?}; there are {names:?}");
        return ExitCode::from(2);
    };
    let fault = |name: &str| sweep::FAULTS.iter().map(|(fault, _)| *fault).find(|fault| *fault == name);
    match rest {
        [call, name] => match (call.parse(), fault(name)) {
            (Ok(call), Some(fault)) => tell(&sweep::Point { scene, call, fault }.play()),
            _ => ExitCode::from(2),
        },
        _ => tell(&Trial::of(&scene, 1).play()),
    }
}

/// The whole story of a run.
fn tell(record: &Record) -> ExitCode {
    for line in &record.log {
        println!("{line}");
    }
    for broken in &record.broken {
        println!("broken: {broken}");
    }
    if record.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
