//! The oldest Rust that builds it. What of the standard library came later, clippy finds (`incompatible_msrv`).

use std::{env, process::Command};

use serde_json::Value;

/// `1.92` or `1.92.0`, so that the later one is the greater.
fn version(text: &str) -> [u32; 3] {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap());
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[test]
fn no_dependency_asks_for_a_newer_rust() {
    let arguments = ["metadata", "--locked", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"];
    let output = Command::new(env::var_os("CARGO").unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let asked = |package: &Value| version(package["rust_version"].as_str().unwrap_or("1"));
    let own = packages.iter().find(|package| package["name"] == "tidegate").map(asked).unwrap();
    let newer: Vec<_> = packages.iter().filter(|package| asked(package) > own).map(|it| &it["id"]).collect();
    assert!(packages.len() > 100 && newer.is_empty(), "{newer:?}");
}
