//! A webhook that answers for gates, in the manner that a scenario says: a change board of a platform team.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{BoxFuture, pending};
use jiff::Timestamp;
use serde::Deserialize;
use tidegate_webhook::{Answer, Question, WebhookError, Webhooks};

/// How it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Manner {
    /// Go on.
    #[default]
    Go,
    /// Not yet.
    Wait,
    /// No.
    Stop,
    /// Not at all, until the question is given up.
    Hang,
    /// With a status that says that it failed.
    Fail,
}

/// A webhook, whatever it is called. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Manner>>);

/// How long a question is waited for, as a real one is.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Board {
    /// From now on it answers like this.
    pub fn set_manner(&self, manner: Manner) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    fn manner(&self) -> Manner {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Webhooks for Board {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a Question,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, WebhookError>> {
        Box::pin(async move {
            match self.manner() {
                Manner::Go => Ok(Answer::Go("the board says yes".to_owned())),
                Manner::Wait => Ok(Answer::Wait("the board has not met".to_owned(), TIMEOUT)),
                Manner::Stop => Ok(Answer::Stop("the board says no".to_owned())),
                Manner::Fail => Err(WebhookError::Status(503)),
                Manner::Hang => {
                    let hung = tokio::time::timeout(TIMEOUT, pending()).await;
                    hung.unwrap_or_else(|_| Err(WebhookError::Timeout(TIMEOUT.into())))
                }
            }
        })
    }
}
