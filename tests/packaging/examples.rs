//! Every example is a Rollout that the operator takes as it is written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tidegate_api::{Rollout, validate};

use crate::render::{documents, repository};

#[test]
fn every_example_is_valid() {
    let mut count = 0;
    for path in files(&repository("examples")) {
        for document in documents(&fs::read_to_string(&path).unwrap()) {
            if document["kind"] != "Rollout" {
                continue;
            }
            let rollout: Rollout =
                serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(validate(&rollout), Ok(()), "{}", path.display());
            assert_kept(&document, &serde_json::to_value(&rollout).unwrap(), &path.display().to_string());
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} examples were found");
}

/// All YAML files in a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let within = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(within).filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// A field that the API does not know would be dropped in silence.
fn assert_kept(written: &Value, read: &Value, place: &str) {
    match written {
        Value::Object(fields) => {
            for (name, value) in fields {
                let kept = read.get(name).unwrap_or_else(|| panic!("{place}.{name} is not a field of the API"));
                assert_kept(value, kept, &format!("{place}.{name}"));
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                assert_kept(value, &read[index], &format!("{place}[{index}]"));
            }
        }
        _ => {}
    }
}
