//! Scenarios: what happens to a release in a simulation, and what is expected of it.

mod event;
mod expect;
mod length;
mod manifests;
mod outlier;
mod over_time;
mod plain;
#[cfg(test)]
mod tests;
mod traffic;
mod variant;
mod version;
pub mod yaml;

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use tidegate_api::{
    Schedule,
    manifest::{Document, item},
    nearest::did_you_mean,
};
use tidegate_planner::calendar::Calendar;

use self::yaml::{Mistake, WrongValue};
pub use self::{
    event::{
        Action, Approve, Arm, ConfigMapChange, Delete, DeletedKind, Dependency, EditWeights, Event, GatewayFault,
        JobsEnd, Pods, PrometheusFault, Promote, Quota, Release, Scale, Target,
    },
    expect::{Expectation, Expectations, Outcome},
    length::{Length, NoLength},
    manifests::{Manifest, Manifests},
    outlier::{Outlier, Replacement, Standing},
    over_time::{OverTime, Step},
    traffic::{Bursts, Count, Diurnal, NoTimeOfDay, Rate, Retries, Shape, Spikes, TimeOfDay, Traffic},
    variant::Variant,
    version::{ErrorBursts, Errors, Kind, Latency, Level, Metric, Pauses, Version, WarmUp},
};

/// What the pods behave like that are there before anything is released.
pub const STABLE: &str = "stable";

/// What the pods of a release behave like, unless it says otherwise.
pub const CANARY: &str = "canary";

/// How long the cluster runs before the scenario starts, so that the Rollout has taken over its pods and Prometheus
/// has the history that a service is judged beside.
pub const SETTLING: Duration = Duration::from_mins(30);

const DAY: Length = Length::seconds(86_400);

const ONE_DOCUMENT: &str = "a scenario is one document; what stands behind it are objects, each with a kind";

/// How long a simulation takes at most that says no end of its own.
const LATEST: Length = Length::seconds(28 * 86_400);

/// What happens to a release, and what is expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// When it begins.
    pub start: Timestamp,
    /// How long it lasts; without it, until every release has come to its end.
    pub until: Option<Length>,
    /// How long it lasts at most where no release comes to an end.
    pub at_most: Length,
    /// What clients ask for.
    pub traffic: Traffic,
    /// How versions behave, by name; [`STABLE`] and [`CANARY`] are always there.
    pub versions: BTreeMap<String, Version>,
    /// How often Prometheus scrapes.
    pub scrape_every: Length,
    /// The schedule of the whole cluster.
    pub schedule: Option<Schedule>,
    /// What happens, in order of time.
    pub events: Vec<Event>,
    /// Releases that are tried one by one, each from the scenario's start; see [`Self::each`].
    pub variants: BTreeMap<String, Variant>,
    /// What is expected.
    pub expect: Expectations,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenScenario {
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    until: Option<Length>,
    #[serde(default)]
    at_most: Option<Length>,
    #[serde(default)]
    traffic: Option<Traffic>,
    #[serde(default)]
    versions: BTreeMap<String, Version>,
    #[serde(default)]
    scrape_every: Option<Length>,
    #[serde(default)]
    schedule: Option<Schedule>,
    #[serde(default)]
    events: Vec<event::WrittenEvent>,
    #[serde(default)]
    variants: BTreeMap<String, Variant>,
    #[serde(default)]
    expect: Expectations,
}

