//! The running demo.

use std::{
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

/// A demo. Dropping it ends it.
pub struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    told: String,
    kubeconfig: PathBuf,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("demo").args(arguments);
    command
}

impl Demo {
    /// Starts a demo and waits until it has told where its kubeconfig is.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut demo = Self { child, lines, told: String::new(), kubeconfig: PathBuf::new() };
        while let Some(line) = demo.read() {
            if let Some((_, rest)) = line.split_once("--kubeconfig ") {
                demo.kubeconfig = rest.split_whitespace().next().unwrap().into();
                return demo;
            }
        }
        panic!("the demo ended before it told where its kubeconfig is: {}", demo.told)
    }

    /// The exit code and the complaint of a demo that does not start.
    pub fn refused(arguments: &[&str]) -> (Option<i32>, String) {
        let output = command(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Where its kubeconfig is.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// What another command prints about the demo's cluster.
    pub fn tidegate(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.args(arguments).env("KUBECONFIG", &self.kubeconfig).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// Does what Ctrl-C does.
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end: the exit code, and all that it told.
    pub fn end(mut self) -> (Option<i32>, String) {
        while self.read().is_some() {}
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.told))
    }

    fn read(&mut self) -> Option<String> {
        let line = self.lines.next()?.unwrap();
        self.told.push_str(&line);
        self.told.push('\n');
        Some(line)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself. If not, it removes its kubeconfig when it is asked to end.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}
