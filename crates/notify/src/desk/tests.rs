use std::time::Duration;

use jiff::SignedDuration;
use tidegate_picture::Course;

use super::*;
use crate::{sample, severity::Severity};

const CONFIG: &str = "
receivers:
- {name: chat, slack: {urlFile: /s}, ratePerMinute: 6000}
- {name: oncall, pagerDuty: {routingKeyFile: /k}, ratePerMinute: 6000}
routes:
- {receivers: [oncall], severity: [Page], continue: true}
- {receivers: [chat], severity: [Info, Page]}
";
const CHAT: usize = 0;
const ONCALL: usize = 1;

fn begin() -> Timestamp {
    sample::notice("Reverted").at
}

fn nobody() -> Tally {
    Arc::new(|_, _, _| {})
}

/// A desk that was begun at the beginning, by a clock that goes with tokio's.
fn desk(config: &str, record: Record, clock: Clock) -> Desk {
    Desk::new(Arc::new(Notifications::parse(config, "n.yaml").unwrap()), record, clock, nobody())
}

fn transition(reason: &str, seconds: i64) -> Transition {
    let at = begin().saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    Transition { at, ..sample::transition(reason) }
}

fn takes(desk: &Desk, reason: &str, seconds: i64, origin: Origin) {
    desk.take(&sample::subject(), &transition(reason, seconds), &Labels::new(), origin);
}

/// Delivers all that waits at once; what it was.
fn delivered(desk: &Desk, place: usize) -> Vec<(String, Severity)> {
    let mut told = Vec::new();
    while let Next::Send(notice) = desk.next(place) {
        told.push((notice.reason.clone(), notice.severity));
        desk.tried(place, &notice, &Outcome::Delivered);
    }
    told
}

