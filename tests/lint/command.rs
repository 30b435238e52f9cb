//! Runs the built binary.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What came of it.
pub struct Outcome {
    pub code: i32,
    pub printed: String,
    pub complaint: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or_else(|| panic!("{:?}", output.status)),
            printed: String::from_utf8(output.stdout).unwrap(),
            complaint: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("lint").args(arguments).current_dir(folder);
    command
}

/// `tidegate lint` with these arguments, in this folder.
pub fn lint(folder: &Path, arguments: &[&str]) -> Outcome {
    command(folder, arguments).output().unwrap().into()
}

/// The same, with a text on the standard input.
pub fn lint_text(text: &str, arguments: &[&str]) -> Outcome {
    let mut command = command(&repository(""), arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}
