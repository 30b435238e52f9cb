//! Runs the renderers that users run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

pub fn file(path: &str) -> Vec<Value> {
    documents(&fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// What `kubectl kustomize` says of a directory; nothing where kubectl is missing, or from before 1.21, which knows no
/// components.
pub fn kustomization(directory: &str) -> Option<Vec<Value>> {
    let kubectl = env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    if minor_version(&kubectl).is_none_or(|minor| minor < 21) {
        return missing("kubectl 1.21 or later (KUBECTL)");
    }
    let output = Command::new(kubectl).arg("kustomize").arg(repository(directory)).output().unwrap();
    assert!(output.status.success(), "{directory}: {}", String::from_utf8_lossy(&output.stderr));
    Some(documents(&String::from_utf8(output.stdout).unwrap()))
}

fn minor_version(kubectl: &str) -> Option<u32> {
    let output = Command::new(kubectl).args(["version", "--client", "--output=json"]).output().ok()?;
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(version["clientVersion"]["minor"].as_str().unwrap().trim_end_matches('+').parse().unwrap())
}

/// What Helm 3 and Helm 4 answer to `arguments` in the folder of the chart: one answer for each that is there.
pub fn helm(arguments: &[&str]) -> Vec<Result<String, String>> {
    let known = [("HELM", "helm"), ("HELM4", "helm4")];
    let binaries = known.map(|(variable, binary)| env::var(variable).unwrap_or_else(|_| binary.to_owned()));
    let answer = |binary: &String| {
        let Ok(output) = Command::new(binary).args(arguments).current_dir(repository("charts")).output() else {
            return missing(binary);
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Some(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
    };
    binaries.iter().filter_map(answer).collect()
}

/// What the chart becomes as release `tidegate` in `tidegate-system`, with values such as `replicas=3`, by each Helm.
pub fn chart(values: &[&str]) -> Vec<Vec<Value>> {
    let mut arguments = vec!["template", "tidegate", "tidegate", "--namespace", "tidegate-system", "--include-crds"];
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    let rendered = helm(&arguments).into_iter();
    rendered.map(|text| documents(&text.unwrap_or_else(|error| panic!("{values:?}: {error}")))).collect()
}

fn missing<T>(tool: &str) -> Option<T> {
    assert!(env::var("CI").as_deref() != Ok("true"), "on CI nothing may be skipped, and {tool} is missing");
    eprintln!("skipped: {tool} is missing");
    None
}

pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

pub fn has_kind(objects: &[Value], kind: &str) -> bool {
    objects.iter().any(|object| object["kind"] == kind)
}
