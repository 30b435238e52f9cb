//! The five runbooks: each statement has one row in its table, and what carries it is there.

use std::{collections::BTreeSet, fs};

use regex::Regex;
use serde_json::Value;

use crate::render::{file, repository};

/// What a row may begin with that no field, command or document carries: a reason follows.
const EXPLAINED: [&str; 5] = ["Not the operator's: ", "Not needed: ", "Not yet: ", "Not yet, ", "[docs/"];

/// The fewest characters that a reason takes.
const SHORTEST_REASON: usize = 8;

/// The runbooks, by name.
fn runbooks() -> Vec<String> {
    let entries = fs::read_dir(repository("examples/runbooks")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names.len(), 5, "{names:?}");
    names
}

/// The statements of a runbook, each with its number.
fn statements(runbook: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository(&format!("examples/runbooks/{runbook}/statements.txt"))).unwrap();
    let numbered = |line: &str| line.split_once(". ").map(|(number, said)| (number.to_owned(), said.to_owned()));
    text.lines().map(|line| numbered(line).unwrap_or_else(|| panic!("{runbook}: {line}"))).collect()
}

/// The rows of its table: number, statement, and what carries it.
fn rows(runbook: &str) -> Vec<[String; 3]> {
    let text = fs::read_to_string(repository(&format!("docs/runbooks/{runbook}.md"))).unwrap();
    let cells = |line: &str| -> Option<[String; 3]> {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let mut cells = line.splitn(3, " | ").map(str::to_owned);
        let row = [cells.next()?, cells.next()?, cells.next()?];
        row[0].parse::<usize>().is_ok().then_some(row)
    };
    text.lines().filter_map(cells).collect()
}

/// The `spec` of its Rollout is in this object.
fn rollout(runbook: &str) -> Value {
    let objects = file(&format!("examples/runbooks/{runbook}/rollout.yaml"));
    objects.into_iter().find(|object| object["kind"] == "Rollout").unwrap()
}

/// What stands at a path such as `spec.stages.canary.weight`: an entry of a list goes by its name, or by its number.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, step| match value {
        Value::Array(entries) => {
            let named = entries.iter().find(|entry| entry["name"] == step);
            named.or_else(|| entries.get(step.parse::<usize>().ok()?))
        }
        _ => value.get(step),
    })
}

#[test]
fn every_statement_of_a_runbook_has_one_row_in_its_table() {
    for runbook in runbooks() {
        let statements = statements(&runbook);
        let numbers: Vec<_> = statements.iter().map(|(number, _)| number.parse::<usize>().unwrap()).collect();
        assert_eq!(numbers, (1..=statements.len()).collect::<Vec<_>>(), "{runbook}");
        let told: BTreeSet<_> = statements.iter().map(|(_, said)| said).collect();
        assert_eq!(told.len(), statements.len(), "{runbook} says something twice");
        let rows: Vec<_> = rows(&runbook).into_iter().map(|[number, said, _]| (number, said)).collect();
        assert_eq!(rows, statements, "{runbook}");
    }
}

#[test]
fn what_carries_a_statement_is_in_the_manifest_or_the_row_says_why_nothing_does() {
    let code = Regex::new("`([^`]+)`").unwrap();
    for runbook in runbooks() {
        let rollout = rollout(&runbook);
        for [number, said, carrier] in rows(&runbook) {
            let named: Vec<_> = code.captures_iter(&carrier).map(|found| found[1].to_owned()).collect();
            for path in named.iter().filter(|name| name.starts_with("spec.")) {
                assert!(at(&rollout, path).is_some(), "{runbook} {number}: {path} is not in its rollout.yaml");
            }
            for scenario in named.iter().filter(|name| name.split_once('.').is_some_and(|(_, kind)| kind == "yaml")) {
                let path = repository(&format!("examples/runbooks/{runbook}/scenarios/{scenario}"));
                assert!(path.exists(), "{runbook} {number}: there is no scenario {scenario}");
            }
            let reason = EXPLAINED.iter().find_map(|word| carrier.strip_prefix(word));
            let is_explained = reason.is_some_and(|reason| reason.len() >= SHORTEST_REASON);
            assert!(!named.is_empty() || is_explained, "{runbook} {number}: nothing carries {said:?}");
        }
    }
}

#[test]
fn the_overview_of_the_runbooks_counts_their_statements() {
    let text = fs::read_to_string(repository("docs/runbooks.md")).unwrap();
    for runbook in runbooks() {
        let row = text.lines().find(|line| line.contains(&format!("(runbooks/{runbook}.md)"))).unwrap();
        let count = format!("| {} |", statements(&runbook).len());
        assert!(row.ends_with(&count), "{row} does not end with {count}");
    }
}
