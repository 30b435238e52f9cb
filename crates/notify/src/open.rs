//! Which incidents are open, and who was told of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    notice::{Incident, Notice},
    severity::{Bearing, Severity, Topic},
};

/// So many Rollouts may have open incidents; of more, those that come then are not known to be open, and nothing ends them.
const ROLLOUTS: usize = 1000;
/// So many incidents of one Rollout may be open: as many failed versions in a row.
const EACH: usize = 10;

/// So long an incident may be open.
const LASTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One incident that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Opened {
    /// When it was last told of.
    at: Timestamp,
    revision: String,
    topic: Topic,
    severities: BTreeSet<Severity>,
    receivers: BTreeSet<String>,
}

/// Those that are open, by the UID of their Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open(BTreeMap<String, Vec<Opened>>);

impl Open {
    /// Says in `notice` which incident it opens, or which it ends. One that ends none only informs. Answers with those who
    /// were told of what it ends.
    pub fn concern(&self, notice: &mut Notice) -> BTreeSet<String> {
        match Bearing::of(&notice.reason) {
            Bearing::Informs => {}
            Bearing::Warns(topic) | Bearing::Pages(topic) => {
                let severities = vec![notice.severity];
                notice.incidents = vec![Incident { revision: notice.revision.clone(), topic, severities }];
            }
            Bearing::Ends(topic) => {
                let open = self.0.get(&notice.uid).into_iter().flatten();
                // One that is read again after a restart does not end what came after it.
                let is_ended =
                    |opened: &&Opened| opened.at <= notice.at && topic.is_none_or(|topic| topic == opened.topic);
                let ended: Vec<_> = open.filter(is_ended).collect();
                notice.severity = if ended.is_empty() { Severity::Info } else { Severity::Resolve };
                notice.incidents = ended.iter().map(|opened| opened.told()).collect();
                return ended.iter().flat_map(|opened| opened.receivers.iter().cloned()).collect();
            }
        }
        BTreeSet::new()
    }

    /// `notice` goes to `receivers`: what it opens is open, and what it ends is not.
    pub fn follow(&mut self, notice: &Notice, receivers: &[&str]) {
        if notice.severity == Severity::Resolve {
            let Some(open) = self.0.get_mut(&notice.uid) else { return };
            let is_ended = |opened: &Opened| notice.incidents.iter().any(|ended| opened.is(ended));
            open.retain(|opened| !is_ended(opened));
            self.0.retain(|_, open| !open.is_empty());
            return;
        }
        if receivers.is_empty() || self.0.len() >= ROLLOUTS && !self.0.contains_key(&notice.uid) {
            return;
        }
        for incident in &notice.incidents {
            let open = self.0.entry(notice.uid.clone()).or_default();
            let place = open.iter().position(|opened| opened.is(incident)).unwrap_or_else(|| {
                if open.len() >= EACH {
                    open.remove(0);
                }
                open.push(Opened::new(notice.at, incident));
                open.len() - 1
            });
            if let Some(opened) = open.get_mut(place) {
                opened.at = opened.at.max(notice.at);
                opened.severities.extend(&incident.severities);
                opened.receivers.extend(receivers.iter().map(|name| (*name).to_owned()));
            }
        }
    }

    /// Forgets what nothing was told of for long: its Rollout may be gone.
    pub fn forget(&mut self, now: Timestamp) {
        let oldest = now.saturating_sub(LASTS).unwrap_or(Timestamp::MIN);
        for open in self.0.values_mut() {
            open.retain(|opened| opened.at >= oldest);
        }
        self.0.retain(|_, open| !open.is_empty());
    }

    /// How many Rollouts have open incidents.
    #[must_use]
    pub fn rollouts(&self) -> usize {
        self.0.len()
    }
}

impl Opened {
    fn new(at: Timestamp, incident: &Incident) -> Self {
        let (severities, receivers) = (BTreeSet::new(), BTreeSet::new());
        Self { at, revision: incident.revision.clone(), topic: incident.topic, severities, receivers }
    }

    fn is(&self, incident: &Incident) -> bool {
        self.revision == incident.revision && self.topic == incident.topic
    }

