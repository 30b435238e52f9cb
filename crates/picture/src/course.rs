//! The course of one release, as the history of a Rollout tells it.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use tidegate_api::{Check, Latency, Percent, Rollout, Transition, condition::reason};

use super::{
    Curve, Mark, Panel, Picture, Tone, Unit, Version,
    mark::{self, LONGEST},
    measure::number,
    text::{after, cut},
};

/// So many checks are drawn; the others stand in the status.
const CHECKS: usize = 4;

/// The course of the newest release of a Rollout, from its start, or from where the history begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// Which Rollout: `shop/checkout`.
    pub rollout: String,
    /// The version: its image, or its revision where that is not known any more.
    pub version: String,
    /// What was done, the oldest first. Sentences are as long as they are drawn.
    pub steps: Vec<Transition>,
    /// The limits of `spec.analysis`, written as the values are, by the name of the check.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

impl Course {
    /// Of `rollout`; nothing where its history tells of no release.
    #[must_use]
    pub fn of(rollout: &Rollout) -> Option<Self> {
        let status = rollout.status.as_ref()?;
        let shown = |step: &&Transition| !matches!(step.reason.as_str(), reason::COMMAND_IGNORED | reason::ADOPTED);
        let newest = status.history.iter().find(shown)?.revision.clone();
        let of_it = status.history.iter().take_while(|step| step.revision == newest || !shown(step)).filter(shown);
        let mut steps: Vec<Transition> = of_it.cloned().collect();
        steps.reverse();
        if let Some(start) = steps.iter().rposition(|step| step.reason == reason::STARTED) {
            steps.drain(..start);
        }
        for step in &mut steps {
            step.message = cut(&step.message, LONGEST);
        }
        let known = status.canary.iter().chain(&status.stable).find(|version| version.revision == newest);
        // One that failed is known no more; the Deployment still asks for it.
        let failed = status.failed.first().filter(|failed| failed.revision == newest && status.canary.is_none());
        let asked = failed.and(status.workload.as_ref()).map(|workload| &workload.images);
        let image = known.map(|version| &version.images).or(asked).and_then(|images| images.first());
        let image = image.map(|image| image.rsplit('/').next().unwrap_or(image).to_owned());
        let limits = rollout.spec.analysis.iter().flat_map(|analysis| &analysis.checks);
        let limits = limits.filter_map(|check| Some((check.name.clone(), limit(check)?)));
        let metadata = &rollout.metadata;
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        Some(Self {
            rollout: format!("{}/{}", part(&metadata.namespace), part(&metadata.name)),
            version: image.unwrap_or(newest),
            steps,
            limits: limits.collect(),
        })
    }

    /// As a picture that ends at `end`, or with the release where it was over before.
    #[must_use]
    pub fn picture(&self, end: Timestamp) -> Picture {
        let start = self.steps.first().map_or(end, |step| step.at);
        let over = self.steps.iter().find(|step| is_end(&step.reason)).map(|step| (step.at, step.reason.as_str()));
        let end = over.map_or(end, |(at, _)| at.max(self.steps.last().map_or(at, |last| last.at))).max(start);
        let title = match over {
            Some((at, reason)) => {
                let took = after(start, at);
                format!("{}: {} after {}", self.version, word(reason), took.trim_start_matches('+'))
            }
            None => format!("{}: under way", self.version),
        };
        let from = start.to_zoned(TimeZone::UTC).strftime("%a %Y-%m-%d %H:%M UTC");
        let about = format!("{} · from {from} · checks as they were when each step was taken", self.rollout);
        let panels = [self.weight()].into_iter().chain(self.checks()).collect();
        Picture { title, about, start, end, panels, marks: self.marks() }
    }

    fn weight(&self) -> Panel {
        let weight = |step: &Transition| match step.reason.as_str() {
            reason::PROMOTED | reason::CAME_BACK => Some(100.0),
            reason::REVERTED | reason::WATCH_FAILED => Some(0.0),
            _ => step.weight.as_deref().and_then(number),
        };
        let weights: Vec<_> = self.steps.iter().filter_map(|step| Some((step.at, weight(step)?))).collect();
        Panel::weight("Weight of the new version", &weights)
    }