fn reasons(desk: &Desk, place: usize) -> Vec<String> {
    delivered(desk, place).into_iter().map(|(reason, _)| reason).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_was_paged_is_told_of_the_recovery_whatever_the_routes_say() {
    let desk = desk(CONFIG, Record::default(), Clock::starting_at(begin()));
    for (seconds, reason) in [(1, "RolloutStarted"), (2, "Reverted"), (3, "Promoted"), (4, "Promoted")] {
        takes(&desk, reason, seconds, Origin::Decision);
    }
    let page = ("Reverted".to_owned(), Severity::Page);
    let resolved = ("Promoted".to_owned(), Severity::Resolve);
    assert_eq!(delivered(&desk, ONCALL), [page.clone(), resolved.clone()]);
    let info = |reason: &str| (reason.to_owned(), Severity::Info);
    let chat = delivered(&desk, CHAT);
    assert_eq!(chat.len(), 4);
    for told in [info("RolloutStarted"), page, resolved, info("Promoted")] {
        assert!(chat.contains(&told), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_transition_is_told_once_however_often_it_is_seen() {
    let desk = desk(CONFIG, Record::default(), Clock::starting_at(begin()));
    for origin in [Origin::Decision, Origin::History, Origin::Decision] {
        takes(&desk, "Reverted", 1, origin);
    }
    assert_eq!(reasons(&desk, CHAT), ["Reverted"]);
    takes(&desk, "Reverted", 1, Origin::History);
    assert!(reasons(&desk, CHAT).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_start_tells_nothing_of_what_was() {
    let desk = desk(CONFIG, Record::default(), Clock::starting_at(begin()));
    takes(&desk, "Reverted", -60, Origin::History);
    assert!(desk.standings().iter().all(|standing| standing.waiting == 0));
    assert!(desk.record().is_some(), "from when on is kept at once");
    assert!(desk.record().is_none(), "and nothing is written at rest");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_told_twice_and_nothing_is_left_out() {
    let clock = Clock::starting_at(begin());
    let before = desk(CONFIG, Record::default(), clock);
    takes(&before, "RolloutStarted", 1, Origin::Decision);
    assert_eq!(reasons(&before, CHAT), ["RolloutStarted"]);
    takes(&before, "Reverted", 2, Origin::Decision);
    assert_eq!(reasons(&before, ONCALL), ["Reverted"]);
    let text = before.record().unwrap().text();
    // What was decided after the last record was written stands in the history alone.
    let history = [("RolloutStarted", 1), ("Reverted", 2), ("BackToStable", 3)];

    tokio::time::advance(Duration::from_secs(30)).await;
    let next = desk(CONFIG, Record::read(&text).unwrap(), clock);
    for (reason, seconds) in history {
        takes(&next, reason, seconds, Origin::History);
    }
    assert_eq!(delivered(&next, ONCALL), [("BackToStable".to_owned(), Severity::Resolve)]);
    assert_eq!(reasons(&next, CHAT), ["Reverted", "BackToStable"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_survives_a_restart_although_its_rollout_is_gone() {
    let clock = Clock::starting_at(begin());
    let before = desk(CONFIG, Record::default(), clock);
    takes(&before, "Reverted", 1, Origin::Decision);
    let record = before.record().unwrap();
    tokio::time::advance(Duration::from_hours(3)).await;
    let next = desk(CONFIG, record, clock);
    assert_eq!(reasons(&next, ONCALL), ["Reverted"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_new_is_told_nothing_of_what_was() {
    let clock = Clock::starting_at(begin());
    let before = desk(CONFIG, Record::default(), clock);
    let mut record = before.record().unwrap();
    record.receivers.remove("chat");
    tokio::time::advance(Duration::from_mins(10)).await;
    let next = desk(CONFIG, record, clock);
    takes(&next, "Reverted", 60, Origin::History);
    assert_eq!(reasons(&next, ONCALL), ["Reverted"]);
    assert!(reasons(&next, CHAT).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_record_is_found_in_the_histories() {
    let clock = Clock::starting_at(begin());
    let before = desk(CONFIG, Record::default(), clock);
    let long = |number: i64| Transition {
        message: format!("{number} {}", "x".repeat(1900)),
        ..transition("Reverted", number)
    };
    for number in 1..900 {
        before.take(&sample::subject(), &long(number), &Labels::new(), Origin::Decision);
    }
    tokio::time::advance(Duration::from_hours(1)).await;
    let record = before.record().unwrap();
    let text = record.text();
    assert!(text.len() <= LARGEST, "{}", text.len());
    assert!(record.waiting.len() > 300 && record.waiting.len() < 899);
    let next = desk(CONFIG, Record::read(&text).unwrap(), clock);
    for number in 1..900 {
        next.take(&sample::subject(), &long(number), &Labels::new(), Origin::History);
    }
    assert_eq!(next.standings()[ONCALL].waiting, 899);
}

#[tokio::test(start_paused = true)]
async fn namespaces_choose_receivers_by_their_labels() {
    let config = CONFIG.replace("severity: [Page],", "namespaces: {labels: {tier: '1'}},");
    let desk = desk(&config, Record::default(), Clock::starting_at(begin()));
    let one = Labels::from([("tier".to_owned(), "1".to_owned())]);
    desk.take(&sample::subject(), &transition("RolloutStarted", 1), &one, Origin::Decision);
    takes(&desk, "StageEntered", 2, Origin::Decision);
    assert_eq!(reasons(&desk, ONCALL), ["RolloutStarted"]);
}

#[tokio::test(start_paused = true)]
async fn the_course_of_a_release_waits_with_its_end_and_only_for_whoever_takes_pictures() {
    const BOTH: &str = "receivers: [{name: chat, slack: {urlFile: /u}}, \
                        {name: board, webhook: {url: 'https://board.example.com'}}]\n";
    let course =
        Course { steps: vec![transition("RolloutStarted", 0), transition("Promoted", 3)], ..sample::course("") };
    let subject = Subject { course: Some(course), ..sample::subject() };
    for (routes, is_drawn) in [("[chat]", false), ("[board]", true), ("[chat, board]", true)] {
        let config = format!("{BOTH}routes: [{{receivers: {routes}}}]");
        let desk = desk(&config, Record::default(), Clock::starting_at(begin()));
        let place = usize::from(routes == "[board]");
        // The second one is of the release before.
        for (seconds, reason, is_its_end) in [(1, "StageEntered", false), (2, "Promoted", false), (3, "Promoted", true)]
        {
            desk.take(&subject, &transition(reason, seconds), &Labels::new(), Origin::Decision);
            let Next::Send(notice) = desk.next(place) else { panic!("{reason} is not told") };
            assert_eq!(notice.picture().is_some(), is_drawn && is_its_end, "{routes} {reason} {seconds}");
            desk.tried(place, &notice, &Outcome::Delivered);
        }
    }
}
