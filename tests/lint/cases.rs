//! The findings, file by file.

use std::{collections::BTreeMap, fs};

use crate::command::{lint, repository};

fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(repository(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} is empty");
    names
}

#[test]
fn every_case_is_found_where_it_stands_and_nothing_else() {
    let folder = repository("tests/lint/cases");
    for file in files("tests/lint/cases") {
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        let head: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let flags = head.iter().find_map(|line| line.strip_prefix("flags: ")).unwrap_or_default();
        let expected: Vec<_> =
            head.iter().filter(|line| !line.starts_with("flags: ")).map(|line| format!("{file}:{line}")).collect();
        let outcome = lint(&folder, &flags.split_whitespace().chain([file.as_str()]).collect::<Vec<_>>());
        assert_eq!(outcome.printed.lines().collect::<Vec<_>>(), expected, "{file}");
        assert!(!expected.is_empty(), "{file} says nothing of what is found in it");
        let errors = expected.iter().any(|line| line.contains(": error: "));
        assert_eq!((outcome.code, outcome.complaint.as_str()), (i32::from(errors), ""), "{file}");
    }
}

#[test]
fn whatever_the_cluster_refuses_is_an_error_at_the_right_place() {
    let folder = repository("tests/packaging/invalid");
    let expected = fs::read_to_string(repository("tests/lint/refused.txt")).unwrap();
    let mut expected: BTreeMap<_, _> = expected.lines().map(|line| line.split_once(": ").unwrap()).collect();
    // All at once: that they want the same Deployment is found too, and says nothing here.
    let outcome = lint(&folder, &["."]);
    for file in files("tests/packaging/invalid") {
        let place =
            expected.remove(file.as_str()).unwrap_or_else(|| panic!("refused.txt does not say where {file} is wrong"));
        let (place, field) = place.split_once(' ').unwrap();
        let (start, end) = (format!("./{file}:{place}: error: "), format!(" ({field})"));
        let found = outcome.printed.lines().any(|line| line.starts_with(&start) && line.ends_with(&end));
        assert!(found, "nothing in {file} at {place}: {}", outcome.printed);
    }
    assert!(expected.is_empty(), "there is no such file: {expected:?}");
}

#[test]
fn every_example_is_clean() {
    let outcome = lint(&repository(""), &["--strict", "examples"]);
    assert_eq!((outcome.code, outcome.printed.as_str(), outcome.complaint.as_str()), (0, "", ""));
}