    fn told(&self) -> Incident {
        let severities = self.severities.iter().copied().collect();
        Incident { revision: self.revision.clone(), topic: self.topic, severities }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn told(open: &mut Open, reason: &str, revision: &str) -> (Notice, Vec<String>) {
        let mut notice = Notice { revision: revision.to_owned(), incidents: Vec::new(), ..sample::notice(reason) };
        let receivers = open.concern(&mut notice);
        open.follow(&notice, &["oncall"]);
        (notice, receivers.into_iter().collect())
    }

    fn ended(notice: &Notice) -> Vec<&str> {
        notice.incidents.iter().map(|incident| incident.revision.as_str()).collect()
    }

    #[test]
    fn a_promotion_ends_the_incidents_of_all_versions_that_failed_before_it() {
        let mut open = Open::default();
        told(&mut open, "Reverted", "v2");
        told(&mut open, "Reverted", "v3");
        let (promoted, receivers) = told(&mut open, "Promoted", "v4");
        assert_eq!((promoted.severity, ended(&promoted)), (Severity::Resolve, vec!["v2", "v3"]));
        assert_eq!(receivers, ["oncall"], "whoever was told of it is told that it is over");
        assert_eq!(open, Open::default());
    }

    #[test]
    fn a_promotion_that_ends_nothing_only_informs() {
        let (promoted, receivers) = told(&mut Open::default(), "Promoted", "v2");
        assert_eq!((promoted.severity, promoted.incidents.len(), receivers.len()), (Severity::Info, 0, 0));
    }

    #[test]
    fn a_stable_version_that_is_well_again_ends_nothing_of_the_new_one() {
        let mut open = Open::default();
        told(&mut open, "StableUnwell", "v2");
        told(&mut open, "CheckFailed", "v2");
        let (over, _) = told(&mut open, "StableUnwellOver", "v2");
        assert_eq!(over.incidents.iter().map(|incident| incident.topic).collect::<Vec<_>>(), [Topic::Stable]);
        let (promoted, _) = told(&mut open, "Promoted", "v3");
        assert_eq!(promoted.incidents.iter().map(|incident| incident.topic).collect::<Vec<_>>(), [Topic::Release]);
    }

    #[test]
    fn a_warning_that_becomes_a_failure_is_one_incident() {
        let mut open = Open::default();
        told(&mut open, "CheckWarns", "v2");
        told(&mut open, "Reverted", "v2");
        let (back, _) = told(&mut open, "BackToStable", "v1");
        assert_eq!(ended(&back), ["v2"]);
        assert_eq!(back.incidents[0].severities, [Severity::Warn, Severity::Page]);
    }

    #[test]
    fn a_promotion_that_is_read_again_does_not_end_what_came_after_it() {
        let mut open = Open::default();
        told(&mut open, "Reverted", "v3");
        let before = sample::notice("Promoted");
        let mut before = Notice { at: before.at.saturating_sub(jiff::SignedDuration::from_secs(9)).unwrap(), ..before };
        assert!(open.concern(&mut before).is_empty());
        assert_eq!(before.severity, Severity::Info);
    }

    #[test]
    fn what_nobody_was_told_of_is_not_open() {
        let mut open = Open::default();
        let mut notice = sample::notice("Reverted");
        open.concern(&mut notice);
        open.follow(&notice, &[]);
        assert_eq!(open.rollouts(), 0);
    }

    #[test]
    fn an_incident_that_nobody_ends_is_forgotten_in_the_end() {
        let mut open = Open::default();
        let (notice, _) = told(&mut open, "Reverted", "v2");
        open.forget(notice.at.saturating_add(LASTS).unwrap());
        assert_eq!(open.rollouts(), 1);
        open.forget(notice.at.saturating_add(LASTS + SignedDuration::from_secs(1)).unwrap());
        assert_eq!(open.rollouts(), 0);
    }

    #[test]
    fn no_more_incidents_are_kept_than_fit() {
        let mut open = Open::default();
        for revision in 0..50 {
            told(&mut open, "Reverted", &revision.to_string());
        }
        let (promoted, _) = told(&mut open, "Promoted", "v9");
        assert_eq!((promoted.incidents.len(), promoted.incidents[0].revision.as_str()), (EACH, "40"));
    }
}
