//! What people are told: one transition of one Rollout.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tidegate_api::{Rollout, Transition, one_line};
use tidegate_picture::{Course, is_end};

use super::{
    fitted::cut,
    severity::{Severity, Topic},
};

/// Sentences of the operator are shorter. What a cluster or a webhook said in them may be long.
const LONGEST: usize = 2000;
/// As many images of a version are told.
const IMAGES: usize = 5;

/// Whose transition it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The Rollout's namespace.
    pub namespace: String,
    /// The Rollout's name.
    pub rollout: String,
    /// The Rollout's UID.
    pub uid: String,
    /// The Rollout's labels.
    pub labels: BTreeMap<String, String>,
    /// The images of the versions that the status knows, by revision.
    pub(crate) images: BTreeMap<String, Vec<String>>,
    /// The course of a release that is just over.
    pub(crate) course: Option<Course>,
}

impl Subject {
    /// What is known of `rollout`.
    #[must_use]
    pub fn of(rollout: &Rollout) -> Self {
        let metadata = &rollout.metadata;
        let status = rollout.status.iter();
        let known = status.flat_map(|status| status.stable.iter().chain(&status.canary));
        let images = |images: &[String]| images.iter().take(IMAGES).map(|image| one_line(image)).collect();
        let newest = rollout.status.iter().flat_map(|status| &status.history).next();
        let is_over = newest.is_some_and(|step| is_end(&step.reason));
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            rollout: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            images: known.map(|version| (version.revision.clone(), images(&version.images))).collect(),
            course: is_over.then(|| Course::of(rollout)).flatten(),
        }
    }

    /// The course of the release that `transition` ended; nothing of one that was over before.
    pub(crate) fn course_to(&self, transition: &Transition) -> Option<&Course> {
        let ends = |course: &&Course| {
            course.steps.last().is_some_and(|last| (last.at, &last.reason) == (transition.at, &transition.reason))
        };
        self.course.as_ref().filter(|_| is_end(&transition.reason)).filter(ends)
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The same whenever the same transition is looked at: 16 hexadecimal digits.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The Rollout's namespace.
    pub namespace: String,
    /// The Rollout's name.
    pub rollout: String,
    /// The Rollout's UID.
    pub uid: String,
    /// The Rollout's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The revision that it is about; empty where it is about none.
    #[serde(default)]
    pub revision: String,
    /// The images of that revision, as far as they are known; at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What, in one word: a reason of `docs/reference/reasons.md`.
    pub reason: String,
    /// How much it matters.
    pub severity: Severity,
    /// What and why, in one sentence: on one line, without control characters.
    pub message: String,
    /// The incident that it opens or goes on with, or those that it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// At the end of a release, its course, for whoever can be sent a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
}

/// Something that somebody was warned of or paged for, until a notice of [`Severity::Resolve`] names it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// The revision that it is about.
    pub revision: String,
    /// What it is about.
    #[serde(default)]
    pub topic: Topic,
    /// What was told of it so far, by severity: `Warn`, `Page` or both.
    pub severities: Vec<Severity>,
}

impl Notice {
    /// `transition` of `subject`. Which incidents it has to do with, and so whether it ends any, is not known here.
    #[must_use]
    pub fn new(subject: &Subject, transition: &Transition, severity: Severity) -> Self {
        let Subject { namespace, rollout, uid, labels, images, .. } = subject.clone();
        let Transition { at, reason, message, revision, .. } = transition;
        let told = format!("{uid}|{}|{reason}|{revision}|{message}", at.as_nanosecond());
        Self {
            id: hexadecimal(told.as_bytes(), 8),
            at: *at,
            namespace,
            rollout,
            uid,
            labels,
            images: images.get(revision).cloned().unwrap_or_default(),
            revision: revision.clone(),
            reason: one_line(reason),
            severity,
            message: cut(&one_line(message), LONGEST),
            incidents: Vec::new(),
            course: None,
        }
    }

    /// The picture of the release that is over, as SVG.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        Some(self.course.as_ref()?.picture(self.at).svg())
    }

    /// What is told first, unless a template says otherwise.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { namespace, rollout, reason, .. } = self;
        let marked = match self.severity {
            Severity::Info => "",
            Severity::Warn => "Warning: ",
            Severity::Page => "Failure: ",
            Severity::Resolve => "Recovered: ",
        };
        format!("{marked}{namespace}/{rollout}: {reason}")
    }

    /// What is told last: the version, and when.
    #[must_use]
    pub fn footer(&self) -> String {
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        match (self.revision.as_str(), self.images.join(", ")) {
            ("", _) => at.to_string(),
            (revision, images) if images.is_empty() => format!("version {revision}, {at}"),
            (revision, images) => format!("version {revision} ({images}), {at}"),
        }
    }

    /// What receivers know `incident` by, in at most `limit` bytes: the same as long as it lasts, and no other's.
    #[must_use]
    pub fn key(&self, incident: &Incident, limit: usize) -> String {
        let Self { namespace, rollout, uid, .. } = self;
        let topic = if incident.topic == Topic::Stable { "/stable" } else { "" };
        let key = format!("tidegate/{namespace}/{rollout}/{uid}/{}{topic}", incident.revision);
        if key.len() <= limit { key } else { format!("tidegate/{}", hexadecimal(key.as_bytes(), 32)) }
    }
}

/// The first `bytes` of the SHA-256 of `text`.
fn hexadecimal(text: &[u8], bytes: usize) -> String {
    let digest = digest(&SHA256, text);
    let digits = digest.as_ref().iter().take(bytes).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_same_transition_has_the_same_id_and_another_one_another() {
        let (subject, transition) = (sample::subject(), sample::transition("Reverted"));
        let id = |transition: &Transition| Notice::new(&subject, transition, Severity::Page).id;
        assert_eq!(id(&transition), id(&transition.clone()));
        assert_eq!(id(&transition).len(), 16);
        let other = Transition { message: "another check".to_owned(), ..transition.clone() };
        assert_ne!(id(&transition), id(&other), "two of one reason in one instant are two");
    }

    #[test]
    fn what_stands_in_a_message_cannot_hide_anything() {
        let transition = Transition { message: "a\u{202e}b\nc".to_owned(), ..sample::transition("Reverted") };
        assert_eq!(Notice::new(&sample::subject(), &transition, Severity::Page).message, "ab c");
    }

    #[test]
    fn an_incident_has_one_key_however_long_the_names_are() {
        let mut notice = sample::notice("Reverted");
        let incident = notice.incidents[0].clone();
        assert_eq!(notice.key(&incident, 255), "tidegate/shop/checkout/6e1f0c5a-7b1d-4c53-9a4e-0f8f3c1b2d4e/7f9c6b54d");
        let stable = Incident { topic: Topic::Stable, ..incident.clone() };
        assert!(notice.key(&stable, 255).ends_with("7f9c6b54d/stable"));
        notice.rollout = "r".repeat(253);
        let key = notice.key(&incident, 255);
        assert_eq!(key.len(), "tidegate/".len() + 64);
        assert_ne!(key, notice.key(&stable, 255));
    }

    #[test]
    fn the_version_is_told_with_its_images() {
        let mut notice = sample::notice("Reverted");
        assert_eq!(notice.footer(), "version 7f9c6b54d (registry.example.com/shop/checkout:v3), 2026-03-03T02:02:15Z");
        notice.images.clear();
        assert_eq!(notice.footer(), "version 7f9c6b54d, 2026-03-03T02:02:15Z");
        notice.revision.clear();
        assert_eq!(notice.footer(), "2026-03-03T02:02:15Z");
    }
}
