//! A line for each change, for logs and pipes.

use anyhow::bail;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use tidegate_api::RolloutStatus;

use super::{Change, seen::Seen};
use crate::cli::{plain::plain, print};

/// Prints what changes until the Rollout is gone.
pub async fn follow(name: &str, changes: impl Stream<Item = Change>) -> anyhow::Result<()> {
    let mut changes = std::pin::pin!(changes);
    let mut said = String::new();
    while let Some(change) = changes.next().await {
        let told = match &change {
            Change::Seen(seen) => line(seen),
            Change::Gone => bail!("Rollout {name} is gone"),
            Change::Unreachable(why) => format!("the cluster does not answer: {}", plain(why)),
        };
        if told != said {
            print(&format!("{:.0}  {told}\n", Timestamp::now()))?;
            said = told;
        }
    }
    Ok(())
}

/// The phase, the stage with the weight that is in force, and the sentence.
fn line(seen: &Seen) -> String {
    let (phase, stage, message) = match seen {
        Seen::Known(rollout) => {
            let status = rollout.status.clone().unwrap_or_default();
            (format!("{:?}", status.phase), stage(&status), status.message)
        }
        Seen::Newer { phase, message, .. } => (phase.clone(), None, message.clone()),
    };
    let told: Vec<_> =
        [Some(phase), stage, Some(message)].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    plain(&told.join("  ")).into_owned()
}

fn stage(status: &RolloutStatus) -> Option<String> {
    status.stage.as_ref().map(|stage| format!("{} {}", stage.name, stage.weight_in_force))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::status::tests::{rollout, two_stages, underway};

    #[test]
    fn a_line_has_the_phase_the_stage_and_the_sentence() {
        let seen = Seen::Known(Box::new(rollout(two_stages(), underway(json!({})))));
        assert_eq!(
            line(&seen),
            "Progressing  half 50%  stage half at 50%: good so far, bakes until 2026-03-02T09:10:00Z"
        );
        let seen = Seen::Newer { phase: "Dancing".into(), message: "a\u{1b}[2J".into(), why: String::new() };
        assert_eq!(line(&seen), "Dancing  a\\u{1b}[2J");
    }
}
