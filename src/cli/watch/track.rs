//! The stages as a track: where a version has been, where it is, and where it is to go.

use tidegate_api::{Phase, Rollout, Stage};

/// How far a version has come with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// It has left it.
    Passed,
    /// It is there.
    Here,
    /// It failed there.
    Failed,
    /// It is to come there.
    Ahead,
}

impl Station {
    /// What tells it without colours.
    pub fn sign(self) -> char {
        match self {
            Self::Passed => '✓',
            Self::Here => '●',
            Self::Failed => '✗',
            Self::Ahead => '○',
        }
    }
}

/// Each stage of the plan, in order, with how far the version has come.
pub fn stations(rollout: &Rollout) -> Vec<(Station, Stage)> {
    let status = rollout.status.clone().unwrap_or_default();
    let stages = rollout.spec.stages();
    let here = status.stage.as_ref().and_then(|at| stages.iter().position(|stage| stage.name == at.name));
    let has_failed = matches!(status.phase, Phase::Reverting | Phase::Reverted);
    let station = |place: usize| match (here, status.phase) {
        (_, Phase::Promoting) => Station::Passed,
        (Some(here), _) if place < here => Station::Passed,
        (Some(here), _) if place == here => {
            if has_failed {
                Station::Failed
            } else {
                Station::Here
            }
        }
        _ => Station::Ahead,
    };
    stages.iter().cloned().enumerate().map(|(place, stage)| (station(place), stage)).collect()
}
