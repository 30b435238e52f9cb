use std::time::Duration;

use super::*;
use crate::{notice::Incident, sample};

fn begin() -> Timestamp {
    sample::notice("Reverted").at
}

fn after(seconds: i64) -> Timestamp {
    begin().saturating_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// The notice `number` of the Rollout `rollout`, which happened that many seconds after the beginning.
fn notice(reason: &str, rollout: &str, number: i64) -> Arc<Notice> {
    let (id, uid) = (format!("{number:016x}"), rollout.to_owned());
    Arc::new(Notice { id, uid, rollout: rollout.to_owned(), at: after(number), ..sample::notice(reason) })
}

fn queue(rate: u32, now: Instant) -> Queue {
    Queue::new(rate, Sent::since(begin().saturating_sub(SignedDuration::from_secs(1)).unwrap()), now)
}

fn sends(queue: &mut Queue, now: Instant) -> Option<Arc<Notice>> {
    match queue.next(now) {
        Next::Send(notice) => Some(notice),
        _ => None,
    }
}

/// Goes on until the queue rests, with `outcome` for each try; how often it was tried, and how long it took.
fn drain(
    queue: &mut Queue,
    start: Instant,
    mut outcome: impl FnMut(&Notice, Duration) -> Outcome,
) -> (usize, Duration) {
    let (mut now, mut tries) = (start, 0);
    loop {
        match queue.next(now) {
            Next::Send(notice) => {
                tries += 1;
                let outcome = outcome(&notice, now - start);
                let at = after(i64::try_from((now - start).as_secs()).unwrap());
                queue.tried(&notice, &outcome, now, at);
            }
            Next::Wait(until) => now = until,
            Next::Rest => return (tries, now - start),
        }
    }
}

#[test]
fn an_hour_of_500_costs_a_handful_of_tries_and_loses_nothing() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    for number in 0..100 {
        queue.put(&notice("StageEntered", &number.to_string(), number));
    }
    let hour = Duration::from_hours(1);
    let mut delivered = HashSet::new();
    let (tries, took) = drain(&mut queue, start, |notice, at| {
        if at < hour {
            return Outcome::of_status(500, "", None);
        }
        delivered.insert(notice.id.clone());
        Outcome::Delivered
    });
    assert_eq!((delivered.len(), queue.len()), (100, 0));
    assert!((110..125).contains(&tries), "{tries} tries");
    assert!(took > hour && took < hour + Duration::from_mins(15), "{took:?}");
}

#[test]
fn nobody_is_asked_again_before_the_time_that_it_named() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    queue.put(&notice("Reverted", "a", 0));
    let mut tried = Vec::new();
    let wait = Duration::from_secs(90);
    drain(&mut queue, start, |_, at| {
        tried.push(at);
        if tried.len() < 3 { Outcome::of_status(429, "", Some(wait)) } else { Outcome::Delivered }
    });
    assert_eq!(tried, [Duration::ZERO, wait, wait * 2]);
}

#[test]
fn what_pages_goes_first_and_what_is_about_one_rollout_in_its_order() {
    let start = Instant::now();
    let mut queue = queue(6000, start);
    for (reason, rollout, number) in
        [("StageEntered", "a", 0), ("StageEntered", "b", 1), ("Reverted", "b", 2), ("Reverted", "c", 3)]
    {
        queue.put(&notice(reason, rollout, number));
    }
    let mut told = Vec::new();
    drain(&mut queue, start, |notice, _| {
        told.push((notice.rollout.clone(), notice.reason.clone()));
        Outcome::Delivered
    });
    let told: Vec<_> = told.iter().map(|(rollout, reason)| (rollout.as_str(), reason.as_str())).collect();
    assert_eq!(told, [("c", "Reverted"), ("a", "StageEntered"), ("b", "StageEntered"), ("b", "Reverted")]);
}

#[test]
fn one_that_is_never_taken_holds_neither_others_nor_its_rollout_for_long() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    let stubborn = notice("StageEntered", "a", 0);
    for notice in [stubborn.clone(), notice("StagePassed", "a", 1), notice("Reverted", "b", 2)] {
        queue.put(&notice);
    }
    let mut told = Vec::new();
    drain(&mut queue, start, |notice, at| {
        if notice.id == stubborn.id && at < Duration::from_hours(2) {
            return Outcome::of_status(500, "", None);
        }
        told.push((notice.rollout.clone(), at < Duration::from_mins(5)));
        Outcome::Delivered
    });
    let expected = [("b", true), ("a", true), ("a", false)];
    assert_eq!(told, expected.map(|(rollout, soon)| (rollout.to_owned(), soon)));
}