    fn checks(&self) -> impl Iterator<Item = Panel> {
        let mut names: Vec<&String> = self.steps.iter().flat_map(|step| step.values.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().take(CHECKS).map(|name| {
            let limit = self.limits.get(name);
            let told = self.steps.iter().find_map(|step| step.values.get(name)).or(limit);
            let unit = unit(told.map_or("", String::as_str));
            let read =
                |text: &String| number(text).map(|value| if unit == Unit::Share { value / 100.0 } else { value });
            let limit = limit.filter(|limit| self::unit(limit) == unit);
            let points = self.steps.iter().filter_map(|step| Some((step.at, read(step.values.get(name)?))));
            let curve = Curve { version: Version::New, points: points.collect() };
            Panel::points(name.clone(), vec![curve], limit.and_then(read), unit)
        })
    }

    fn marks(&self) -> Vec<Mark> {
        let shown = self.steps.iter().filter(|step| step.reason != reason::STAGE_PASSED);
        let mark = |step: &Transition| Mark {
            at: step.at,
            what: step.reason.clone(),
            message: step.message.clone(),
            tone: Tone::of(&step.reason),
        };
        shown.take(mark::MOST).map(mark).collect()
    }
}

/// Whether a release is over with a step of this reason.
#[must_use]
pub fn is_end(word: &str) -> bool {
    matches!(word, reason::PROMOTED | reason::CAME_BACK | reason::REVERTED | reason::WATCH_FAILED)
}

fn word(reason: &str) -> &'static str {
    match reason {
        reason::PROMOTED => "promoted",
        reason::CAME_BACK => "came back",
        _ => "reverted",
    }
}

/// The limit that is as good for all stages, as the value of the check is written: of a latency, how many requests may be slower.
fn limit(check: &Check) -> Option<String> {
    let errors = check.error_rate.as_ref().and_then(|errors| errors.max).map(|max| max.to_string());
    let slower = |latency: &Latency| Percent::new(((1.0 - latency.quantile.value()) * 1e10).round() / 1e8).to_string();
    let latency = || check.latency.as_ref().filter(|latency| latency.max.is_some()).map(slower);
    let query = || check.query.as_ref().and_then(|query| query.max.or(query.min)).map(|limit| limit.to_string());
    errors.or_else(latency).or_else(query)
}

