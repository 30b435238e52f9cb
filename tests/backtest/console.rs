//! The plans and backtests that the documentation prints.

use regex::Regex;

use crate::{
    command::{ERRORS, on, rollout},
    past::Past,
    printed::hold,
};

/// What the documentation calls the Prometheus of `past`.
const CALLED: [&str; 2] = ["--prometheus", "http://prometheus:9090"];

/// What `COMMAND rollout.yaml` with these arguments prints of `past`.
fn answer(past: &Past, arguments: &[&str]) -> String {
    let asked: Vec<_> = arguments[2..].iter().copied().filter(|argument| !CALLED.contains(argument)).collect();
    assert_eq!((arguments[1], asked.len() + CALLED.len()), ("rollout.yaml", arguments.len() - 2), "{arguments:?}");
    let rollout = rollout(ERRORS);
    let answered = on(past, arguments[0], &rollout, &asked);
    let outcome = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(answered));
    assert_eq!(outcome.complaint, "", "{arguments:?}");
    outcome.printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backtests_in_the_documentation_are_what_is_printed() {
    let Some(past) = Past::write_tuesday().await else { return };
    let count =
        hold(&["tidegate backtest"], |printed, found| printed == found, |_, arguments| answer(&past, arguments));
    assert!(count >= 2, "only {count} were found");
}

/// Today is another one each time, and its numbers with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_in_the_documentation_are_what_is_printed_but_for_todays_numbers() {
    let Some(past) = Past::write().await else { return };
    let (number, blank) = (Regex::new("[0-9][0-9.,]*([hms][0-9.hms]*)?").unwrap(), Regex::new(" +").unwrap());
    let words = |text: &str| blank.replace_all(&number.replace_all(text, "N"), " ").into_owned();
    let same = |printed: &str, found: &str| words(printed) == words(found);
    let count = hold(&["tidegate plan"], same, |_, arguments| answer(&past, arguments));
    assert!(count >= 2, "only {count} were found");
}
