//! Every word for why, of conditions, events and checks.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use regex::Regex;
use tidegate_api::{Described, EventType, Reason, condition, verdict};
use tidegate_notify::{Bearing, Severity};

use super::{hold, unwrapped};
use crate::architecture::code;

fn entry(reason: &Reason) -> String {
    let event = reason.event.map(|event| format!(" Event: `{}`.", event.as_str()));
    let Reason { word, meaning, remedy, .. } = reason;
    let (meaning, event) = (unwrapped(meaning), event.unwrap_or_default());
    format!("### {word}\n\n{meaning}{event}\n\n**What to do:** {}\n\n", unwrapped(remedy))
}

#[test]
fn the_reference_has_every_reason_of_conditions_events_and_checks() {
    let mut page = String::from(
        "# Reasons\n\nWhy a Rollout, or one of its checks, is as it is: the `reason` of a condition, of an event, of an \
         entry of `status.history`, and of an entry of `status.checks`. The message beside it has the objects and the \
         numbers; [reading.md](../reading.md) shows both. Events, which are of the type that stands at the reason, tell of \
         what happens to a version on its way, and of warnings; what stands in the way before is in the conditions alone.\n\n## Conditions\n\n| Condition | Means |\n|---|---|\n",
    );
    for Described { name, meaning } in condition::kind::ALL {
        writeln!(page, "| `{name}` | {} |", unwrapped(meaning)).unwrap();
    }
    page.push_str("\n## Of conditions and events\n\n");
    page.extend(condition::reason::ALL.iter().map(entry));
    page.push_str("## Of checks\n\n");
    page.extend(verdict::reason::ALL.iter().map(entry));
    hold("reasons.md", &format!("{}\n", page.trim_end()));
}

#[test]
fn the_page_of_notifications_has_every_reason_at_its_severity() {
    let page = fs::read_to_string("docs/notifications.md").unwrap();
    let listed = |severity: &str| -> BTreeSet<String> {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{severity}` |"))).unwrap();
        let words = row.split('`').skip(3).step_by(2).take_while(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let known = |severity: Severity| -> BTreeSet<String> {
        let words = condition::reason::ALL.iter().map(|reason| reason.word);
        words.filter(|word| Bearing::of(word).severity() == severity).map(str::to_owned).collect()
    };
    assert_eq!(listed("Page"), known(Severity::Page));
    assert_eq!(listed("Resolve"), known(Severity::Resolve));
    for reason in condition::reason::ALL {
        let severity = Bearing::of(reason.word).severity();
        let warns = reason.event == Some(EventType::Warning) && severity != Severity::Page;
        assert_eq!(severity == Severity::Warn, warns, "{}", reason.word);
    }
}

#[test]
fn every_reason_is_there_once_with_sentences_for_what_it_means_and_what_to_do() {
    for list in [condition::reason::ALL, verdict::reason::ALL] {
        let words: BTreeSet<_> = list.iter().map(|reason| reason.word).collect();
        assert_eq!(words.len(), list.len(), "a word stands for two reasons");
        for Reason { word, meaning, remedy, event } in list {
            assert!(meaning.trim_end().ends_with(['.', ')']), "{word}: {meaning}");
            assert!(remedy.ends_with('.'), "{word}: {remedy}");
            let is_asked_for = *event != Some(EventType::Warning) || *remedy != "Nothing.";
            assert!(is_asked_for, "{word} warns, and nobody can do anything");
        }
    }
}

/// The words that are no reasons: the status of a condition, and the name of a product.
const OTHER_WORDS: [&str; 3] = ["True", "False", "Prometheus"];

#[test]
fn what_decides_and_what_judges_give_no_reason_that_is_not_in_the_lists() {
    let word = Regex::new(r#""([A-Z][A-Za-z]*[a-z][A-Za-z]*)""#).unwrap();
    for folder in ["crates/judge/src", "crates/analysis/src", "crates/planner/src/plan"] {
        let code = code(Path::new(folder));
        assert!(code.contains("reason::"), "{folder}");
        let words = word.captures_iter(&code).filter_map(|found| found.get(1)).map(|found| found.as_str());
        let unknown: Vec<_> = words.filter(|word| !OTHER_WORDS.contains(word)).collect();
        assert!(unknown.is_empty(), "{folder} has {unknown:?}: declare reasons in crates/api, with what to do");
    }
}

#[test]
fn every_word_that_is_declared_is_given_by_something() {
    let declared = Regex::new(r"(?m)^        ([A-Z_]+) = ").unwrap();
    let folders = ["judge", "analysis", "planner", "operator"].map(|name| format!("crates/{name}/src"));
    let code = folders.map(|folder| code(Path::new(&folder))).concat();
    let named = Regex::new(r"::([A-Z_]+)").unwrap();
    let given: BTreeSet<_> = named.captures_iter(&code).filter_map(|it| it.get(1)).map(|it| it.as_str()).collect();
    for file in ["crates/api/src/condition.rs", "crates/api/src/verdict.rs"] {
        let text = fs::read_to_string(file).unwrap();
        let constants = declared.captures_iter(&text).filter_map(|found| found.get(1)).map(|found| found.as_str());
        let unused: Vec<_> = constants.filter(|constant| !given.contains(constant)).collect();
        assert!(text.contains(" = \"") && unused.is_empty(), "{file} declares {unused:?}, which nothing gives");
    }
}
