//! What kubectl printed, without what is of chance.

use std::sync::LazyLock;

use regex::Regex;

/// What is of chance, and what stands in its place.
const OF_CHANCE: [(&str, &str); 11] = [
    (r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000)", "TIME"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
    (r#"resourceVersion: "\d+""#, "resourceVersion: VERSION"),
    (r"\b10\.96\.\d+\.\d+", "ADDRESS"),
    (r"https?://127\.0\.0\.1:\d+", "SERVER"),
    (r"/tmp/\S*/?(LIVE|MERGED)-\d+", "$1"),
    (r"\b(web|once|nightly)-[a-z0-9]{5,10}(-[a-z0-9]{5})?\b", "$1-HASH"),
    (r"pod-template-hash([=:] ?)[a-z0-9]+", "pod-template-hash${1}HASH"),
    (r"(^|\s)(\d+[smh])+(\s|$)", "${1}AGE$3"),
    (r"[ \t]+", " "),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| OF_CHANCE.iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), *name)).collect());

/// `printed` with names in the place of what is of chance, and with single spaces.
pub fn normal(printed: &str) -> String {
    let mut lines: Vec<String> = printed.lines().map(normal_line).collect();
    lines.push(String::new());
    lines.join("\n")
}

fn normal_line(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    for (pattern, name) in PATTERNS.iter() {
        line = pattern.replace_all(&line, *name).into_owned();
    }
    line
}
