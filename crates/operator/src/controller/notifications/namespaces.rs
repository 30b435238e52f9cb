//! The labels of namespaces, by which receivers may be chosen.

use std::{collections::HashMap, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tidegate_notify::Labels;
use tokio::time::Instant;

use crate::controller::error::CallError;

/// Labels that were read are good for so long.
const GOOD: Duration = Duration::from_mins(5);
/// After a failure, nobody is asked for so long.
const PAUSE: Duration = Duration::from_secs(10);

/// What is known of namespaces. Nothing is asked where no route goes by labels.
pub struct Namespaces {
    api: Option<Api<Namespace>>,
    known: HashMap<String, (Instant, Labels)>,
    failed: Option<Instant>,
}

impl Namespaces {
    /// Asks by `client`, if anybody wants to know.
    pub fn new(client: &Client, is_wanted: bool) -> Self {
        Self { api: is_wanted.then(|| Api::all(client.clone())), known: HashMap::new(), failed: None }
    }

    /// The labels of a namespace, even old ones where it cannot be read; nothing where it never could. Those of one that is
    /// gone are none.
    pub async fn labels(&mut self, name: &str) -> Option<Labels> {
        let Some(api) = &self.api else { return Some(Labels::new()) };
        if let Some((_, labels)) = self.known.get(name).filter(|(read, _)| read.elapsed() < GOOD) {
            return Some(labels.clone());
        }
        let old = self.known.get(name).map(|(_, labels)| labels.clone());
        if !self.may_ask_again() {
            return old;
        }
        match api.get_metadata_opt(name).await {
            Ok(found) => {
                let labels = found.and_then(|found| found.metadata.labels).unwrap_or_default();
                self.failed = None;
                self.known.insert(name.to_owned(), (Instant::now(), labels.clone()));
                Some(labels)
            }
            Err(error) => {
                self.failed = Some(Instant::now());
                let why = CallError::words(&error);
                tracing::warn!(namespace = name, "notifications wait for the labels of the namespace: {why}");
                old
            }
        }
    }

    /// Whether the last failure is long enough ago.
    pub fn may_ask_again(&self) -> bool {
        self.failed.is_none_or(|failed| failed.elapsed() >= PAUSE)
    }
}
