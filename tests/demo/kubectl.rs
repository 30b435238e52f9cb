//! The real kubectl, where there is one.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// kubectl, and the cluster that it talks to.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: TempDir,
}

impl Kubectl {
    /// The kubectl that `KUBECTL` names, or the one on the PATH. Without one the test is skipped, except on CI.
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = || env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|path| path.is_file());
        let program = env::var_os("KUBECTL").map(PathBuf::from).or_else(on_path);
        if program.is_none() {
            assert!(env::var("CI").as_deref() != Ok("true"), "there is no kubectl on the PATH");
            eprintln!("skipped: there is no kubectl on the PATH");
        }
        Some(Self { program: program?, kubeconfig: PathBuf::new(), cache: tempfile::tempdir().unwrap() })
    }

    /// The same, for the cluster of a kubeconfig.
    pub fn with(self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(self.cache.path()).args(arguments);
        command
    }

    /// What it prints; it has to succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let [printed, complaint] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "kubectl {}: {complaint}", arguments.join(" "));
        printed
    }

    /// Reads lines until one is as wanted.
    pub fn watch_until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = lines.any(|line| wanted(&line.unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "kubectl {} ended before it told what was waited for", arguments.join(" "));
    }
}