#[test]
fn within_an_incident_nothing_changes_places() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    queue.put(&notice("Reverted", "a", 0));
    queue.put(&notice("Promoted", "a", 1));
    let mut told = Vec::new();
    drain(&mut queue, start, |notice, at| {
        if at < Duration::from_hours(3) {
            return Outcome::of_status(503, "", None);
        }
        told.push(notice.reason.clone());
        Outcome::Delivered
    });
    assert_eq!(told, ["Reverted", "Promoted"]);
}

#[test]
fn what_is_refused_is_not_sent_again_and_told_once() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    let mut news = Vec::new();
    for number in 0..3 {
        let notice = notice("Reverted", &number.to_string(), number);
        queue.put(&notice);
        let sent = sends(&mut queue, start).unwrap();
        news.extend(queue.tried(&sent, &Outcome::of_status(400, "no", None), start, after(0)).1);
        assert!(!queue.is_new(&notice, Origin::Decision));
    }
    assert_eq!(news, [News::Refuses("it answers 400: no".to_owned())]);
    assert!(queue.is_empty() && queue.failing().is_some());
}

#[test]
fn that_a_receiver_fails_is_told_once_and_that_it_recovered_too() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    queue.put(&notice("Reverted", "a", 0));
    let (mut now, mut news) = (start, Vec::new());
    for number in 0..6 {
        while let Next::Wait(until) = queue.next(now) {
            now = until;
        }
        let notice = notice("Reverted", "a", 0);
        let outcome = if number < 5 { Outcome::later("it is away".to_owned()) } else { Outcome::Delivered };
        news.push(queue.tried(&notice, &outcome, now, after(number)).1);
    }
    let failed = Some(News::Fails("it is away".to_owned()));
    assert_eq!(news, [None, None, failed, None, None, Some(News::Recovered)]);
    assert_eq!(queue.failing(), None);
}

#[test]
fn wrong_credentials_are_told_at_once() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    let notice = notice("Reverted", "a", 0);
    queue.put(&notice);
    let (_, news) = queue.tried(&notice, &Outcome::of_status(403, "", None), start, after(0));
    assert_eq!(news, Some(News::Fails("it answers 403".to_owned())));
}

#[test]
fn ten_thousand_notices_to_a_dead_receiver_take_a_bounded_place_and_incidents_have_one() {
    let start = Instant::now();
    let mut queue = queue(60, start);
    for number in 0..10_000 {
        let reason = if number % 100 == 99 { "Reverted" } else { "StageEntered" };
        queue.put(&notice(reason, &number.to_string(), number));
    }
    assert_eq!((queue.waiting().count(), queue.len()), (MOST, 10_000));
    let incidents = |notice: &&Arc<Notice>| !notice.incidents.is_empty();
    assert_eq!(queue.waiting().filter(incidents).count(), 100, "all of them");
    assert!(queue.oldest_beyond() > Some(after(800)));
    for number in 10_000..40_000 {
        queue.put(&notice("StageEntered", &number.to_string(), number));
    }
    assert_eq!(queue.beyond.len(), MOST_BEYOND);
}

#[test]
fn what_found_no_place_is_looked_for_and_what_is_not_found_is_lost() {
    let start = Instant::now();
    let mut queue = queue(6000, start);
    for number in 0..1500 {
        queue.put(&notice("StageEntered", &number.to_string(), number));
    }
    assert!(!queue.is_looking(), "there is no place yet");
    drain(&mut queue, start, |_, _| Outcome::Delivered);
    assert!(queue.is_looking());
    for number in 1000..1400 {
        let found = notice("StageEntered", &number.to_string(), number);
        assert!(queue.is_new(&found, Origin::History));
        queue.put(&found);
    }
    assert_eq!((queue.looked(), queue.len(), queue.is_looking()), (100, 400, false));
}

#[test]
fn what_was_tried_for_a_day_is_given_up() {
    let mut queue = queue(60, Instant::now());
    queue.put(&notice("Reverted", "a", 0));
    queue.put(&notice("Reverted", "b", 60));
    assert!(queue.give_up(after(24 * 3600)).is_empty());
    let given_up = queue.give_up(after(24 * 3600 + 1));
    assert_eq!(given_up.iter().map(|notice| notice.rollout.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_receiver_gets_no_more_in_a_minute_than_it_takes() {
    let start = Instant::now();
    let mut queue = queue(30, start);
    for number in 0..130 {
        queue.put(&notice("StageEntered", &number.to_string(), number));
    }
    let (tries, took) = drain(&mut queue, start, |_, _| Outcome::Delivered);
    assert_eq!(tries, 130);
    assert_eq!(took.as_secs(), 240, "ten at once, and two seconds for each other");
}

#[test]
fn an_incident_of_an_old_notice_is_its_own() {
    let incident = Incident { revision: "v1".to_owned(), topic: crate::Topic::Release, severities: Vec::new() };
    let notice = Notice { incidents: vec![incident], ..sample::notice("StageEntered") };
    let waiting = Waiting { notice: Arc::new(notice), tries: STUBBORN, not_before: None };
    assert!(waiting.holds());
}
