//! People who have the dashboard open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use tidegate_testkit::wait::until;
use tokio::task::JoinSet;

/// They read all that they are told, until dropped.
pub struct Readers {
    count: usize,
    bytes: Arc<AtomicU64>,
    tasks: JoinSet<Result<()>>,
}

impl Readers {
    /// Has `count` people, each under a name of their own, look at the dashboard at `address`.
    pub async fn open(address: &str, count: usize) -> Result<Self> {
        let (bytes, mut tasks) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        for number in 0..count {
            let http = reqwest::Client::builder().no_proxy().build()?;
            let page = http.get(format!("http://{address}/api/events")).bearer_auth(format!("reader-{number}"));
            let bytes = bytes.clone();
            tasks.spawn(async move {
                let mut answer = page.send().await?.error_for_status()?;
                while let Some(part) = answer.chunk().await? {
                    bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        let readers = Self { count, bytes, tasks };
        if count > 0 {
            let told = || async { (readers.told() > 0).then_some(()) };
            until("readers to be told something", Duration::from_secs(30), told).await?;
        }
        Ok(readers)
    }

    /// Says what they were told. None of them may have been left.
    pub fn close(mut self) -> Result<()> {
        if self.count > 0 {
            let left = self.tasks.try_join_next();
            ensure!(left.is_none(), "a reader was left: {left:?}");
            println!("{} readers were told {} MiB", self.count, self.told() >> 20);
        }
        Ok(())
    }

    fn told(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
