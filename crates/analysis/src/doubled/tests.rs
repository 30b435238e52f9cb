use tidegate_judge::Meaning;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// A counter with these labels, scraped each 15 s from `phase` on, of a process that has so many requests at a second.
fn scraped(labels: &[(&str, &str)], phase: i64, counted: fn(i64) -> i64) -> (Row, Vec<Sample>) {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let samples = (phase..120).step_by(15).map(|second| Sample { at: at(second), value: counted(second) as f64 });
    (Row { labels, samples: Vec::new(), histograms: Vec::new() }, samples.collect())
}

/// What is known of such series after one reading of them.
fn known(doubles: &mut Doubles, all: &[(Row, Vec<Sample>)]) -> (Vec<usize>, Option<String>) {
    let mut tellers = Tellers::default();
    let series = all.iter().enumerate().map(|(place, (row, samples))| {
        let (key, told) = (Key::of("place", &place.to_string()), tellers.told(row));
        tellers.note(key, told);
        Series {
            key,
            instance: Key::default(),
            pod: None,
            arm: Arm::Canary,
            meaning: Meaning::Requests,
            samples: samples.clone(),
        }
    });
    let series: Vec<_> = series.collect();
    doubles.learn(&tellers.doubles(&series));
    let copies = (0..all.len()).filter(|place| doubles.has(series[*place].key)).collect();
    (copies, doubles.sentence().map(str::to_owned))
}

fn copies(all: &[(Row, Vec<Sample>)]) -> Vec<usize> {
    known(&mut Doubles::default(), all).0
}

/// One request a second and more.
fn busy(second: i64) -> i64 {
    1000 + 3 * second
}

const POD: (&str, &str) = ("pod", "checkout-new-abcde");
const AT: (&str, &str) = ("instance", "10.0.0.7:8080");

#[test]
fn of_a_pod_that_two_jobs_scrape_one_counts_and_it_is_said_which() {
    let of = |job, code, phase, counted| scraped(&[POD, AT, ("job", job), ("code", code)], phase, counted);
    let none: fn(i64) -> i64 = |_| 0;
    let twice =
        [of("web", "200", 0, busy), of("pods", "200", 7, busy), of("web", "500", 0, none), of("pods", "500", 7, none)];
    let (copies, sentence) = known(&mut Doubles::default(), &twice);
    assert_eq!(copies, [0, 2], "the ones of `pods` come first by name, and keep counting however they are answered");
    assert_eq!(
        sentence.unwrap(),
        "the series of checkout-new-abcde are there twice and move together, once with job pods and once with web: only the \
         former count; scrape the pod once, or select one job"
    );
}

#[test]
fn of_two_replicas_of_a_prometheus_one_counts_also_at_a_gateway_and_where_no_pod_is_known() {
    for of_whom in [&[POD, AT][..], &[AT]] {
        let of = |replica, phase| scraped(&[of_whom, &[("prometheus_replica", replica)]].concat(), phase, busy);
        let (copies, sentence) = known(&mut Doubles::default(), &[of("b", 3), of("a", 11)]);
        assert_eq!(copies, [0]);
        assert!(sentence.unwrap().ends_with("let the store deduplicate by prometheus_replica"));
    }
}

#[test]
fn jobs_that_add_labels_of_their_own_besides_are_seen_through() {
    let operator = scraped(&[POD, AT, ("job", "web"), ("container", "app"), ("prometheus", "monitoring/k8s")], 0, busy);
    let plain = scraped(&[POD, AT, ("job", "pods")], 5, busy);
    assert_eq!(copies(&[operator, plain]).len(), 1);
}

#[test]
fn what_counts_something_of_its_own_counts() {
    let other: fn(i64) -> i64 = |second| 1500 + 3 * second;
    let of = |labels: &[(&str, &str)], counted| scraped(&[&[POD], labels].concat(), 0, counted);
    let job = |job, counted| of(&[AT, ("job", job)], counted);
    assert_eq!(copies(&[job("a", busy), job("b", other)]), [0usize; 0], "they do not move together");
    let port = |instance| of(&[("instance", instance)], busy);
    assert_eq!(copies(&[port("10.0.0.7:8080"), port("10.0.0.7:9090")]), [0usize; 0], "two processes of a pod");
    let container = |name| of(&[AT, ("container", name)], busy);
    assert_eq!(copies(&[container("app"), container("proxy")]), [0usize; 0]);
    for label in ["route", "endpoint", "service"] {
        let route = |route| of(&[AT, (label, route)], busy);
        assert_eq!(copies(&[route("/a"), route("/b")]), [0usize; 0], "a library may call its routes {label}");
    }
    let pushed = |job| scraped(&[("job", job), ("code", "200")], 0, busy);
    assert_eq!(copies(&[pushed("a"), pushed("b")]), [0usize; 0], "nobody knows whose they are");
    let gateway = |instance| scraped(&[("instance", instance)], 0, busy);
    assert_eq!(copies(&[gateway("10.0.0.7:80"), gateway("10.0.0.8:80")]), [0usize; 0]);
    assert_eq!(copies(&[job("a", busy), job("a", busy)]), [0usize; 0], "the same series, read for two purposes");
}

#[test]
fn one_of_many_series_that_moves_apart_is_enough_to_count_all() {
    let of = |job, code, counted| scraped(&[POD, AT, ("job", job), ("code", code)], 0, counted);
    let failing: fn(i64) -> i64 = |second| second;
    let none: fn(i64) -> i64 = |_| 0;
    let all = [of("a", "200", busy), of("b", "200", busy), of("a", "500", none), of("b", "500", failing)];
    assert_eq!(copies(&all), [0usize; 0]);
}

#[test]
fn what_was_seen_to_be_the_same_stays_so_while_nothing_happens_and_until_what_counts_has_ended() {
    let of = |job, counted| scraped(&[POD, AT, ("job", job)], 0, counted);
    let idle: fn(i64) -> i64 = |_| 2000;
    let restarted: fn(i64) -> i64 = |second| if second < 100 { 2000 + second } else { second - 100 };
    let other: fn(i64) -> i64 = |second| 9000 + second;
    let mut doubles = Doubles::default();
    assert_eq!(known(&mut doubles, &[of("a", idle), of("b", idle)]).0, [0usize; 0], "nothing speaks for it yet");
    assert_eq!(known(&mut doubles, &[of("a", busy), of("b", busy)]).0, [1]);
    assert_eq!(known(&mut doubles, &[of("a", idle), of("b", idle)]).0, [1]);
    assert_eq!(known(&mut doubles, &[of("a", restarted), of("b", restarted)]).0, [1]);
    let mut ended = of("a", busy);
    ended.1.truncate(3);
    assert_eq!(known(&mut doubles, &[ended, of("b", busy)]).0, [0usize; 0]);
    assert_eq!(known(&mut doubles, &[of("a", busy), of("b", other)]).0, [0usize; 0]);
    assert!(doubles.is_empty() && doubles.sentence().is_none());
}

#[test]
fn clocks_that_differ_a_little_do_not_make_two_of_one() {
    let of = |job, phase| scraped(&[POD, AT, ("job", job)], phase, busy);
    let mut late = of("b", 0);
    for sample in &mut late.1 {
        sample.at -= SignedDuration::from_millis(400);
    }
    assert_eq!(copies(&[of("a", 0), late]), [1]);
}
