//! Why it stands where it does.

use jiff::Timestamp;
use tidegate_api::{
    CheckStatus, FailedRevision, Phase, Rollout, RolloutStatus, Verdict,
    condition::{kind, reason},
};

use crate::cli::moments;

/// The sentences, the most important first.
pub fn told(rollout: &Rollout, now: Timestamp) -> Vec<String> {
    let status = rollout.status.clone().unwrap_or_default();
    let name = rollout.metadata.name.as_deref().unwrap_or_default();
    let message = if status.message.is_empty() { "the operator has not looked at it yet" } else { &status.message };
    let mut told = vec![format!("Rollout {name} is {:?}: {message}", status.phase)];
    told.extend(failure(&status).map(|failed| {
        format!("version {} failed at {}: {}", failed.revision, moments::told(failed.at, now), failed.message)
    }));
    told.extend(status.checks.iter().filter(|check| check.verdict != Verdict::Pass).map(numbers));
    told.extend(last_step(&status, now));
    let ignored = status.commands.iter().filter(|command| !command.done);
    told.extend(ignored.map(|command| format!("{} ({})", command.message, moments::told(command.at, now))));
    told.extend(remedy(&status).map(|remedy| format!("to do: {remedy}")));
    told
}

/// The failure that keeps the version off.
pub fn failure(status: &RolloutStatus) -> Option<&FailedRevision> {
    let canary = status.canary.as_ref();
    let is_over = matches!(status.phase, Phase::Reverting | Phase::Reverted);
    status.failed.iter().find(|failed| is_over || canary.is_some_and(|canary| canary.revision == failed.revision))
}

/// Which check, and the numbers that it goes by.
fn numbers(check: &CheckStatus) -> String {
    let part = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let sample = check.sample.map(|sample| format!("{sample} requests"));
    let parts = [part("value", &check.value), part("limit", &check.limit), part("stable", &check.stable), sample];
    let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let parts = if parts.is_empty() { parts } else { format!(" ({parts})") };
    format!("check {} says {:?}: {}{parts}", check.name, check.verdict, check.message)
}

/// The last thing that it did. A command that was ignored is told of by itself.
fn last_step(status: &RolloutStatus, now: Timestamp) -> Option<String> {
    let step = status.history.iter().find(|step| step.reason != reason::COMMAND_IGNORED)?;
    // Of an end, the message says the same.
    (!status.message.contains(&step.message))
        .then(|| format!("the last step was {} at {}: {}", step.reason, moments::told(step.at, now), step.message))
}

/// What the reason that it is held for asks of somebody, without the links of a page.
fn remedy(status: &RolloutStatus) -> Option<String> {
    let holding = |wanted: &str| status.conditions.iter().find(|one| one.type_ == wanted && one.status == "True");
    let condition = holding(kind::STALLED).or_else(|| holding(kind::WARNING))?;
    let known = reason::ALL.iter().find(|known| known.word == condition.reason)?;
    Some(without_links(known.remedy)).filter(|remedy| remedy != "Nothing.")
}

/// A page that is named in passing goes; one that the sentence speaks of keeps its name.
fn without_links(markdown: &str) -> String {
    let mut parts = markdown.split('[');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, (_, rest))) =
            part.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(')')?)))
        else {
            text += part;
            continue;
        };
        if text.ends_with(" (") {
            text.truncate(text.len() - " (".len());
            text += rest.strip_prefix(')').unwrap_or(rest);
        } else {
            text = text + name + rest;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remedy_shows_a_link_at_a_terminal() {
        for known in reason::ALL {
            let text = without_links(known.remedy);
            assert!(!text.contains("](") && !text.contains(" ."), "{}: {text}", known.word);
        }
        assert_eq!(without_links("Do it ([a.md](../a.md)), [b.md](../b.md) says."), "Do it, b.md says.");
    }
}
