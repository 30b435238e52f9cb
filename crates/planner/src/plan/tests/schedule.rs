//! Windows and frozen days, on a toy cluster whose clock begins on Monday, the 2nd of March 2026, at nine, UTC.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase, Schedule, Verdict};

use super::{
    lab::Lab,
    specs::{routed, with},
};

const DAY: i64 = 24 * 3600;

fn scheduled(schedule: &Value) -> Value {
    with(&json!({"schedule": schedule}))
}

fn of_cluster(schedule: Value) -> Arc<Schedule> {
    Arc::new(serde_json::from_value(schedule).unwrap())
}

/// How long it took from here until it was so.
fn seconds_until(lab: &mut Lab, so: impl Fn(&Lab) -> bool) -> i64 {
    let from = lab.cluster.now;
    lab.until(so);
    lab.cluster.now.duration_since(from).as_secs()
}

#[test]
fn a_version_starts_when_its_window_opens_and_says_when_that_is() {
    let mut lab = Lab::adopted(&scheduled(&json!({"timeZone": "Europe/Berlin", "start": ["Mon-Fri 06:00-07:00"]})));
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!(lab.phase(), Phase::Stable);
    let message = lab.status().message;
    assert!(message.contains(" waits for the schedule: the next window opens on "), "{message}");
    assert!(message.contains(" 06:00 CE") && message.ends_with("(Europe/Berlin)"), "{message}");
    let waited = seconds_until(&mut lab, |lab| lab.phase() == Phase::Progressing);
    assert!(waited > 0 && waited <= 4 * DAY, "{waited}");
}

#[test]
fn a_stage_that_has_passed_is_left_when_a_window_opens() {
    let now = Lab::adopted(&routed()).cluster.now.to_zoned(jiff::tz::TimeZone::UTC);
    let opens = now.hour() + 3;
    let window = format!("{opens:02}:00-{:02}:00", opens + 1);
    let mut lab = Lab::in_stage(&scheduled(&json!({"timeZone": "UTC", "advance": [window]})), "canary");
    lab.pass(3600);
    assert_eq!(lab.stage(), "canary");
    let message = lab.status().message;
    assert!(message.starts_with("stage canary may be left and waits for the schedule: the next window"), "{message}");
    seconds_until(&mut lab, |lab| lab.stage() == "quarter");
    assert_eq!(lab.cluster.now.to_zoned(jiff::tz::TimeZone::UTC).hour(), opens);
}

#[test]
fn a_failure_reverts_at_once_whatever_the_schedule_says() {
    let mut lab = Lab::in_stage(&scheduled(&json!({"timeZone": "UTC", "freeze": []})), "canary");
    lab.cluster.edit(&json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]}}));
    lab.settle();
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
}

#[test]
fn the_schedule_of_the_cluster_can_be_tightened_and_not_loosened() {
    let mut lab = Lab::adopted(&scheduled(&json!({"timeZone": "UTC", "start": ["00:00-24:00"]})));
    lab.cluster.schedule = Some(of_cluster(json!({"timeZone": "UTC", "start": ["Sun 00:00-24:00"]})));
    lab.cluster.push("v2");
    lab.until(|lab| lab.phase() == Phase::Progressing);
    assert_eq!(lab.cluster.now.to_zoned(jiff::tz::TimeZone::UTC).weekday(), jiff::civil::Weekday::Sunday);
}

#[test]
fn two_schedules_without_a_common_hour_are_told() {
    let mut lab = Lab::adopted(&scheduled(&json!({"timeZone": "UTC", "start": ["Mon 00:00-24:00"]})));
    lab.cluster.schedule = Some(of_cluster(json!({"timeZone": "UTC", "start": ["Tue 00:00-24:00"]})));
    lab.cluster.push("v2");
    lab.settle();
    let message = lab.status().message;
    assert!(message.contains("no window opens within a year"), "{message}");
}

#[test]
fn a_time_zone_that_does_not_exist_holds_the_rollout_and_keeps_no_failure_from_reverting() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.edit(&json!({"schedule": {"timeZone": "Europe/Atlantis"}}));
    lab.settle();
    assert_eq!(lab.phase(), Phase::Held);
    assert!(lab.status().message.starts_with("spec.schedule: time zone \"Europe/Atlantis\" is not"));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn a_version_that_takes_the_place_of_one_that_is_down_waits_for_no_window() {
    let mut lab = Lab::in_stage(&scheduled(&json!({"timeZone": "UTC"})), "canary");
    lab.cluster.edit(&json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]}}));
    lab.cluster.broken.insert("v1".to_owned());
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10, "{}", lab.status().message);
}

#[test]
fn the_time_is_told_by_the_clock_of_the_schedule_that_opens_last() {
    for (own, cluster, told) in [
        (
            json!({"timeZone": "America/St_Johns"}),
            json!({"timeZone": "Europe/Berlin", "start": ["Sun 06:00-07:00"]}),
            "06:00 CE",
        ),
        (
            json!({"timeZone": "Europe/Berlin", "start": ["Sun 06:00-07:00"]}),
            json!({"timeZone": "America/St_Johns", "start": ["Sun 00:00-24:00"]}),
            "06:00 CE",
        ),
    ] {
        let mut lab = Lab::adopted(&scheduled(&own));
        lab.cluster.schedule = Some(of_cluster(cluster));
        lab.cluster.push("v2");
        lab.settle();
        let status = lab.status();
        assert!(status.message.starts_with("version "), "{}", status.message);
        assert!(
            status.message.contains("(v2) waits for the schedule: the next window opens on Sun "),
            "{}",
            status.message
        );
        assert!(status.message.contains(told) && status.message.ends_with("(Europe/Berlin)"), "{}", status.message);
    }
}