impl Scenario {
    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Self::parse`].
    pub fn load(file: &Path) -> Result<Self, Mistake> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| Mistake::of(&name, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| Mistake::of(&name, "is not text in UTF-8"))?;
        Self::parse(&text, &name)
    }

    /// Reads a scenario from YAML; `file` is what mistakes call it. Objects may stand behind it.
    ///
    /// # Errors
    /// [`Mistake`]: where it is, and what to do.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        let documents = yaml::documents(text, file)?;
        let document = match documents.as_slice() {
            [document, objects @ ..] => match objects.iter().find(|object| object.text(&["kind"]).is_none()) {
                Some(second) => return Err(Mistake::at(file, second, "", ONE_DOCUMENT)),
                None => document,
            },
            [] => return Err(Mistake::of(file, "is empty; a scenario has at least `events` or `expect`")),
        };
        let written: WrittenScenario = yaml::read(document, file)?;
        let mut versions = written.versions;
        let stable = versions.entry(STABLE.to_owned()).or_default().clone();
        versions.entry(CANARY.to_owned()).or_insert(stable);
        let mut scenario = Self {
            start: written.start.unwrap_or(FIRST_MONDAY),
            until: written.until,
            at_most: written.at_most.unwrap_or(LATEST),
            traffic: written.traffic.unwrap_or_default(),
            versions,
            scrape_every: written.scrape_every.unwrap_or(Length::seconds(15)),
            schedule: written.schedule,
            events: Vec::new(),
            variants: written.variants,
            expect: written.expect,
        };
        if let Some(schedule) = &scenario.schedule {
            Calendar::new(schedule).map_err(|why| Mistake::at(file, document, "schedule.timeZone", why.to_string()))?;
        }
        for (index, event) in written.events.into_iter().enumerate() {
            let mistake = |why: WrongValue| Mistake::at(file, document, &item("events", index), why.to_string());
            let event = event.event().map_err(mistake)?;
            scenario.check_event(&event).map_err(mistake)?;
            scenario.events.push(event);
        }
        scenario.check(document, file)?;
        scenario.events.sort_by_key(|event| event.at);
        Ok(scenario)
    }

    /// When the simulation ends at the latest.
    #[must_use]
    pub fn latest_end(&self) -> Timestamp {
        let length = self.until.unwrap_or(self.at_most).duration();
        self.start.saturating_add(length).unwrap_or(Timestamp::MAX)
    }

    /// The instant that lies `offset` behind the start.
    #[must_use]
    pub fn instant(&self, offset: Length) -> Timestamp {
        self.start.saturating_add(offset.duration()).unwrap_or(Timestamp::MAX)
    }

    fn check_event(&self, event: &Event) -> Result<(), WrongValue> {
        if let Some(until) = self.until.filter(|until| event.at > *until) {
            return Err(WrongValue(format!("happens at {}, after the simulation has ended at {until}", event.at)));
        }
        let version = match &event.action {
            Action::Release(release) => release.version.as_ref(),
            Action::ConfigMap(change) => change.version.as_ref(),
            _ => None,
        };
        if let Some(version) = version
            && !self.versions.contains_key(version)
        {
            let meant = did_you_mean(version, self.versions.keys().map(String::as_str));
            return Err(WrongValue(format!("versions has no {version}{meant}")));
        }
        if let Action::EditWeights(EditWeights { canary, .. }) = &event.action
            && *canary > 100
        {
            return Err(WrongValue(format!("canary: {canary} is more than 100")));
        }
        Ok(())
    }

    fn check(&self, document: &Document, file: &str) -> Result<(), Mistake> {
        let wrong = |field: &str, why: &str| Err(Mistake::at(file, document, field, why));
        if self.scrape_every < Length::seconds(1) {
            return wrong("scrapeEvery", "must be at least 1s");
        }
        if let Some(bursts) = self.traffic.bursts
            && (bursts.every < Length::seconds(1) || bursts.length < Length::seconds(1))
        {
            return wrong("traffic.bursts", "every and length must be at least 1s");
        }
        if let Some(spikes) = self.traffic.spikes
            && (spikes.length < Length::seconds(1) || spikes.length >= spikes.every || spikes.every > DAY)
        {
            return wrong("traffic.spikes", "length must be at least 1s and below every, which is 1d at most");
        }
        let buckets = self.traffic.buckets.as_deref().unwrap_or_default();
        if buckets.len() > 64 || !buckets.is_sorted() || buckets.first() == Some(&Length::default()) {
            return wrong("traffic.buckets", "takes up to 64 lengths of time that rise, from above 0s");
        }
        let stable = self.versions.get(STABLE);
        // A canary of which nothing was written is the stable version: its mistakes are told once.
        for (name, version) in
            self.versions.iter().filter(|(name, version)| *name == STABLE || Some(*version) != stable)
        {
            if let Err((field, why)) = version.check() {
                return wrong(&format!("versions.{name}.{field}"), &why);
            }
        }
        for (name, variant) in &self.variants {
            if let Some(Err((field, why))) = variant.canary.as_ref().map(Version::check) {
                return wrong(&format!("variants.{name}.canary.{field}"), &why);
            }
        }
        Ok(())
    }
}

/// 2026-03-02T09:00:00Z: a Monday morning.
const FIRST_MONDAY: Timestamp = Timestamp::constant(1_772_442_000, 0);
