//! What the routes have to say while a rollout is under way.

use tidegate_api::{Match, Percent, RolloutSpec, SessionGeneration};

/// The canary's share of the requests, and what it gets besides.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Split<'a> {
    /// Its share.
    pub weight: Percent,
    /// The requests that are the canary's whatever its share: those that one of these describes.
    pub matches: &'a [Match],
    /// The part of all requests of which it gets a copy, whose answer nobody sees.
    pub mirror: Percent,
    /// Where users stay on the version that they once came to.
    pub sessions: Option<Sessions<'a>>,
}

/// How users come to the versions that they stay on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sessions<'a> {
    /// What tells this generation from every other: users of another count like everybody else.
    pub generation: &'a str,
    /// The canary's share of those who came to a version before this weight.
    pub before: Percent,
}

impl<'a> Sessions<'a> {
    /// Those of a stage.
    #[must_use]
    pub fn of(generation: &'a SessionGeneration) -> Self {
        Self { generation: &generation.id, before: generation.before }
    }
}

impl<'a> Split<'a> {
    /// All of it to stable, and nothing besides.
    pub const NONE: Self = Self { weight: Percent::ZERO, matches: &[], mirror: Percent::ZERO, sessions: None };

    /// What the stages of `spec` will ask for, one after the other, in a generation that nobody has been in.
    #[must_use]
    pub fn of_stages(spec: &'a RolloutSpec) -> Vec<Self> {
        let mut before = Percent::ZERO;
        let written = spec.stages.as_deref().unwrap_or_default();
        let split = |(place, weight): (usize, Percent)| {
            let stage = written.get(place);
            let split = Self {
                weight,
                matches: stage.and_then(|stage| stage.matches.as_deref()).unwrap_or_default(),
                mirror: stage.and_then(|stage| stage.mirror).unwrap_or_default(),
                sessions: spec.keeps_users().then_some(Sessions { generation: "", before }),
            };
            before = weight;
            split
        };
        spec.stages().iter().map(|stage| stage.weight).enumerate().map(split).collect()
    }

    /// Whether there is more to say than the weight. Of everything there is nothing more to give.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let nothing = self.matches.is_empty() && self.mirror == Percent::ZERO;
        let undivided = self.weight == Percent::ZERO || self.sessions.is_none();
        self.weight == Percent::FULL || nothing && undivided
    }
}

impl From<Percent> for Split<'_> {
    fn from(weight: Percent) -> Self {
        Self { weight, ..Split::NONE }
    }
}
