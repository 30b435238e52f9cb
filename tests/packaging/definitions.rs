//! `crds/` and the chart carry the definition that the Rust types give.

use std::{env, fs, path::Path};

/// Set by `make crds`: the files are written instead of compared.
const REGENERATE: &str = "TIDEGATE_WRITE_CRDS";

#[test]
fn the_definitions_in_the_repository_are_those_of_the_code() {
    for (file, definition) in tidegate::cli::crd::files().unwrap() {
        for folder in ["crds", "charts/tidegate/crds"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(&file);
            if env::var_os(REGENERATE).is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &definition).unwrap();
            }
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == definition, "{folder}/{file} is not what the types in crates/api say: run make crds");
        }
    }
}

#[test]
fn kustomize_knows_every_definition() {
    let kustomization = fs::read_to_string("crds/kustomization.yaml").unwrap();
    for (file, _) in tidegate::cli::crd::files().unwrap() {
        assert!(kustomization.contains(&file), "crds/kustomization.yaml has no {file}");
    }
}

#[test]
fn no_field_may_be_null_and_count_as_present() {
    let definition = tidegate::cli::crd::yaml().unwrap();
    let nullable: Vec<_> = definition.match_indices("nullable: true").collect();
    // The status itself is the one that kube makes nullable; no rule asks for it.
    assert_eq!(nullable.len(), 1, "{definition}");
}
