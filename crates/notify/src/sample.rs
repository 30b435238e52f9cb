//! A notice as it might be, for previews and checks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_api::{Transition, condition::reason};
use tidegate_picture::Course;

use super::{
    notice::{Incident, Notice, Subject},
    severity::{Bearing, Severity, Topic},
};

/// The third of March 2026, at two o'clock in the morning.
const AT: i64 = 1_772_503_335;
const REVISION: &str = "7f9c6b54d";

/// The Rollout checkout in the namespace shop.
#[must_use]
pub fn subject() -> Subject {
    Subject {
        namespace: "shop".to_owned(),
        rollout: "checkout".to_owned(),
        uid: "6e1f0c5a-7b1d-4c53-9a4e-0f8f3c1b2d4e".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
        images: BTreeMap::new(),
        course: None,
    }
}

/// A transition of it.
#[must_use]
pub fn transition(word: &str) -> Transition {
    let message = match word {
        reason::PROMOTED => "stage full passed after 12m; version 7f9c6b54d (checkout:v3) is now stable",
        reason::STARTED => "version 7f9c6b54d (checkout:v3) starts: bringing up its pods for stage canary",
        _ => {
            "version 7f9c6b54d (checkout:v3) failed at 5% of the traffic: errors: 6.1% of 114 requests failed, allowed \
             0.5%, stable at 0%; certain beyond 99.9%; all of it goes back to stable"
        }
    };
    let at = Timestamp::from_second(AT).unwrap_or_default();
    Transition {
        at,
        reason: word.to_owned(),
        message: message.to_owned(),
        revision: REVISION.to_owned(),
        ..Transition::default()
    }
}

/// The course of a release that was promoted, or reverted, with that reason.
#[must_use]
pub fn course(word: &str) -> Course {
    let started = Transition { weight: Some("0%".to_owned()), ..transition(reason::STARTED) };
    let values = BTreeMap::from([("errors".to_owned(), "6.1%".to_owned())]);
    let ended = Transition { weight: Some("5%".to_owned()), values, ..transition(word) };
    Course {
        rollout: "shop/checkout".to_owned(),
        version: "checkout:v3".to_owned(),
        steps: vec![started, ended],
        limits: BTreeMap::from([("errors".to_owned(), "0.5%".to_owned())]),
    }
}

/// A notice of it, as if an incident were open where the reason ends one.
#[must_use]
pub fn notice(word: &str) -> Notice {
    let (bearing, revision) = (Bearing::of(word), REVISION.to_owned());
    let incident = |topic, severity| Incident { revision, topic, severities: vec![severity] };
    let incidents = match bearing {
        Bearing::Informs => Vec::new(),
        Bearing::Warns(topic) => vec![incident(topic, Severity::Warn)],
        Bearing::Pages(topic) => vec![incident(topic, Severity::Page)],
        Bearing::Ends(topic) => vec![incident(topic.unwrap_or(Topic::Release), Severity::Page)],
    };
    let images = vec!["registry.example.com/shop/checkout:v3".to_owned()];
    Notice { images, incidents, ..Notice::new(&subject(), &transition(word), bearing.severity()) }
}
