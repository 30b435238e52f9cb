//! What people ask of a rollout, as annotations of the Rollout: tools that write manifests leave those alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    metadata::annotation::{ABORT_ANNOTATION, PROMOTE_ANNOTATION, RESTART_ANNOTATION, RETRY_ANNOTATION},
    status::{Phase, RolloutStatus},
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// All traffic goes back to the stable version, and this one is not tried again.
    Abort,
    /// The stage is left without waiting for its bake, for evidence or for the schedule.
    Promote,
    /// A version that failed is tried again.
    Retry,
    /// The stable version's pods are replaced by others of the same version.
    Restart,
}

impl Command {
    /// All of them; what comes first wins over what comes after it.
    pub const ALL: [Self; 4] = [Self::Abort, Self::Promote, Self::Retry, Self::Restart];

    /// What it is called on the command line and in the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Promote => "promote",
            Self::Retry => "retry",
            Self::Restart => "restart",
        }
    }

    /// The annotation that asks for it.
    #[must_use]
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Abort => ABORT_ANNOTATION,
            Self::Promote => PROMOTE_ANNOTATION,
            Self::Retry => RETRY_ANNOTATION,
            Self::Restart => RESTART_ANNOTATION,
        }
    }

    /// The revision that it is meant for where a Rollout stands so, and the stage where it needs one: `7f9c/half`.
    ///
    /// # Errors
    /// There is nothing to ask it of: a sentence.
    pub fn meant(self, status: &RolloutStatus) -> Result<String, String> {
        let under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
        let canary = status.canary.as_ref().filter(|_| under_way).map(|canary| canary.revision.clone());
        let or = |what: &str| format!("{what} ({:?}: {})", status.phase, status.message);
        let nothing = || or("no version is on its way");
        match self {
            Self::Abort => {
                let restarted = status.restart.as_ref().map(|restart| restart.revision.clone());
                canary.or(restarted).ok_or_else(nothing)
            }
            Self::Restart => {
                let serves = matches!(status.phase, Phase::Stable | Phase::Reverted);
                let stable = status.stable.as_ref().filter(|_| serves).map(|stable| stable.revision.clone());
                stable.ok_or_else(|| or("a rollout is under way"))
            }
            Self::Promote => {
                let stage = status.stage.as_ref().map_or("", |stage| stage.name.as_str());
                Ok(format!("{}/{stage}", canary.ok_or_else(nothing)?))
            }
            Self::Retry => {
                let taken_back = status.taken_back.as_ref().map(|known| known.revision.clone());
                let failed = status.failed.first().map(|failed| failed.revision.clone());
                taken_back.or(failed).ok_or_else(|| or("no version has failed"))
            }
        }
    }

    /// What the annotation says that asks it of `target`: with the instant, so that the same may be asked twice, and with the
    /// name of whoever asks, as one word, where it is known.
    #[must_use]
    pub fn text(self, target: &str, by: &str, at: Timestamp) -> String {
        let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
        format!("{target}{by} at {at:.3}")
    }
}

/// Stands for every stage that a version has before it.
pub const ALL_STAGES: &str = "*";

/// So many letters of an annotation are read: it goes into the status, and an annotation may be a hundred times as long as
/// that.
const LONGEST: usize = 200;

/// A command that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub command: Command,
    /// The revision that it is meant for.
    pub revision: String,
    /// The stage that it is meant for, or [`ALL_STAGES`]; empty where none is named.
    pub stage: String,
    /// Who asks, as they say themselves.
    pub by: Option<String>,
    /// The whole annotation, without control characters, and no more than 200 letters of it. Whoever wants the same once
    /// more writes another one.
    pub text: String,
}

