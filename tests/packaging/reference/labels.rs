//! Every name by which Tidegate marks objects, and finds them.

use std::{fmt::Write as _, path::Path};

use regex::Regex;
use tidegate_api::{
    Described,
    metadata::{GROUPS, MANAGER_PREFIX, OWN_PREFIX},
};
use tidegate_planner::workload::steering::{LABELS, NOT_COPIED};

use super::{bullets, hold, unwrapped};
use crate::{architecture::code, render::file};

fn code_span(key: &str) -> String {
    format!("`{key}`")
}

#[test]
fn the_reference_has_every_name_that_is_written_or_read() {
    let mut page = format!(
        "# Names on objects\n\nWhat Tidegate writes onto objects of the cluster, and what it reads there. Keys that begin \
         with `{OWN_PREFIX}`, and field managers that begin with `{MANAGER_PREFIX}`, are its own. The endpoints of Prometheus come from a file; chart \
         and kustomization keep it in ConfigMap `{}`.\n\n",
        file("deploy/prometheus.yaml")[0]["metadata"]["name"].as_str().unwrap()
    );
    for group in GROUPS {
        write!(page, "## {}\n\n| Name | Is there for |\n|---|---|\n", group.about.trim()).unwrap();
        for Described { name, meaning } in group.names {
            writeln!(page, "| `{name}` | {} |", unwrapped(meaning)).unwrap();
        }
        page.push('\n');
    }
    let (labels, annotations) = (bullets(LABELS.map(code_span)), bullets(NOT_COPIED.map(code_span)));
    write!(
        page,
        "## Copied from the Service\n\nThe two Services of a rollout have those labels of the Rollout's Service that steer \
         traffic, whose keys begin with\n\n{labels}\nand its annotations, but for those whose keys begin with\n\n\
         {annotations}"
    )
    .unwrap();
    hold("labels.md", &page);
}

#[test]
fn no_name_is_spelled_where_it_is_not_explained() {
    let name = Regex::new(r#""(tidegate(?:\.dev/|-)[^"]*)""#).unwrap();
    for folder in ["crates/judge/src", "crates/analysis/src", "crates/planner/src", "crates/operator/src"] {
        let code = code(Path::new(folder));
        let found: Vec<_> = name.captures_iter(&code).filter_map(|found| found.get(1)).map(|it| it.as_str()).collect();
        assert!(found.is_empty(), "{folder} has {found:?}: declare names in crates/api/src/metadata.rs");
    }
}
