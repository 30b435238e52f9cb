//! The tools of people who want to know: a pager that takes events as PagerDuty does, and a board that takes everything.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::{
    certificates,
    tls_server::{Response, serve},
};

/// Both behind TLS; gone when dropped.
#[derive(Debug)]
pub struct Receivers {
    /// The file that tells an operator of them: pages go to `pager`, and everything to `board`.
    pub config: PathBuf,
    shared: Arc<Mutex<Shared>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    board_is_well: bool,
    pages: Vec<Value>,
    notices: Vec<Value>,
}

impl Receivers {
    /// Opens both, with keys of their own, in a folder of that name in `directory`. The board answers 503 for now.
    ///
    /// # Errors
    /// The files cannot be written, or there is no port.
    pub async fn open(directory: &Path, name: &str) -> Result<Self> {
        let directory = &directory.join(name);
        fs::create_dir_all(directory)?;
        certificates::write(directory)?;
        let shared = Arc::new(Mutex::new(Shared { board_is_well: false, pages: Vec::new(), notices: Vec::new() }));
        let known = shared.clone();
        let (url, task) = serve(directory, move |asked| {
            let mut shared = lock(&known);
            let body = serde_json::from_slice(&asked.body).unwrap_or_default();
            if asked.path.starts_with("/pager/") {
                shared.pages.push(body);
            } else if shared.board_is_well {
                shared.notices.push(body);
            } else {
                return Response::json(503, "{}".to_owned());
            }
            Response::json(202, "{}".to_owned())
        })
        .await?;
        let key = directory.join("routing.key");
        fs::write(&key, "0123456789abcdef0123456789abcdef\n")?;
        let config = directory.join("notifications.yaml");
        let [authority, key] = [&directory.join("ca.crt"), &key].map(|file| file.display().to_string());
        let text = format!(
            "receivers:\n- name: pager\n  pagerDuty: {{url: '{url}/pager', routingKeyFile: '{key}', caFile: '{authority}'}}\n\
             - name: board\n  webhook: {{url: '{url}/board', caFile: '{authority}'}}\n\
             routes:\n- {{receivers: [pager], severity: [Page], continue: true}}\n- {{receivers: [board]}}\n"
        );
        fs::write(&config, text)?;
        Ok(Self { config, shared, task })
    }

    /// From now on the board takes what it is told.
    pub fn mend_board(&self) {
        lock(&self.shared).board_is_well = true;
    }

    /// The events that the pager took, in order.
    #[must_use]
    pub fn pages(&self) -> Vec<Value> {
        lock(&self.shared).pages.clone()
    }

    /// The notices that the board took, in order.
    #[must_use]
    pub fn notices(&self) -> Vec<Value> {
        lock(&self.shared).notices.clone()
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
