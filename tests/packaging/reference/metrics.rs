//! Every metric of the operator, as it is exposed.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use regex::Regex;
use tidegate_api::Phase;
use tidegate_operator::serve::Metrics;

use super::{cell, hold};
use crate::architecture::code;

/// What is exposed once everything has happened that is counted.
fn exposed() -> String {
    let metrics = Metrics::new();
    metrics.reconciled("ok", Duration::from_millis(30));
    metrics.phases([(Phase::Stable, 1)]);
    metrics.transition("Promoted");
    metrics.api_request("get", Some(200));
    metrics.prometheus_request("default", "ok");
    metrics.provider_request("default", "ok");
    metrics.notified("chat", "delivered", 1);
    metrics.notifications_pending([("chat".to_owned(), 0)]);
    metrics.leader(true);
    metrics.encode().unwrap()
}

/// The labels of the samples of `family`; nothing where it has no sample.
fn labels(text: &str, family: &str) -> Option<Vec<String>> {
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let sample = text.lines().find(|line| line.starts_with(family) && !line.starts_with('#'))?;
    let names = label.captures_iter(sample).filter_map(|found| found.get(1)).map(|name| format!("`{}`", name.as_str()));
    Some(names.filter(|name| name != "`le`").collect())
}

/// What the samples of a family of that type are called, by its name.
fn sampled(family: &str, kind: &str) -> String {
    let suffix = BTreeMap::from([("counter", "_total"), ("info", "_info")]);
    format!("{family}{}", suffix.get(kind).copied().unwrap_or_default())
}

#[test]
fn the_reference_has_every_metric_that_is_exposed() {
    let text = exposed();
    let mut page = String::from(
        "# Metrics\n\nWhat the operator exposes about itself at `/metrics`, port 8080 unless `--listen` says otherwise. No metric names an object, so that \
         there are as many series for ten thousand Rollouts as for ten. How the Rollouts fare is in their conditions and \
         events ([reasons.md](reasons.md)).\n\n| Metric | Type | Labels | Means |\n|---|---|---|---|\n",
    );
    let mut help = "";
    for line in text.lines().filter(|line| line.starts_with("# ")) {
        let mut words = line.splitn(4, ' ').skip(1);
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(_), Some(text)) => help = text,
            (Some("TYPE"), Some(family), Some(kind)) => {
                let labels = labels(&text, family).unwrap_or_else(|| panic!("nothing of {family} is shown above"));
                let (name, labels) = (sampled(family, kind), labels.join(", "));
                writeln!(page, "| `{name}` | {kind} | {labels} | {} |", cell(help)).unwrap();
            }
            _ => {}
        }
    }
    hold("metrics.md", &page);
}

#[test]
fn every_metric_that_is_registered_is_among_those_of_the_reference() {
    let registered = Regex::new(r#"\.register(?:_with_unit)?\(\s*"(\w+)""#).unwrap();
    let (text, code) = (exposed(), code(Path::new("crates/operator/src")));
    let names: Vec<_> =
        registered.captures_iter(&code).filter_map(|found| found.get(1)).map(|it| it.as_str()).collect();
    assert!(names.contains(&"leader"), "{names:?}");
    // What has no sample is not exposed.
    let hidden: Vec<_> = names.iter().filter(|name| !text.contains(&format!("# TYPE tidegate_{name}"))).collect();
    assert!(hidden.is_empty(), "{hidden:?} are not counted above: the reference has none of them");
}