impl Asked {
    /// The commands in `annotations`, as `REVISION` or `REVISION/STAGE`, then pairs of words such as `by jane` and
    /// `at 2026-03-02T09:00:00Z`, of which nobody but people reads any but the first.
    pub fn all(annotations: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = Self> {
        Command::ALL.into_iter().filter_map(move |command| Self::read(command, annotations?.get(command.annotation())?))
    }

    /// Whether it asks for other pods of the same version.
    #[must_use]
    pub fn is_restart(&self) -> bool {
        self.command == Command::Restart
    }

    fn read(command: Command, annotation: &str) -> Option<Self> {
        let text = annotation.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let target = words.next()?;
        let (revision, stage) = target.split_once('/').unwrap_or((target, ""));
        let by = words.skip_while(|word| *word != "by").nth(1);
        Some(Self {
            command,
            revision: revision.to_owned(),
            stage: stage.to_owned(),
            by: by.map(str::to_owned),
            text: text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(annotations: &[(&str, &str)]) -> Vec<Asked> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Asked::all(Some(&annotations)).collect()
    }

    #[test]
    fn an_annotation_names_the_revision_and_perhaps_the_stage_and_who_asks() {
        let [asked] = asked(&[("tidegate.dev/promote", "7f9c/half by jane@example.com at 2026-03-02T09:00:00Z")])
            .try_into()
            .unwrap();
        assert_eq!((asked.command, asked.revision.as_str(), asked.stage.as_str()), (Command::Promote, "7f9c", "half"));
        assert_eq!(asked.by.as_deref(), Some("jane@example.com"));
    }

    #[test]
    fn what_goes_into_the_status_is_short_and_printable() {
        let [long] = asked(&[("tidegate.dev/abort", &"7f9c ".repeat(50_000))]).try_into().unwrap();
        assert_eq!((long.revision.as_str(), long.text.len()), ("7f9c", 200));
        let [odd] = asked(&[("tidegate.dev/abort", "7f9c\u{7}\n by\tjane")]).try_into().unwrap();
        assert_eq!((odd.text.as_str(), odd.by.as_deref()), ("7f9c by jane", Some("jane")));
    }

    #[test]
    fn abort_comes_first_and_an_empty_annotation_asks_for_nothing() {
        let all = asked(&[("tidegate.dev/retry", " "), ("tidegate.dev/promote", "a/b"), ("tidegate.dev/abort", "a")]);
        assert_eq!(all.iter().map(|asked| asked.command.name()).collect::<Vec<_>>(), ["abort", "promote"]);
        assert_eq!(Asked::all(None).count(), 0);
    }

    #[test]
    fn a_command_is_meant_for_the_version_that_it_can_be_asked_of_or_says_why_there_is_none() {
        use crate::{RevisionStatus, StageStatus};
        let revision = |name: &str| Some(RevisionStatus { revision: name.to_owned(), ..RevisionStatus::default() });
        let stage: StageStatus = serde_json::from_value(serde_json::json!({
            "name": "half", "index": 1, "of": 2, "weight": "50%", "weightInForce": "50%", "enteredAt": "2026-03-02T09:00:00Z",
        }))
        .unwrap();
        let (stable, canary) = (revision("6b54"), revision("7f9c"));
        let on_its_way =
            RolloutStatus { phase: Phase::Held, stable, canary, stage: Some(stage), ..RolloutStatus::default() };
        assert_eq!(Command::Abort.meant(&on_its_way).unwrap(), "7f9c");
        assert_eq!(Command::Promote.meant(&on_its_way).unwrap(), "7f9c/half");
        assert!(Command::Restart.meant(&on_its_way).unwrap_err().starts_with("a rollout is under way (Held: "));
        let at_rest = RolloutStatus { phase: Phase::Stable, message: "it serves".to_owned(), ..on_its_way };
        assert_eq!(Command::Restart.meant(&at_rest).unwrap(), "6b54");
        assert_eq!(Command::Abort.meant(&at_rest).unwrap_err(), "no version is on its way (Stable: it serves)");
        let text = Command::Abort.text("7f9c", "jane", "2026-03-02T09:00:00Z".parse().unwrap());
        assert_eq!(text, "7f9c by jane at 2026-03-02T09:00:00.000Z");
    }
}
