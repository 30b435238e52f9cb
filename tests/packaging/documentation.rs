//! The documentation that comes with it.

use std::fs;

use regex::Regex;

use crate::{
    printed::documents,
    render::{file, repository},
};

/// The names by which a document's headings are linked to.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let kept = |c: char| (c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).then_some(c);
    let name = |heading: &str| {
        let kept: String = heading.trim_start_matches('#').trim().to_lowercase().chars().filter_map(kept).collect();
        kept.replace(' ', "-")
    };
    headings.map(name).collect()
}

/// Who looks for the first time reads one page.
const LONGEST_README: usize = 220;

#[test]
fn the_readme_is_one_page() {
    let lines = fs::read_to_string("README.md").unwrap().lines().count();
    assert!(lines <= LONGEST_README, "README.md has {lines} lines: move what is for later into docs");
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    // A regular expression may look like one.
    let code = Regex::new("`[^`\n]*`").unwrap();
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let prose = code.replace_all(&text, "");
        let links = link.captures_iter(&prose).filter_map(|found| found.get(1)).map(|found| found.as_str());
        for target in links.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { document.clone() } else { document.with_file_name(file) };
            let found = if anchor.is_empty() {
                path.exists()
            } else {
                fs::read_to_string(&path).is_ok_and(|text| anchors(&text).iter().any(|name| name == anchor))
            };
            if !found {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_of_release_plans_has_every_field_of_one() {
    let definition = file("crds/tidegate.dev_rollouts.yaml").remove(0);
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let text = fs::read_to_string(repository("docs/plans.md")).unwrap();
    let table = text.split("## ").find(|section| section.starts_with("All fields")).unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).collect();
    let has = |prefix: &str, field: &str| {
        let (whole, short) = (format!("`{prefix}{field}"), format!("`.{field}`"));
        rows.iter().any(|row| row.contains(&whole) || row.contains(&format!("`{prefix}")) && row.contains(&short))
    };
    let whole_gate = &spec["gates"]["properties"]["start"]["items"];
    let gate = &whole_gate["properties"];
    for (prefix, fields) in [
        ("stages[].", &spec["stages"]["items"]),
        ("gates.", &spec["gates"]),
        ("schedule.", &spec["schedule"]),
        ("rollbackWindow.", &spec["rollbackWindow"]),
        ("watch.", &spec["watch"]),
        ("", whole_gate),
        ("approval.", &gate["approval"]),
        ("query.", &gate["query"]),
        ("webhook.", &gate["webhook"]),
        ("job.", &gate["job"]),
        ("rollouts[].", &gate["rollouts"]["items"]),
    ] {
        for field in fields["properties"].as_object().unwrap().keys() {
            assert!(has(prefix, field), "docs/plans.md has no row for {prefix}{field}");
        }
    }
}
