//! The real `tidegate` binary, run as its own process under its own service account.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{cluster::SYSTEM_NAMESPACE, ports, process::Process};

const START: Duration = Duration::from_secs(30);

/// How to run the operator.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Distinguishes its log from those of others.
    pub name: String,
    /// The name of its lease.
    pub lease: String,
    /// The namespace that it watches; all of them without it.
    pub namespace: Option<String>,
    /// Its service account's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The file that names the Prometheus endpoints.
    pub prometheus: PathBuf,
    /// The file that names the webhooks, where there are any.
    pub webhooks: Option<PathBuf>,
    /// The file that says who is told what, where anybody is. Its record has the name of its lease.
    pub notifications: Option<PathBuf>,
    /// Where its log goes.
    pub directory: PathBuf,
}

/// A running operator; killed when dropped.
#[derive(Debug)]
pub struct RunningOperator {
    how: Operator,
    process: Process,
    /// Where it serves health and metrics.
    pub url: String,
}

impl Operator {
    /// Starts it.
    pub fn start(&self) -> Result<RunningOperator> {
        let address = format!("127.0.0.1:{}", ports::free()?);
        let mut arguments: Vec<&OsStr> = vec![
            "run".as_ref(),
            "--prometheus-config".as_ref(),
            self.prometheus.as_ref(),
            "--listen".as_ref(),
            address.as_ref(),
            "--lease-namespace".as_ref(),
            SYSTEM_NAMESPACE.as_ref(),
            "--lease-name".as_ref(),
            self.lease.as_ref(),
            "--log".as_ref(),
            "info,tidegate=debug".as_ref(),
        ];
        if let Some(namespace) = &self.namespace {
            arguments.extend([OsStr::new("--namespace"), namespace.as_ref()]);
        }
        if let Some(webhooks) = &self.webhooks {
            arguments.extend([OsStr::new("--webhooks-config"), webhooks.as_ref()]);
        }
        if let Some(notifications) = &self.notifications {
            arguments.extend(["--notifications".as_ref(), notifications.as_os_str()]);
            arguments.extend(["--notifications-record".as_ref(), OsStr::new(&self.lease)]);
        }
        let environment = [("KUBECONFIG", self.kubeconfig.as_os_str())];
        let process = Process::start(&program()?, arguments, &environment, (&self.name, &self.directory))?;
        Ok(RunningOperator { how: self.clone(), process, url: format!("http://{address}") })
    }
}

/// The operator's binary, which lies beside the folder of the tests' own.
fn program() -> Result<PathBuf> {
    let tests = env::current_exe()?;
    let beside = tests.parent().and_then(Path::parent).map(|folder| folder.join("tidegate"));
    beside.filter(|program| program.is_file()).with_context(|| format!("no binary lies beside {}", tests.display()))
}

impl RunningOperator {
    /// Waits until `/readyz` answers 200.
    pub async fn ready(&self, http: &reqwest::Client) -> Result<()> {
        let url = format!("{}/readyz", self.url);
        let answers = || async { http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) };
        self.process.until_ready(START, answers).await
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGTERM; it must end by itself, and well.
    pub async fn terminate(&self) -> Result<()> {
        let status = self.process.terminate(Duration::from_secs(10)).await?;
        ensure!(status.success(), "the operator ended with {status} on SIGTERM:\n{}", self.log());
        Ok(())
    }

    /// Kills it, if it still runs, and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        *self = self.how.start()?;
        Ok(())
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        self.process.tail(40)
    }
}
