//! Keeps a page up to date, by server-sent events.
//!
//! Nothing waits for anybody: a page is given what is newer than what it has, when it is ready to read, and at most twice a
//! second.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures::stream;
use http::{
    HeaderMap,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    access::Caller,
    refusal::Refusal,
    routes::Dashboard,
    store::{Key, News},
};

/// So often a page is told something, at most.
const PACE: Duration = Duration::from_millis(500);

/// So often it is told at least what time it is: it sees by this that it is still spoken to.
const QUIET: Duration = Duration::from_secs(10);

/// After so long whoever looks is asked anew who they are.
const AGAIN: Duration = Duration::from_mins(1);

/// So many Rollouts are in one event.
const ROWS: usize = 500;

/// What a page is told.
#[derive(Serialize)]
struct Told<'a> {
    /// What time it is in the cluster.
    now: Timestamp,
    /// What it knew is to be forgotten.
    reset: bool,
    /// Rollouts that are new, or other than before.
    rows: Vec<&'a RawValue>,
    /// Rollouts that are gone.
    gone: Vec<String>,
    /// It now knows all.
    complete: bool,
    /// The cluster cannot be read.
    trouble: Option<Value>,
}

/// Somebody who looks.
struct Onlooker {
    dashboard: Arc<Dashboard>,
    headers: HeaderMap,
    caller: Caller,
    asked: Instant,
    changes: watch::Receiver<u64>,
    /// Up to which version they have been told everything; nothing at first, and where too much was missed.
    seen: Option<u64>,
    /// What they might see when they were last told something.
    visible: BTreeMap<String, bool>,
    next: Instant,
    is_partial: bool,
    is_over: bool,
    _turn: OwnedSemaphorePermit,
}

/// The stream of whoever asks.
pub async fn stream(dashboard: Arc<Dashboard>, headers: HeaderMap) -> Result<Response, Refusal> {
    let caller = dashboard.access.caller(&headers).await?;
    let onlooker = Onlooker {
        _turn: dashboard.turn()?,
        changes: dashboard.store.changes(),
        dashboard,
        headers,
        caller,
        asked: Instant::now(),
        seen: None,
        visible: BTreeMap::new(),
        next: Instant::now(),
        is_partial: true,
        is_over: false,
    };
    let events = stream::unfold(onlooker, |mut onlooker| async move {
        if onlooker.is_over {
            return None;
        }
        let event = onlooker.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(event)), onlooker))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(events)).into_response())
}

impl Onlooker {
    /// The next event, as text.
    async fn next(&mut self) -> String {
        sleep_until(self.next).await;
        if !self.is_partial {
            // Whichever comes first: something new, or time to say that there is nothing.
            let _ = timeout(QUIET, self.changes.changed()).await;
        }
        self.changes.mark_unchanged();
        let event = self.told().await;
        self.next = Instant::now() + if self.is_partial { Duration::ZERO } else { PACE };
        event.unwrap_or_else(|refusal| {
            self.is_over = true;
            text("refused", &json!({"message": refusal.to_string()}))
        })
    }

    async fn told(&mut self) -> Result<String, Refusal> {
        if self.asked.elapsed() >= AGAIN {
            self.caller = self.dashboard.access.caller(&self.headers).await?;
            self.asked = Instant::now();
        }
        if self.has_other_rights().await? {
            self.seen = None;
        }
        let mut news = self.dashboard.store.since(self.seen.unwrap_or_default(), ROWS);
        if news.is_lost {
            self.seen = None;
            news = self.dashboard.store.since(0, ROWS);
        }
        let is_reset = self.seen.is_none();
        self.seen = Some(news.version);
        self.is_partial = news.is_partial;
        let (rows, gone) = self.visible(news).await?;
        let (is_complete, trouble) = self.dashboard.store.health();
        let told = Told {
            now: (self.dashboard.now)(),
            reset: is_reset,
            rows: rows.iter().map(|row| &**row).collect(),
            gone,
            complete: is_complete && !self.is_partial,
            trouble: trouble.map(|trouble| json!({"since": trouble.since, "message": trouble.message})),
        };
        Ok(text("news", &told))
    }

    /// Whether somewhere they may see what they might not, or the other way round.
    async fn has_other_rights(&mut self) -> Result<bool, Refusal> {
        let mut others = false;
        for (namespace, was) in &mut self.visible {
            let is = self.dashboard.may_list(&self.caller, namespace).await?;
            others |= is != *was;
            *was = is;
        }
        Ok(others)
    }

    /// What they may see of it.
    async fn visible(&mut self, news: News) -> Result<(Vec<Arc<RawValue>>, Vec<String>), Refusal> {
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for (key, row) in news.rows {
            if self.sees(&key).await? {
                rows.push(row);
            }
        }
        for key in news.gone {
            if self.sees(&key).await? {
                gone.push(format!("{}/{}", key.namespace, key.name));
            }
        }
        Ok((rows, gone))
    }

    async fn sees(&mut self, key: &Key) -> Result<bool, Refusal> {
        if let Some(known) = self.visible.get(&key.namespace) {
            return Ok(*known);
        }
        let sees = self.dashboard.may_list(&self.caller, &key.namespace).await?;
        self.visible.insert(key.namespace.clone(), sees);
        Ok(sees)
    }
}

/// As the format has it; JSON has no line breaks of its own.
fn text(event: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n")
}
