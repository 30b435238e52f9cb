//! How often the checks are asked while a stage lasts: often at first, rarely when it has gone well for long.

use std::time::Duration;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{stage::Stage, units::Span};

/// From a time in the stage on, how often its checks are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CadenceStep {
    /// From when on, counted from when the stage's weight came into force. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,

    /// How far apart looks at the checks are. What is counted in between counts as if it had been looked at.
    #[x_kube(
        validation = ("duration(self) >= duration('1s')", "every must be at least 1s"),
        validation = ("duration(self) <= duration('1h')", "every must be at most 1h: a failure is seen as late as that")
    )]
    pub every: Span,
}

impl CadenceStep {
    /// The CEL rule of a list of them: each begins later than the one before.
    pub(super) const RISES: &str = "self.map(s, has(s.after) ? duration(s.after) : duration('0s')).isSorted() && self.all(s, self.exists_one(t, (has(t.after) ? duration(t.after) : duration('0s')) == (has(s.after) ? duration(s.after) : duration('0s'))))";

    /// [`Self::after`], or its default.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after.unwrap_or_default().duration()
    }
}

impl Stage {
    /// How long after its weight came into force the first look is that is later than `elapsed`: by its cadence, and where
    /// its bake or its deadline ends. Nothing where it has no cadence, or that has not begun: then the checks are asked as
    /// often as there is something new.
    #[must_use]
    pub fn next_look(&self, elapsed: Duration) -> Option<Duration> {
        let steps = self.cadence.as_deref()?;
        let begun = steps.iter().rposition(|step| step.after() <= elapsed)?;
        let step = steps.get(begun)?;
        let every = step.every.duration().max(Duration::from_secs(1));
        let looks = elapsed.saturating_sub(step.after()).as_nanos() / every.as_nanos() + 1;
        let tick = step.after().saturating_add(every.saturating_mul(looks.try_into().unwrap_or(u32::MAX)));
        let ends = [Some(self.bake()), self.deadline].into_iter().flatten().map(Span::duration);
        let turn = steps.get(begun + 1).map(CadenceStep::after);
        ends.filter(|end| *end > elapsed).chain(turn).chain([tick]).min()
    }

    /// How long after its weight came into force something is seen that can be seen since `elapsed`.
    #[must_use]
    pub fn seen_at(&self, elapsed: Duration) -> Duration {
        self.next_look(elapsed.saturating_sub(Duration::from_nanos(1))).unwrap_or(elapsed)
    }

    /// How far apart looks are where its cadence has them rarest; zero without one.
    #[must_use]
    pub fn rarest_looks(&self) -> Duration {
        self.cadence.iter().flatten().map(|step| step.every.duration()).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The minutes at which a stage is looked at, up to an hour after `elapsed` minutes.
    fn looks(stage: Value, elapsed: u64) -> Vec<u64> {
        let mut stage = stage;
        (stage["name"], stage["weight"]) = (json!("full"), json!("100%"));
        let stage: Stage = serde_json::from_value(stage).unwrap();
        let (mut looks, mut now) = (Vec::new(), Duration::from_mins(elapsed));
        while let Some(next) = stage.next_look(now).filter(|next| *next <= Duration::from_mins(elapsed + 60)) {
            assert!(next > now, "{next:?} after {now:?}");
            looks.push(next.as_secs() / 60);
            now = next;
        }
        looks
    }

    #[test]
    fn looks_become_rarer_with_the_time_in_the_stage() {
        let stage = json!({"bake": "24h", "cadence": [
            {"every": "10m"}, {"after": "1h", "every": "20m"}, {"after": "8h", "every": "1h"},
        ]});
        assert_eq!(looks(stage.clone(), 0), [10, 20, 30, 40, 50, 60]);
        assert_eq!(looks(stage.clone(), 60), [80, 100, 120]);
        assert_eq!(looks(stage.clone(), 61), [80, 100, 120]);
        assert_eq!(looks(stage, 9 * 60), [10 * 60]);
    }

    #[test]
    fn a_step_begins_with_a_look_however_far_the_one_before_would_have_gone() {
        let stage = json!({"bake": "24h", "cadence": [{"every": "40m"}, {"after": "50m", "every": "10m"}]});
        assert_eq!(looks(stage, 0), [40, 50, 60]);
    }

    #[test]
    fn the_ends_of_the_bake_and_of_the_deadline_are_looked_at_whenever_they_come() {
        let stage = json!({"bake": "7m", "deadline": "45m", "cadence": [{"every": "30m"}]});
        assert_eq!(looks(stage, 0), [7, 30, 45, 60]);
    }

    #[test]
    fn what_can_be_seen_is_seen_at_the_next_look() {
        let seen = |stage: Value, minute| {
            let stage: Stage = serde_json::from_value(stage).unwrap();
            stage.seen_at(Duration::from_mins(minute)).as_secs() / 60
        };
        let stage = json!({"name": "full", "weight": "100%", "bake": "2h", "cadence": [{"every": "15m"}]});
        assert_eq!([1, 15, 16, 119].map(|minute| seen(stage.clone(), minute)), [15, 15, 30, 120]);
        assert_eq!(seen(json!({"name": "full", "weight": "100%"}), 16), 16);
    }

    #[test]
    fn without_a_cadence_and_before_it_begins_nothing_is_said() {
        assert_eq!(looks(json!({}), 0), [0_u64; 0]);
        assert_eq!(looks(json!({"cadence": [{"after": "1h", "every": "5m"}]}), 30), [0_u64; 0]);
    }
}
