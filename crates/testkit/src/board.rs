//! A webhook of a platform team: a change board, which answers for gates in the manner that a test says.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::{
    certificates,
    tls_server::{Asked, Response, serve},
};

/// The key that the board and the operator share.
const KEY: &str = "a key that both know";

/// A change board behind TLS; gone when dropped.
#[derive(Debug)]
pub struct Board {
    /// The file that tells an operator of it, under the name `board`.
    pub config: PathBuf,
    shared: Arc<Mutex<Shared>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    answer: Response,
    asked: Vec<Asked>,
}

impl Board {
    /// Opens one that says to wait, with keys of its own, in a folder of that name in `directory`.
    pub async fn open(directory: &Path, name: &str) -> Result<Self> {
        let directory = &directory.join(name);
        fs::create_dir_all(directory)?;
        certificates::write(directory)?;
        let answer = Response::json(200, r#"{"answer": "wait", "retryAfter": "1s"}"#.to_owned());
        let shared = Arc::new(Mutex::new(Shared { answer, asked: Vec::new() }));
        let known = shared.clone();
        let (url, task) = serve(directory, move |asked| {
            let mut shared = lock(&known);
            shared.asked.push(asked.clone());
            shared.answer.clone()
        })
        .await?;
        let key = directory.join("signing.key");
        fs::write(&key, format!("{KEY}\n"))?;
        let config = directory.join("webhooks.yaml");
        let [authority, key] = [&directory.join("ca.crt"), &key].map(|file| file.display().to_string());
        let endpoint = format!(
            "{{name: board, url: '{url}/changes', caFile: '{authority}', signingKeyFile: '{key}', timeout: 2s}}"
        );
        fs::write(&config, format!("endpoints: [{endpoint}]\n"))?;
        Ok(Self { config, shared, task })
    }

    /// From now on it answers with this.
    pub fn say(&self, answer: Response) {
        lock(&self.shared).answer = answer;
    }

    /// From now on it answers with `word`, and with a reason.
    pub fn says(&self, word: &str) {
        self.say(Response::json(
            200,
            format!(r#"{{"answer": "{word}", "message": "the board said {word}", "retryAfter": "1s"}}"#),
        ));
    }

    /// From now on it takes so long that nobody waits for it.
    pub fn hang(&self) {
        self.say(Response { after: Duration::from_secs(20), ..Response::json(200, r#"{"answer": "go"}"#.to_owned()) });
    }

    /// How often it was asked.
    #[must_use]
    pub fn times(&self) -> usize {
        lock(&self.shared).asked.len()
    }

    /// What it was asked last.
    ///
    /// # Errors
    /// It was asked nothing, or no JSON.
    pub fn last(&self) -> Result<(Asked, Value)> {
        let asked = lock(&self.shared).asked.last().cloned().context("the board was asked nothing")?;
        let body = serde_json::from_slice(&asked.body)?;
        Ok((asked, body))
    }

    /// Whether it was the operator who asked, by the signature.
    #[must_use]
    pub fn trusts(&self, asked: &Asked) -> bool {
        let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = [format!("{id}.{time}.").into_bytes(), asked.body.clone()].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        let given = header("webhook-signature").strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        given.is_some_and(|given| hmac::verify(&key, &signed, &given).is_ok())
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
