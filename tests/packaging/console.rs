//! The simulations and the findings that the documentation prints.

use std::{env, fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    printed::{documents, hold},
    render::repository,
};

/// A folder with the examples of the repository, and the files that `document` speaks of.
fn folder(document: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository("examples"), folder.path().join("examples")).unwrap();
    let files = repository("tests/packaging/console").join(document.file_stem().unwrap());
    for file in fs::read_dir(files).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    folder
}

/// What `tidegate` says to these arguments, with what the environment says besides.
fn tidegate(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).envs(environment.iter().copied()).env_remove("COLUMNS").current_dir(folder);
    let output = command.output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(complaint, "", "tidegate {}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn simulations_and_findings_in_the_documentation_are_what_is_printed() {
    let count = hold(
        &["tidegate simulate", "tidegate lint"],
        |printed, found| printed == found,
        |document, arguments| tidegate(folder(document).path(), arguments, &[]),
    );
    assert!(count >= 5, "only {count} commands were found");
}

#[test]
fn every_rollout_in_the_documentation_is_without_errors() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
        for block in blocks.filter(|block| block.contains("kind: Rollout")) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("it.yaml"), block).unwrap();
            let found = tidegate(folder.path(), &["lint", "it.yaml"], &[]);
            assert!(!found.contains(": error: "), "{}: {found}{block}", document.display());
            count += 1;
        }
    }
    assert!(count >= 2, "only {count} were found");
}

/// The C library takes another way to logarithms and cosines on processors that multiply and add at once.
#[test]
fn a_seed_gives_the_same_on_processors_that_reckon_otherwise() {
    let older = [("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F")];
    for scenario in ["examples/bad-canary-at-night/scenario.yaml", "examples/slow-canary/scenario.yaml"] {
        let arguments = ["simulate", "--scenario", scenario, "-o", "json", "--seed", "5"];
        let [here, there] = [&[][..], &older].map(|environment| tidegate(&repository(""), &arguments, environment));
        assert!(here == there, "{scenario}");
    }
}
