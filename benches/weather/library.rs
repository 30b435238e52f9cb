//! The scenarios of `examples/weather`.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use tidegate_api::RolloutSpec;
use tidegate_sim::scenario::{Manifests, Scenario};

use crate::incumbent;

/// Which of the two releases of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    Bad,
}

pub struct Library {
    pub scenarios: Vec<Weather>,
}

/// One scenario.
pub struct Weather {
    pub name: String,
    pub good: Scenario,
    pub bad: Scenario,
    pub manifests: Manifests,
    /// The same, with the question of an incumbent in the place of the checks.
    pub asked: Manifests,
    pub spec: RolloutSpec,
}

impl Weather {
    pub fn release(&self, kind: Kind) -> &Scenario {
        match kind {
            Kind::Good => &self.good,
            Kind::Bad => &self.bad,
        }
    }

    /// How long its stages bake together, in seconds.
    pub fn bake(&self) -> f64 {
        self.spec.stages().iter().map(|stage| stage.bake().duration().as_secs_f64()).sum()
    }

    /// Whether there are at least ten requests a second all the time that traffic has a say in.
    pub fn is_busy(&self) -> bool {
        let traffic = &self.good.traffic;
        let low = traffic.shape.diurnal.map_or(1.0, |day| day.low.fraction());
        let weekend = traffic.shape.weekend.map_or(1.0, tidegate_api::Percent::fraction);
        traffic.requests_per_second.steps().all(|step| step.rate.0 * low * weekend >= 10.0)
    }
}

impl Library {
    /// All scenarios whose names contain one of `names`, or all without any.
    pub fn load(names: &[String]) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/weather");
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let file = entry?.path();
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_yaml = file.extension().is_some_and(|extension| extension == "yaml");
            if is_yaml && (names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()))) {
                files.push((name, file));
            }
        }
        files.sort();
        ensure!(!files.is_empty(), "no scenario is called like {names:?}");
        let scenarios = files.into_iter().map(|(name, file)| weather(name, &file)).collect::<Result<_>>()?;
        Ok(Self { scenarios })
    }
}

fn weather(name: String, file: &Path) -> Result<Weather> {
    let scenario = Scenario::load(file)?;
    let manifests = Manifests::load(&[], file)?;
    let rollout = manifests.rollouts()?.pop().with_context(|| format!("{name} has no Rollout"))?;
    let asked = incumbent::manifests(&manifests)?.complete()?;
    let mut each = scenario.each().into_iter();
    let mut variant = |wanted: &str| {
        let found = each.find(|(name, _)| *name == Some(wanted));
        found.map(|(_, scenario)| scenario).with_context(|| format!("{name} has no variant {wanted}"))
    };
    let (bad, good) = (variant("bad")?, variant("good")?);
    Ok(Weather { name, good, bad, manifests: manifests.complete()?, asked, spec: rollout.spec })
}
