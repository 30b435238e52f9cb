//! `docs/reference` says what the code says: each page is printed from the lists and types that the code itself uses.

use std::{env, fs};

use crate::render::repository;

mod api;
mod labels;
mod metrics;
mod reasons;
mod routes;

/// Set by `make reference`: the pages are written instead of compared.
const REWRITE: &str = "TIDEGATE_WRITE_REFERENCE";

/// What stands at the top of each page.
const NOTE: &str = "<!-- Printed from the code by `make reference`: change it there. -->\n\n";

fn hold(page: &str, text: &str) {
    let path = repository("docs/reference").join(page);
    let text = format!("{NOTE}{text}");
    if env::var_os(REWRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/reference/{page} is not what the code says: run make reference");
}

/// Text that was wrapped to fit into the code, in one line.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text as it stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A list, a line to each of `items`.
fn bullets(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines: Vec<_> = items.into_iter().map(|item| format!("- {}\n", item.as_ref())).collect();
    lines.concat()
}
