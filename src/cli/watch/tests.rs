//! What the terminal shows of many a Rollout, whatever its size.

use jiff::Timestamp;
use ratatui::{Terminal, backend::TestBackend, style::Color};
use serde_json::{Value, json};
use tidegate_dashboard::pods::Shown;

use super::{keys::Question, live::View, screen::draw, seen::Seen};
use crate::cli::{
    command::Verb,
    status::tests::{rollout, two_stages, underway},
};

fn now() -> Timestamp {
    "2026-03-02T09:05:00Z".parse().unwrap()
}

fn view(spec: Value, status: Value) -> View {
    View::new(("shop", "checkout"), Seen::Known(Box::new(rollout(spec, status))), true)
}

fn drawn(view: &View, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            draw(frame, view, now());
        })
        .unwrap();
    terminal
}

/// The lines of the screen, without the spaces behind them.
fn text(view: &View, size: (u16, u16)) -> String {
    let terminal = drawn(view, size);
    let cells = terminal.backend().buffer().content().chunks(usize::from(size.0));
    let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    cells.map(|cells| line(cells).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_release_that_is_on_its_way_is_one_screen_and_the_documents_show_it() {
    let mut view = view(two_stages(), underway(json!({})));
    for value in ["0.4%", "0.3%", "0.1%"] {
        let mut status = underway(json!({}));
        status["checks"][0]["value"] = value.into();
        view.see(Seen::Known(Box::new(rollout(two_stages(), status))));
    }
    let expected = "\
Rollout shop/checkout  ● Progressing  2026-03-02T09:05:00Z
stage half at 50%: good so far, bakes until 2026-03-02T09:10:00Z

✓ canary 5% ── ● half 50% ── ○ full 100%
asked for ████████████████████░░░░░░░░░░░░░░░░░░░░ 50%
in force  ████████████████████░░░░░░░░░░░░░░░░░░░░ 50%

stable    7f9c (checkout:v1), 10 of 10 pods ready
new       6b5d (checkout:v2), 4 of 5 pods ready
stage     half, 2 of 3: 50% of the traffic, 50% in force for 5m
bake      10m, 5m left, until 2026-03-02T09:10:00Z
deadline  15m left, until 2026-03-02T09:20:00Z
measured  49.1% of the requests (48.0% to 50.2%)
left      15m at least until it serves alone; gates and hours come on top

CHECK   VERDICT         VALUE  LIMIT  TREND  RANGE  NEEDS
errors  … NeedMoreData  0.1%   0.5%   ▂▇▅▂          400 more, 5m

WHEN    WHAT         WHY
6m ago  StagePassed  stage canary passed; next: half
";
    let screen = text(&view, (100, 24));
    let told = screen.lines().take(21).collect::<Vec<_>>().join("\n");
    assert_eq!(told.trim_end(), expected.trim_end());
    assert!(screen.ends_with("q quit"), "{screen}");
    assert!(
        include_str!("../../../docs/commands.md").contains(expected.trim_end()),
        "docs/commands.md shows another screen"
    );
}

#[test]
fn the_pods_stand_above_what_happened_and_those_that_are_not_ready_first() {
    let mut view = view(two_stages(), underway(json!({})));
    let pod = |name: &str, is_ready| Shown {
        version: "new",
        name: name.to_owned(),
        is_ready,
        state: if is_ready { "Running" } else { "ImagePullBackOff" }.to_owned(),
        restarts: 0,
        since: "2026-03-02T09:00:00Z".parse().ok(),
    };
    view.pods = Ok(vec![pod("checkout-6b5d-2", false), pod("checkout-6b5d-1", true)]);
    let expected = "\
POD              VERSION  READY  STATE             RESTARTS  AGE
checkout-6b5d-2  new      ✗ no   ImagePullBackOff  0         5m
checkout-6b5d-1  new      ✓ yes  Running           0         5m

WHEN    WHAT         WHY
";
    let screen = text(&view, (100, 30));
    assert!(screen.contains(expected), "{screen}");
}

#[test]
fn a_terminal_of_any_size_shows_what_fits_and_the_sentence_first() {
    let status = underway(json!({"message": "m".repeat(3000)}));
    let view = view(two_stages(), status);
    for width in [1, 2, 3, 7, 20, 39, 80, 250] {
        for height in [1, 2, 3, 10, 60] {
            drawn(&view, (width, height));
        }
    }
    assert!(text(&view, (39, 10)).contains("Rollout shop/checkout"));
}

#[test]
fn a_rollout_that_nobody_has_looked_at_yet_says_so() {
    let mut fresh = rollout(two_stages(), json!({"phase": "Pending", "message": ""}));
    fresh.status = None;
    let view = View::new(("shop", "checkout"), Seen::Known(Box::new(fresh)), true);
    assert!(text(&view, (100, 20)).contains("the operator has not looked at it yet"));
}

#[test]
fn what_a_newer_version_wrote_is_shown_as_far_as_it_is_known() {
    let seen = Seen::Newer { phase: "Dancing".into(), message: "to and fro".into(), why: "unknown phase".into() };
    let screen = text(&View::new(("shop", "checkout"), seen, true), (100, 20));
    for part in ["Dancing", "to and fro", "of a newer version of Tidegate than this one: unknown phase"] {
        assert!(screen.contains(part), "{screen}");
    }
}

#[test]
fn nothing_that_somebody_wrote_reaches_the_terminal_as_a_command() {
    let status = underway(json!({"message": "good\u{1b}[2J\u{202e}so far\nVERDICT Pass"}));
    let screen = text(&view(two_stages(), status), (120, 30));
    assert!(screen.contains("good\\u{1b}[2J\\u{202e}so far VERDICT Pass"), "{screen}");
}

#[test]
fn without_colours_signs_and_words_say_the_same() {
    let mut status = underway(json!({"phase": "Reverted"}));
    status["checks"][0]["verdict"] = "Fail".into();
    let mut view = view(two_stages(), status);
    let colours = |view: &View| {
        let terminal = drawn(view, (100, 30));
        let cells = terminal.backend().buffer().content().to_vec();
        cells.into_iter().any(|cell| cell.fg != Color::Reset)
    };
    assert!(colours(&view));
    view.coloured = false;
    assert!(!colours(&view));
    let screen = text(&view, (100, 30));
    assert!(screen.contains("✗ Reverted") && screen.contains("✗ half 50%") && screen.contains("✗ Fail"), "{screen}");
}

#[test]
fn the_bottom_is_for_what_has_to_be_answered_and_for_what_is_wrong() {
    let mut view = view(two_stages(), underway(json!({})));
    view.trouble = Some(("2026-03-02T09:04:00Z".parse().unwrap(), "connection refused".to_owned()));
    let last = |view: &View| text(view, (120, 30)).lines().last().unwrap().to_owned();
    let screen = text(&view, (120, 30));
    let trouble = "the cluster has not answered for 1m, what stands here is as old: connection refused";
    assert!(screen.contains(trouble) && screen.ends_with("q quit"), "{screen}");
    view.question = Some(Question {
        wanted: super::keys::Wanted::Verb(Verb::Pause(true)),
        meant: None,
        sentence: "pause?".to_owned(),
    });
    assert_eq!(last(&view), "pause?");
}

#[test]
fn a_question_can_be_read_to_its_end_in_a_terminal_of_any_width() {
    let mut view = view(two_stages(), underway(json!({})));
    let sentence =
        "leave stage half with 6b5d (checkout:v2), without waiting for its evidence? y to do it, any other key not to";
    let wanted = super::keys::Wanted::Verb(Verb::Pause(true));
    view.question = Some(Question { wanted, meant: None, sentence: sentence.to_owned() });
    for width in [20, 40, 80] {
        let screen = text(&view, (width, 24)).replace('\n', " ");
        assert!(screen.ends_with(sentence), "{screen}");
    }
}

#[test]
fn what_does_not_fit_into_a_line_stands_below_it() {
    let why = "check errors fails: 12% of 300 requests failed, allowed 1%, and stable has 0.1% of 4,000";
    let step = json!({"at": "2026-03-02T09:04:00Z", "reason": "Reverted", "message": why, "revision": "6b5d"});
    let view = view(two_stages(), json!({"phase": "Reverted", "message": "it is back", "history": [step]}));
    let screen = text(&view, (60, 24));
    let words: Vec<_> = screen.split_whitespace().collect();
    assert!(words.join(" ").contains(why), "{screen}");
    // Wide letters take two columns.
    let wide = "店".repeat(40);
    let view = self::view(two_stages(), underway(json!({"message": wide})));
    assert_eq!(text(&view, (39, 30)).matches('店').count(), 40);
}

#[test]
fn on_the_way_back_the_reason_stands_where_the_bake_was() {
    let step = json!({"at": "2026-03-02T09:04:00Z", "reason": "Reverted", "message": "check errors fails", "revision": "6b5d"});
    let mut status = underway(json!({"phase": "Reverting", "history": [step]}));
    status["stage"]["weightInForce"] = json!("50%");
    let screen = text(&view(two_stages(), status), (100, 30));
    for line in
        ["asked for ░", "stage     half, 2 of 3: on the way back, 50% still in force", "why       check errors fails"]
    {
        assert!(screen.contains(line), "{line}: {screen}");
    }
    assert!(!screen.contains("\nbake "), "{screen}");
}
