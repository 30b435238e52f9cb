//! How notices get to receivers that do not take them at once.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tidegate_api::Transition;
use tidegate_clock::Clock;
use tidegate_notify::{Counted, Delivery, Desk, Labels, Notice, Notifications, Origin, Outcome, Record, Way, sample};

use crate::receiver::{Answer, Receiver};

/// A service that gets everything, at a rate that no test waits for.
fn service(receiver: &Receiver) -> String {
    format!("ratePerMinute: 6000, webhook: {{url: '{}/hook', timeout: 500ms}}", receiver.url)
}

/// A desk with its delivery, and what was counted.
struct Office {
    desk: Arc<Desk>,
    _delivery: Delivery,
    counted: Arc<Mutex<Vec<Counted>>>,
}

impl Office {
    fn open(config: Notifications) -> Self {
        let counted = Arc::new(Mutex::new(Vec::new()));
        let counts = counted.clone();
        let tally = Arc::new(move |_: &str, outcome, count| counts.lock().unwrap().extend(vec![outcome; count]));
        let ways = Arc::new(Way::all(&config).unwrap());
        let desk = Arc::new(Desk::new(Arc::new(config), Record::default(), Clock::System, tally));
        Self { _delivery: Delivery::start(&desk, &ways), desk, counted }
    }

    fn take(&self, reason: &str) {
        let transition = Transition { at: Timestamp::now(), ..sample::transition(reason) };
        self.desk.take(&sample::subject(), &transition, &Labels::new(), Origin::Decision);
    }

    async fn settled(&self) {
        let settled = async {
            while self.desk.standings().iter().any(|standing| standing.waiting > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), settled).await.expect("something is never settled");
    }

    fn counted(&self) -> Vec<Counted> {
        self.counted.lock().unwrap().clone()
    }
}

async fn outcome(answer: Answer) -> (Outcome, Receiver) {
    let receiver = Receiver::start(&[answer]).await;
    let ways = Way::all(&Receiver::config(&service(&receiver))).unwrap();
    let notice: Notice = sample::notice("Reverted");
    (ways[0].tell(&notice, notice.at).await, receiver)
}

fn later(why: &str, after: Option<Duration>) -> Outcome {
    Outcome::Later { why: why.to_owned(), is_unwelcome: false, after }
}

#[tokio::test]
async fn what_a_receiver_answers_is_told_as_what_it_is() {
    let wait = Some(Duration::from_secs(7));
    assert_eq!(outcome(Answer::RetryAfter(429, "7")).await.0, later("it answers 429", wait));
    assert_eq!(outcome(Answer::RetryAfter(503, "7")).await.0, later("it answers 503", wait));
    let said = outcome(Answer::Said(400, "invalid_payload\n\u{1b}[31m<b>no</b>")).await.0;
    assert_eq!(said, Outcome::Refused("it answers 400: invalid_payload [31m<b>no</b>".to_owned()));
    assert_eq!(outcome(Answer::Never).await.0, later("it does not answer within 500ms", None));
}

#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let elsewhere = Receiver::start(&[]).await;
    let (outcome, _) = outcome(Answer::Redirect(elsewhere.url.clone())).await;
    let why = "it redirects (HTTP 307); configure the address that it redirects to".to_owned();
    assert_eq!(outcome, Outcome::Later { why, is_unwelcome: true, after: None });
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn a_secret_address_stands_in_no_message() {
    let receiver = Receiver::start(&[]).await;
    let file = receiver.file("http://127.0.0.1:1/services/secret");
    let config = Receiver::config(&format!("slack: {{urlFile: '{}'}}", file.display()));
    let ways = Way::all(&config).unwrap();
    let notice = sample::notice("Reverted");
    let Outcome::Later { why, .. } = ways[0].tell(&notice, notice.at).await else { panic!("nobody is there") };
    assert!(why.starts_with("it cannot be reached: ") && !why.contains("secret"), "{why}");
}

