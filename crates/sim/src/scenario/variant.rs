//! Releases that are tried in the same weather.

use serde::Deserialize;

use super::{CANARY, Expectations, Scenario, Version};

/// What is different from the rest of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variant {
    /// How the new version behaves. Default: as `versions.canary` does.
    #[serde(default)]
    pub canary: Option<Version>,
    /// What is expected, beside what the scenario expects of all variants.
    #[serde(default)]
    pub expect: Expectations,
}

impl Scenario {
    /// The scenario as each of its variants has it, by name; it alone, without a name, where it has none.
    #[must_use]
    pub fn each(&self) -> Vec<(Option<&str>, Self)> {
        if self.variants.is_empty() {
            return vec![(None, self.clone())];
        }
        self.variants.iter().map(|(name, variant)| (Some(name.as_str()), self.with(variant))).collect()
    }

    fn with(&self, variant: &Variant) -> Self {
        let mut scenario = self.clone();
        scenario.variants.clear();
        scenario.expect.0.extend(variant.expect.0.iter().cloned());
        if let Some(canary) = &variant.canary {
            scenario.versions.insert(CANARY.to_owned(), canary.clone());
        }
        scenario
    }
}
