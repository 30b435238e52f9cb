//! The manifest for krew, as a release writes it: what krew asks of it, and that it speaks of the archives beside it.
//!
//! <https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::render::repository;

/// Packs a plugin that says hello, for one platform.
fn dist(folder: &Path, platform: &str, downloads: &str) -> Output {
    let binary = folder.join("plugin");
    fs::write(&binary, "#!/bin/sh\necho hello\n").unwrap();
    let arguments = ["0.1.0", platform, downloads, "https://tidegate.example.com"];
    Command::new(repository("deploy/krew/dist")).arg(&binary).args(arguments).arg(folder.join("out")).output().unwrap()
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_manifest_for_krew_has_what_krew_asks_for_and_names_the_archives_of_the_release() {
    let folder = tempfile::tempdir().unwrap();
    for platform in ["linux/amd64", "linux/arm64"] {
        let output = dist(folder.path(), platform, "https://downloads.example.com/v0.1.0/");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let out = folder.path().join("out");
    let text = fs::read_to_string(out.join("tidegate.yaml")).unwrap();
    let manifest: Value = serde_saphyr::from_str(&text).unwrap();
    let head =
        [&manifest["apiVersion"], &manifest["kind"], &manifest["metadata"]["name"], &manifest["spec"]["version"]];
    assert_eq!(head, ["krew.googlecontainertools.github.com/v1alpha2", "Plugin", "tidegate", "v0.1.0"]);
    assert_eq!(manifest["spec"]["homepage"], "https://tidegate.example.com");
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    // krew's list has room for so much, and wants no full stop.
    assert!(!short.is_empty() && short.len() <= 50 && !short.ends_with('.'), "{short}");
    let lines = ["description", "caveats"].map(|field| manifest["spec"][field].as_str().unwrap());
    assert!(lines.iter().all(|text| text.lines().all(|line| line.len() <= 80)), "{lines:?}");
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let selected: Vec<_> = platforms.iter().map(|platform| platform["selector"]["matchLabels"].clone()).collect();
    assert_eq!(selected, [json!({"os": "linux", "arch": "amd64"}), json!({"os": "linux", "arch": "arm64"})]);
    for platform in platforms {
        let archive = platform["uri"].as_str().unwrap().strip_prefix("https://downloads.example.com/v0.1.0/").unwrap();
        let sum = printed(Command::new("sha256sum").arg(out.join(archive)));
        assert_eq!(sum.split(' ').next(), platform["sha256"].as_str());
        let files = printed(Command::new("tar").arg("--list").arg("--file").arg(out.join(archive)));
        let wanted = platform["files"].as_array().unwrap().iter().map(|file| file["from"].as_str().unwrap());
        assert_eq!(files.lines().collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        assert_eq!(platform["bin"], "kubectl-tidegate");
    }
    let capitals = ["VERSION", "HOMEPAGE", "DOWNLOADS", "ARCHIVE", "SHA256", "OS\n", "ARCH\n"];
    assert!(capitals.iter().all(|left| !text.contains(left)), "{text}");
}

#[test]
fn the_same_files_make_the_same_archive() {
    let sums = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        assert!(dist(folder.path(), "linux/amd64", "https://downloads.example.com").status.success());
        let archive = folder.path().join("out/kubectl-tidegate-0.1.0-linux-amd64.tar.gz");
        fs::read(archive).unwrap()
    });
    assert!(sums[0] == sums[1]);
}

#[test]
fn without_an_address_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = dist(folder.path(), "linux/amd64", "");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("nothing is no https:// address"), "{told}");
    assert!(!folder.path().join("out").exists());
}
