//! Every fault at every call of every scene: each run ends as the one without a fault.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    faults::Fault,
    scenes::Scene,
    side_by_side::side_by_side,
    trial::{Record, Trial},
};

/// From it come the delays of the world, the same in every run.
const SEED: u64 = 1;

/// What goes wrong with each call, and what it is called on the command line.
pub const FAULTS: [(&str, Fault); 6] = [
    ("crash-before", Fault::CrashBefore),
    ("crash-after", Fault::CrashAfter),
    ("lost-answer", Fault::LostAnswer),
    ("conflict", Fault::Refused(409)),
    ("error", Fault::Refused(500)),
    ("stale", Fault::Stale),
];

/// The calls of a scene that get their faults: every `of`th from `place` on. All the parts together are the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which of the parts, from 0 on.
    pub place: usize,
    /// How many parts there are.
    pub of: usize,
}

impl Part {
    /// Every call.
    pub const WHOLE: Self = Self { place: 0, of: 1 };
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place + 1, self.of)
    }
}

impl FromStr for Part {
    type Err = String;

    /// As it is displayed: `3/8` is the third of eight.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(place, of)| Some((place.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((place, of)) if (1..=of).contains(&place) => Ok(Self { place: place - 1, of }),
            _ => Err(format!("{text:?} is no part such as 3/8")),
        }
    }
}

/// One fault at one call.
#[derive(Debug, Clone)]
pub struct Point {
    /// Which scene is played.
    pub scene: Scene,
    /// Into which call of the operator the fault is put.
    pub call: usize,
    /// Which fault, by its name in [`FAULTS`].
    pub fault: &'static str,
}

/// What came of a sweep.
pub struct Swept {
    /// How many scenes were played.
    pub scenarios: usize,
    /// How many faults at how many calls.
    pub points: usize,
    /// How many of them broke something.
    pub broken: usize,
}

/// Plays each of `scenes` without a fault, then with each fault at every call of `part`.
pub fn sweep(scenes: &[Scene], part: Part) -> Swept {
    let alone = side_by_side(scenes.len(), |place| scenes.get(place).map(|scene| Trial::of(scene, SEED).play()));
    let mut swept = Swept { scenarios: scenes.len(), points: 0, broken: 0 };
    let mut points = Vec::new();
    let mut records = BTreeMap::new();
    for (scene, record) in scenes.iter().zip(alone.into_iter().flatten()) {
        for broken in &record.broken {
            swept.broken += 1;
            println!("{}: {broken}\n  {}", scene.name, command(&format!("play {:?}", scene.name)));
        }
        for call in (part.place..record.calls.len()).step_by(part.of) {
            for (fault, what) in FAULTS {
                // What is written cannot be stale.
                let reads = record.calls[call].starts_with("GET") || record.calls[call].starts_with("WATCH");
                if what != Fault::Stale || reads {
                    points.push(Point { scene: scene.clone(), call, fault });
                }
            }
        }
        records.insert(scene.name, record);
    }
    swept.points = points.len();
    let broken = side_by_side(points.len(), |place| {
        let point @ Point { scene: Scene { name, .. }, call, fault } = &points[place];
        let alone = &records[name];
        let differences = point.differences(alone);
        if differences.is_empty() {
            return 0;
        }
        let (called, again) = (&alone.calls[*call], command(&format!("play {name:?} {call} {fault}")));
        // At once: a long sweep tells what is wrong before it is over.
        println!("{name}, {fault} at call {call} ({called}):\n  {}\n  {again}", differences.join("\n  "));
        1
    });
    swept.broken += broken.into_iter().sum::<usize>();
    swept
}

impl Point {
    /// The run with the fault.
    pub fn play(&self) -> Record {
        let fault = FAULTS.iter().find(|(name, _)| *name == self.fault).map_or(Fault::CrashBefore, |(_, fault)| *fault);
        Trial::with(&self.scene, SEED, self.call, fault).play()
    }

    /// In what it differs from the run without.
    fn differences(&self, alone: &Record) -> Vec<String> {
        let record = self.play();
        let mut differences = record.broken.clone();
        if !self.scene.is_contested() && !same_decisions(&record.steps, &alone.steps) {
            differences.push(format!("decided {:?} instead of {:?}", record.steps, alone.steps));
        }
        if !self.scene.is_contested() && !self.scene.is_tidied_by_hand() && record.made != alone.made {
            differences.push(format!("made {:?} instead of {:?}", record.made, alone.made));
        }
        for name in alone.end.keys().chain(record.end.keys()).collect::<std::collections::BTreeSet<_>>() {
            let [is, was] =
                [&record, alone].map(|record| record.end.get(name).map(ToString::to_string).unwrap_or_default());
            if is != was {
                differences.push(format!("{name} ends as {is} instead of {was}"));
            }
        }
        differences
    }
}

/// Whether two runs decided the same. An answer that was lost costs seconds, so what a person did meanwhile may have met
/// an earlier stage: what answers that is compared without its place.
fn same_decisions(one: &[String], other: &[String]) -> bool {
    let split = |steps: &[String]| {
        let answers = ["Contention", "ForeignPods"];
        let (mut answered, decided): (Vec<_>, Vec<_>) =
            steps.iter().cloned().partition(|step| answers.iter().any(|answer| step.starts_with(answer)));
        // Nor is it compared how often: what was done twice within one pause is answered once.
        answered.sort();
        answered.dedup();
        (answered, decided)
    };
    split(one) == split(other)
}

/// What plays a run again.
pub fn command(arguments: &str) -> String {
    format!("cargo test --test simulation -- {arguments}")
}