/// What a value is, by how it is written.
fn unit(text: &str) -> Unit {
    let plain = text.strip_prefix('-').unwrap_or(text);
    if plain.ends_with('%') {
        Unit::Share
    } else if plain.ends_with(|letter: char| letter.is_ascii_alphabetic()) {
        Unit::Time
    } else {
        Unit::Number
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tidegate_api::{FailedRevision, WorkloadStatus};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_772_442_000 + 60 * minute).unwrap()
    }

    fn step(minute: i64, reason: &str, revision: &str, more: &Value) -> Value {
        let mut step =
            json!({"at": at(minute), "reason": reason, "message": format!("the {reason}"), "revision": revision});
        for (name, value) in more.as_object().into_iter().flatten() {
            step[name] = value.clone();
        }
        step
    }

    /// The newest step comes first.
    fn rollout(history: &[Value]) -> Rollout {
        let version = |revision, image| json!({"revision": revision, "replicaSet": revision, "images": [image]});
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "checkout", "namespace": "shop"},
            "spec": {
                "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
                "analysis": {"checks": [
                    {"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}},
                    {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
                ]},
            },
            "status": {
                "phase": "Reverted", "message": "", "history": history, "replicas": 1, "selector": "",
                "stable": version("7f9c", "registry.example.com/shop/checkout:v1"),
                "canary": version("6b5d", "registry.example.com/shop/checkout:v2"),
            },
        }))
        .unwrap()
    }

    fn reverted() -> Vec<Value> {
        let bad = json!({"weight": "25%", "values": {"errors": "6.1%", "p95": "6.25%"}});
        let good = json!({"weight": "5%", "values": {"errors": "0.1%", "p95": "0.5%"}});
        vec![
            step(20, "Reverted", "6b5d", &bad),
            step(14, "StageEntered", "6b5d", &json!({"weight": "25%"})),
            step(13, "StagePassed", "6b5d", &good),
            step(2, "StageEntered", "6b5d", &json!({"weight": "5%"})),
            step(0, "RolloutStarted", "6b5d", &json!({"weight": "0%"})),
            step(-90, "Promoted", "7f9c", &json!({"weight": "100%"})),
        ]
    }

    #[test]
    fn the_newest_release_is_drawn_with_its_weight_and_what_its_checks_measured() {
        let course = Course::of(&rollout(&reverted())).unwrap();
        assert_eq!(course.steps.len(), 5, "the release before is another");
        let picture = course.picture(at(60));
        assert_eq!(picture.title, "checkout:v2: reverted after 20m");
        assert_eq!((picture.start, picture.end), (at(0), at(20)));
        let marks: Vec<_> = picture.marks.iter().map(|mark| mark.what.as_str()).collect();
        assert_eq!(marks, ["RolloutStarted", "StageEntered", "StageEntered", "Reverted"]);
        let weight =
            [(0, 0.0), (2, 5.0), (13, 5.0), (14, 25.0), (20, 0.0)].map(|(minute, weight)| (at(minute), weight));
        let curve = |values: [(i64, f64); 2]| {
            let points = values.map(|(minute, value)| (at(minute), Some(value))).to_vec();
            vec![Curve { version: Version::New, points }]
        };
        let expected = [
            Panel::weight("Weight of the new version", &weight),
            Panel::points("errors".to_owned(), curve([(13, 0.1 / 100.0), (20, 6.1 / 100.0)]), Some(0.005), Unit::Share),
            Panel::points("p95".to_owned(), curve([(13, 0.5 / 100.0), (20, 6.25 / 100.0)]), Some(0.05), Unit::Share),
        ];
        assert_eq!(picture.panels, expected);
    }

    #[test]
    fn a_version_that_failed_is_called_by_the_image_that_the_deployment_asks_for() {
        let mut rollout = rollout(&reverted());
        let status = rollout.status.as_mut().unwrap();
        status.canary = None;
        assert_eq!(Course::of(&rollout).unwrap().version, "6b5d");
        let status = rollout.status.as_mut().unwrap();
        status.workload =
            Some(WorkloadStatus { images: vec!["shop/checkout:v2".to_owned()], ..WorkloadStatus::default() });
        let (revision, replica_set, message) = ("6b5d".to_owned(), String::new(), String::new());
        status.failed = vec![FailedRevision { revision, replica_set, at: at(20), message }];
        assert_eq!(Course::of(&rollout).unwrap().version, "checkout:v2");
    }

    #[test]
    fn one_that_is_under_way_is_drawn_up_to_now() {
        let history = reverted().split_off(1);
        let picture = Course::of(&rollout(&history)).unwrap().picture(at(60));
        assert_eq!((picture.title.as_str(), picture.end), ("checkout:v2: under way", at(60)));
    }

    #[test]
    fn a_history_that_has_forgotten_the_start_is_drawn_from_where_it_begins() {
        let mut history = reverted();
        history.truncate(2);
        let picture = Course::of(&rollout(&history)).unwrap().picture(at(60));
        assert_eq!((picture.start, picture.end), (at(14), at(20)));
    }

    #[test]
    fn a_version_that_was_tried_again_is_drawn_from_its_last_start() {
        let again = [step(40, "RolloutStarted", "6b5d", &json!({})), step(39, "Retried", "6b5d", &json!({}))];
        let history = [again.to_vec(), reverted()].concat();
        let picture = Course::of(&rollout(&history)).unwrap().picture(at(60));
        assert_eq!((picture.title.as_str(), picture.start), ("checkout:v2: under way", at(40)));
    }

    #[test]
    fn nothing_was_released_where_the_history_tells_of_nothing() {
        assert_eq!(Course::of(&rollout(&[])), None);
        assert_eq!(Course::of(&rollout(&[step(0, "Adopted", "7f9c", &json!({}))])), None);
    }

    #[test]
    fn whatever_stands_in_a_status_the_picture_is_one_file_without_scripts_or_links() {
        let odd = json!({"message": "<script>\u{202e}&\"", "values": {"<b>": "\u{7}5 apples", "errors": "NaN%"}});
        let course = Course::of(&rollout(&[step(0, "<i>", "6b5d", &odd)])).unwrap();
        let svg = course.picture(at(1)).svg();
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        for foreign in ["<script", "<i>", "<b>", "href", "url(", "\u{202e}", "\u{7}", "NaN", "inf"] {
            assert!(!svg.contains(foreign), "{foreign}: {svg}");
        }
    }
}
