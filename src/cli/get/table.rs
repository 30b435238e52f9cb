//! The table that the API server makes of Rollouts: its columns are those of the CRD.

use serde::Deserialize;
use serde_json::Value;

use super::{ListMeta, Page};
use crate::cli::columns::aligned;

/// A part of a table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    /// Those above 0 are for a wide terminal.
    #[serde(default)]
    priority: i32,
}

#[derive(Debug, Deserialize)]
struct Row {
    cells: Vec<Value>,
    #[serde(default)]
    object: PartialObject,
}

#[derive(Debug, Default, Deserialize)]
struct PartialObject {
    #[serde(default)]
    metadata: Named,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

/// What is shown of a table.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// In which namespace each is.
    pub namespaces: bool,
    /// Those for a wide terminal, too.
    pub all: bool,
    /// The heads.
    pub heads: bool,
}

impl Page for Table {
    fn more(&self) -> Option<&str> {
        self.metadata.more()
    }
}

/// The rows of all pages below the heads of the first; nothing where there are none.
pub fn told(pages: &[Table], wanted: Columns) -> String {
    let Some(first) = pages.first() else { return String::new() };
    let shown: Vec<_> = first.column_definitions.iter().map(|column| wanted.all || column.priority == 0).collect();
    let namespace = |name: &str| wanted.namespaces.then(|| name.to_owned());
    let chosen = |cells: &mut dyn Iterator<Item = String>| -> Vec<String> {
        cells.zip(&shown).filter(|(_, is_shown)| **is_shown).map(|(cell, _)| cell).collect()
    };
    let mut heads = first.column_definitions.iter().map(|column| column.name.to_uppercase());
    let heads = [namespace("NAMESPACE").into_iter().collect(), chosen(&mut heads)].concat();
    let rows: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.rows)
        .map(|row| {
            let place = namespace(&row.object.metadata.namespace).into_iter().collect();
            [place, chosen(&mut row.cells.iter().map(cell))].concat()
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    aligned(&[if wanted.heads { vec![heads] } else { Vec::new() }, rows].concat())
}

/// One name for each line, as kubectl takes them.
pub fn names(pages: &[Table]) -> String {
    let rows = pages.iter().flat_map(|page| &page.rows);
    let name = |row: &Row| vec![format!("rollout.tidegate.dev/{}", row.object.metadata.name)];
    aligned(&rows.map(name).collect::<Vec<_>>())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(names: &[&str], token: &str) -> Table {
        let row = |name: &&str| json!({"cells": [name, "Stable", "7f9c", null], "object": {"metadata": {"name": name, "namespace": "shop"}}});
        let columns = [("Name", 0), ("Phase", 0), ("Stable", 1), ("Stage", 0)];
        let columns: Vec<_> =
            columns.iter().map(|(name, priority)| json!({"name": name, "priority": priority})).collect();
        let rows: Vec<_> = names.iter().map(row).collect();
        serde_json::from_value(json!({"metadata": {"continue": token}, "columnDefinitions": columns, "rows": rows}))
            .unwrap()
    }

    #[test]
    fn pages_are_one_table_and_columns_of_low_priority_are_for_wide_terminals() {
        let pages = [page(&["a", "b"], "on"), page(&["longer"], "")];
        assert_eq!((pages[0].more(), pages[1].more()), (Some("on"), None));
        let wanted = Columns { namespaces: false, all: false, heads: true };
        assert_eq!(told(&pages, wanted), "NAME    PHASE   STAGE\na       Stable\nb       Stable\nlonger  Stable\n");
        let wide = told(&pages[1..], Columns { namespaces: true, all: true, heads: true });
        assert_eq!(wide, "NAMESPACE  NAME    PHASE   STABLE  STAGE\nshop       longer  Stable  7f9c\n");
        assert_eq!(told(&pages[1..], Columns { heads: false, ..wanted }), "longer  Stable\n");
        assert_eq!(names(&pages[1..]), "rollout.tidegate.dev/longer\n");
    }

    #[test]
    fn nothing_is_no_table() {
        assert_eq!(told(&[page(&[], "")], Columns { namespaces: false, all: false, heads: true }), "");
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let told = told(&[page(&["a\u{1b}[2J\nb"], "")], Columns { namespaces: false, all: false, heads: false });
        assert_eq!(told, "a\\u{1b}[2J b  Stable\n");
    }
}
