//! What is expected of a scenario.

use std::fmt;

use jiff::SignedDuration;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::Length;
use crate::report::{By, Release, Report};

/// What became of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// It is the stable version now.
    Promoted,
    /// All traffic went back to the stable version.
    Reverted,
    /// It went back to an earlier stage, and is there still.
    SteppedBack,
    /// It stays where it is until somebody acts.
    Held,
    /// It was still on its way, or had not begun, when the simulation ended.
    Unfinished,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What is expected of one release, or of the whole simulation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// The Rollout. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
    /// The image that was released. Default: the last one.
    #[serde(default)]
    pub release: Option<String>,
    /// What becomes of it.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The one word for why, as in the timeline: `Promoted`, `Reverted`, `Superseded`, `BackToStable`, …
    #[serde(default)]
    pub reason: Option<String>,
    /// A text that the sentence of the decision holds, such as the name of the check that failed.
    #[serde(default)]
    pub because: Option<String>,
    /// The stage in which it ends.
    #[serde(default)]
    pub stage: Option<String>,
    /// Who is told what, as events and notifications say it: these words of the timeline, one after the other, whatever comes
    /// between them, up to the next release.
    #[serde(default)]
    pub told: Vec<String>,
    /// How long it takes at most, from the release on.
    #[serde(default)]
    pub within: Option<Length>,
    /// How long it takes at least, from the release on.
    #[serde(default)]
    pub not_before: Option<Length>,
    /// How many requests the new version answers at most, before it is promoted or gone.
    #[serde(default)]
    pub exposed_at_most: Option<u64>,
    /// How many requests fail at most, whoever answered them, in the whole simulation.
    #[serde(default)]
    pub failed_at_most: Option<u64>,
    /// How many requests to write Tidegate sends at most, without events, from the scenario's start to the end.
    #[serde(default)]
    pub writes_at_most: Option<u64>,
    /// The image that serves at the end.
    #[serde(default)]
    pub serving: Option<String>,
}

/// Everything that is expected: written as one expectation, or as a list of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations(pub Vec<Expectation>);

impl Expectations {
    /// One sentence for each thing that is not as expected.
    #[must_use]
    pub fn failures(&self, report: &Report) -> Vec<String> {
        self.0.iter().flat_map(|expectation| expectation.failures(report)).collect()
    }
}

impl Expectation {
    fn failures(&self, report: &Report) -> Vec<String> {
        let mut failures = Vec::new();
        let release = report.release(self.rollout.as_deref(), self.release.as_deref());
        match release {
            Some(release) => {
                self.check_release(release, &mut failures);
                failures.extend(self.untold(release, report));
            }
            None if self.is_about_a_release() => {
                let which = self.release.as_ref().map_or_else(String::new, |image| format!(" of {image}"));
                let rollout = self.rollout.as_deref();
                let stands = report.standing(rollout).filter(|_| report.release(rollout, None).is_none());
                let stands = stands.map_or_else(String::new, |stands| format!("; {stands}"));
                failures.push(format!("there was no release{which}{stands}"));
            }
            None => {}
        }
        let counts = [
            (self.failed_at_most, report.requests.failed, "requests failed"),
            (self.writes_at_most, report.writes.total(), "writes were needed"),
        ];
        for (limit, count, what) in counts {
            if let Some(limit) = limit.filter(|limit| count > *limit) {
                failures.push(format!("{count} {what}, expected were {limit} at most"));
            }
        }
        if let Some(image) = &self.serving {
            let serving = report.serving(self.rollout.as_deref());
            if serving != Some(image.as_str()) {
                failures.push(format!("{} serves at the end, expected was {image}", serving.unwrap_or("nothing")));
            }
        }
        failures
    }

    fn is_about_a_release(&self) -> bool {
        self.release.is_some()
            || self.outcome.is_some()
            || self.reason.is_some()
            || self.because.is_some()
            || self.stage.is_some()
            || self.within.is_some()
            || self.not_before.is_some()
            || self.exposed_at_most.is_some()
            || !self.told.is_empty()
    }

    /// What should have been told of a release and was not.
    fn untold(&self, release: &Release, report: &Report) -> Option<String> {
        let later = report.releases.iter().filter(|other| other.rollout == release.rollout);
        let next = later.map(|other| other.started).filter(|started| *started > release.started).min();
        let told = report.timeline.iter().filter(|entry| {
            let is_of_it = entry.at >= release.started && next.is_none_or(|next| entry.at < next);
            entry.by == By::Tidegate && entry.rollout == release.rollout && is_of_it
        });
        let told: Vec<_> = told.map(|entry| entry.what.as_str()).collect();
        let mut left = told.iter();
        let missing = self.told.iter().find(|word| !left.any(|told| told == word))?;
        let order = if self.told.len() > 1 { " in that order" } else { "" };
        let (image, all) = (&release.image, told.join(", "));
        Some(format!("{image}: {missing} was not told{order}; told were: {all}"))
    }

    fn check_release(&self, release: &Release, failures: &mut Vec<String>) {
        let (image, message) = (&release.image, &release.message);
        if let Some(outcome) = self.outcome.filter(|outcome| *outcome != release.outcome) {
            failures.push(format!("{image}: the outcome is {}, expected was {outcome}: {message}", release.outcome));
        }
        if let Some(reason) = self.reason.as_ref().filter(|reason| **reason != release.reason) {
            failures.push(format!("{image}: the reason is {}, expected was {reason}: {message}", release.reason));
        }
        if let Some(because) = self.because.as_ref().filter(|because| !message.contains(because.as_str())) {
            failures.push(format!("{image}: {because:?} is not why: {message}"));
        }
        if let Some(stage) = self.stage.as_ref().filter(|stage| Some(*stage) != release.stage.as_ref()) {
            let ended = release.stage.as_deref().unwrap_or("none");
            failures.push(format!("{image}: it ended in stage {ended}, expected was {stage}"));
        }
        let took = release.ended.map(|ended| ended.duration_since(release.started));
        let took = took.map(|took| Length::from(took.max(SignedDuration::ZERO).unsigned_abs()));
        if let Some(within) = self.within.filter(|within| took.is_none_or(|took| took > *within)) {
            let took = took.map_or("has not ended".to_owned(), |took| format!("took {took}"));
            failures.push(format!("{image}: it {took}, expected was {within} at most"));
        }
        if let Some(least) = self.not_before.filter(|least| took.is_some_and(|took| took < *least)) {
            failures.push(format!("{image}: it took {}, expected was {least} at least", took.unwrap_or_default()));
        }
        if let Some(limit) = self.exposed_at_most.filter(|limit| release.exposed > *limit) {
            failures.push(format!(
                "{image}: it answered {} requests before it ended, expected were {limit} at most",
                release.exposed
            ));
        }
    }
}

impl<'de> Deserialize<'de> for Expectations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore).map(Self)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Vec<Expectation>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is expected, such as {outcome: Promoted}, or a list of that")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(vec![Expectation::deserialize(MapAccessDeserializer::new(map))?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}
