//! Child processes that never outlive the tests, however those end.

use std::{
    ffi::OsStr,
    fs::OpenOptions,
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::wait::until;

/// How much garbage those in Go let grow, in percent of what is in use, 100 by default: a seventh of the API server's time
/// went into collecting what fits into memory many times over (<https://go.dev/doc/gc-guide#GOGC>).
const GOGC: &str = "400";

/// A running program, its output in a log file. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; its output is appended to `<name>.log` in `directory`.
    ///
    /// The kernel kills the child when the thread that started it ends, so start children from the runtime's own
    /// threads: those live as long as the rig.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &OsStr)],
        (name, directory): (&str, &Path),
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let child = dying_with_its_parent(program)
            .args(arguments)
            .env("GOGC", GOGC)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} does not start from {}", program.display()))?;
        Ok(Self { name: name.to_owned(), child: Mutex::new(child), log })
    }

    /// Its exit status, once it has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Says why it ended, if it did.
    fn ensure_running(&self) -> Result<()> {
        let ended = self.ended();
        ensure!(ended.is_none(), "{} ended with {ended:?}; its last words:\n{}", self.name, self.tail(20));
        Ok(())
    }

    /// Waits until `probe` says that it is ready; an early end is told with its last words.
    pub async fn until_ready<F>(&self, deadline: Duration, mut probe: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        let look = || {
            let probe = probe();
            async move {
                match self.ensure_running() {
                    Ok(()) => probe.await.then_some(Ok(())),
                    ended => Some(ended),
                }
            }
        };
        let what = format!("{} to be ready", self.name);
        until(&what, deadline, look).await.with_context(|| self.tail(20))?
    }

    /// SIGKILL: no last words.
    pub fn kill(&self) {
        let mut child = self.child();
        // Fails only when it has already ended, which is what was wanted.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(&self, deadline: Duration) -> Result<ExitStatus> {
        let pid = self.child().id();
        Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status()?;
        until(&format!("{} to end", self.name), deadline, || async { self.ended() }).await
    }

    /// The last lines of its log.
    pub fn tail(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<_> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `setpriv` (util-linux) has the kernel kill the child with its parent. Without it a killed test run leaves its
/// children behind; everything else works.
fn dying_with_its_parent(program: &Path) -> Command {
    match super::assets::on_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}