#[tokio::test]
async fn an_address_that_is_written_anew_is_used_from_then_on() {
    let (one, other) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
    let file = one.file(&one.url);
    let ways = Way::all(&Receiver::config(&format!("slack: {{urlFile: '{}'}}", file.display()))).unwrap();
    let notice = sample::notice("Reverted");
    assert_eq!(ways[0].tell(&notice, notice.at).await, Outcome::Delivered);
    std::fs::write(&file, &other.url).unwrap();
    assert_eq!(ways[0].tell(&notice, notice.at).await, Outcome::Delivered);
    assert_eq!((one.got().len(), other.got().len()), (1, 1));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(ways[0].tell(&notice, notice.at).await, Outcome::Later { is_unwelcome: true, .. }));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_at_start() {
    for (kind, field) in [
        ("slack: {urlFile: /nowhere/url}", "slack.urlFile"),
        ("pagerDuty: {routingKeyFile: /nowhere/url}", "routingKeyFile"),
        ("opsgenie: {apiKeyFile: /nowhere/url}", "opsgenie.apiKeyFile"),
        ("webhook: {url: 'http://a', caFile: /nowhere/url}", "webhook.caFile"),
        ("webhook: {url: 'http://a', signingKeyFile: /nowhere/url}", "webhook.signingKeyFile"),
        ("email: {host: a, from: a@b.c, to: [a@b.c], username: a, passwordFile: /nowhere/url}", "email.passwordFile"),
        ("email: {host: a, from: a@b.c, to: [a@b.c], caFile: /nowhere/url}", "email.caFile"),
    ] {
        let Err(error) = Way::all(&Receiver::config(kind)) else { panic!("{kind} cannot be used") };
        let error = error.to_string();
        assert!(error.starts_with("n.yaml: receiver \"it\": ") && error.contains(field), "{error}");
        assert!(error.contains("/nowhere/url"), "{error}");
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it_and_then_the_notice() {
    let receiver = Receiver::start(&[Answer::RetryAfter(429, "2")]).await;
    let office = Office::open(Receiver::config(&service(&receiver)));
    office.take("Reverted");
    let got = receiver.wait_for(2).await;
    assert!(got[1].at - got[0].at >= Duration::from_secs(2));
    office.settled().await;
    assert_eq!(office.counted(), [Counted::Failed, Counted::Delivered]);
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again_and_holds_nobody_up() {
    let receiver = Receiver::start(&[Answer::Said(422, "no")]).await;
    let office = Office::open(Receiver::config(&service(&receiver)));
    office.take("StageEntered");
    office.take("Reverted");
    receiver.wait_for(2).await;
    office.settled().await;
    assert_eq!(office.counted(), [Counted::Refused, Counted::Delivered]);
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_hold_up_the_others() {
    let (hangs, works) = (Receiver::start(&vec![Answer::Never; 9]).await, Receiver::start(&[]).await);
    let text = format!(
        "receivers: [{{name: a, webhook: {{url: '{}', timeout: 20s}}}}, {{name: b, webhook: {{url: '{}'}}}}]\n\
         routes: [{{receivers: [a, b]}}]",
        hangs.url, works.url
    );
    let office = Office::open(Notifications::parse(&text, "n.yaml").unwrap());
    let begun = Instant::now();
    for _ in 0..5 {
        office.take("Reverted");
    }
    works.wait_for(5).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(hangs.got().len(), 1, "it is asked once, and waited for");
    let waiting: Vec<_> = office.desk.standings().iter().map(|standing| standing.waiting).collect();
    assert_eq!(waiting, [5, 0]);
}

#[tokio::test]
async fn a_template_that_fails_keeps_nobody_from_being_told() {
    let receiver = Receiver::start(&[]).await;
    let template = "template: {text: '{% if rollout == \"other\" %}{{ nothing }}{% endif %}{{ message }}'}";
    let config = Receiver::config(&format!("{template}, {}", service(&receiver)));
    let ways = Way::all(&config).unwrap();
    let notice = Notice { rollout: "other".to_owned(), ..sample::notice("Reverted") };
    assert_eq!(ways[0].tell(&notice, notice.at).await, Outcome::Delivered);
    let told = receiver.got().remove(0).body["message"].as_str().unwrap().to_owned();
    assert!(
        told.contains("errors: 6.1% of 114 requests failed") && told.contains("template of this receiver fails"),
        "{told}"
    );
}

/// Each way in which a receiver is told of a file, after the field of its kind.
fn kinds_with_files(url: &str, file: &str) -> [(&'static str, String); 7] {
    [
        ("webhook.signingKeyFile", format!("webhook: {{url: '{url}', signingKeyFile: '{file}'}}")),
        ("webhook.bearerTokenFile", format!("webhook: {{url: '{url}', bearerTokenFile: '{file}'}}")),
        (
            "webhook.basicAuth.passwordFile",
            format!("webhook: {{url: '{url}', basicAuth: {{username: me, passwordFile: '{file}'}}}}"),
        ),
        ("webhook.headerFiles", format!("webhook: {{url: '{url}', headerFiles: {{X-Key: '{file}'}}}}")),
        ("pagerDuty.routingKeyFile", format!("pagerDuty: {{url: '{url}', routingKeyFile: '{file}'}}")),
        ("opsgenie.apiKeyFile", format!("opsgenie: {{url: '{url}', apiKeyFile: '{file}'}}")),
        ("slack.urlFile", format!("slack: {{urlFile: '{file}'}}")),
    ]
}

#[tokio::test]
async fn a_file_that_is_empty_or_holds_two_lines_is_named_at_start_with_its_receiver_and_field() {
    let receiver = Receiver::start(&[]).await;
    for (text, why) in
        [("", "it is empty"), (" ", "it is empty"), ("http://a/x\nhttp://b/y", "it holds more than one line")]
    {
        let file = receiver.file(text).display().to_string();
        for (field, kind) in kinds_with_files(&receiver.url, &file) {
            let told = Way::all(&Receiver::config(&kind)).err().unwrap().to_string();
            let cause = format!("the file with its credentials cannot be used: {file}: {why}");
            assert_eq!(told, format!("n.yaml: receiver \"it\": {field}: {cause}"));
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_with_a_file_that_has_become_empty_and_it_is_tried_again() {
    let receiver = Receiver::start(&[]).await;
    let file = receiver.file(&format!("{}/secret", receiver.url));
    let notice = sample::notice("Reverted");
    for (field, kind) in kinds_with_files(&receiver.url, &file.display().to_string()) {
        std::fs::write(&file, format!("{}/secret\n", receiver.url)).unwrap();
        let ways = Way::all(&Receiver::config(&kind)).unwrap();
        std::fs::write(&file, "\n").unwrap();
        let outcome = ways[0].tell(&notice, notice.at).await;
        let Outcome::Later { why, is_unwelcome: true, .. } = outcome else { panic!("{field}: {outcome:?}") };
        let cause = format!("the file with its credentials cannot be used: {}: it is empty", file.display());
        assert_eq!(why, cause, "{field}");
    }
    assert!(receiver.got().is_empty());
}
