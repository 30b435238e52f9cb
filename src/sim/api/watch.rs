//! A watch: what happens to the selected objects, line by line, for as long as somebody listens.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use super::{
    ApiServer, Change, Object, Refusal, Resource, What,
    request::{Query, Target},
    selector::Selector,
    state::set_metadata,
};

/// How long a watch lasts that does not say how long.
const DURATION: Duration = Duration::from_mins(30);

/// A watch that has begun.
pub(super) struct Watch {
    server: ApiServer,
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    /// The version up to which everything has been told.
    cursor: u64,
    deadline: Instant,
    woken: Arc<Notify>,
    bookmarks: bool,
    initial: Vec<u8>,
    over: bool,
}

impl Watch {
    pub(super) fn begin(
        server: &ApiServer,
        resource: &Arc<Resource>,
        target: &Target,
        query: &Query,
    ) -> Result<Self, Refusal> {
        let state = server.lock();
        let collection = state.collections.get(&resource.full_name()).ok_or_else(Refusal::unknown_path)?;
        let fields = match (&query.fields, target.name.as_str()) {
            (fields, "") => fields.clone(),
            (_, name) => Some(format!("metadata.name={name}")),
        };
        let from = query.version.unwrap_or(0);
        let listing = from == 0 || query.initial_events == Some(true);
        let mut watch = Self {
            server: server.clone(),
            resource: resource.clone(),
            namespace: Some(target.namespace.clone()).filter(|it| !it.is_empty() || !resource.namespaced),
            selector: Selector::parse(query.labels.as_deref(), fields.as_deref())?,
            cursor: if listing { state.version } else { from },
            deadline: Instant::now() + query.timeout_seconds.map_or(DURATION, Duration::from_secs),
            woken: collection.woken.clone(),
            bookmarks: query.bookmarks,
            initial: Vec::new(),
            over: false,
        };
        if listing && query.initial_events != Some(false) {
            for object in collection.iter(watch.namespace.as_deref()) {
                let object = Object::lend(object);
                if watch.selector.is_empty() || watch.selector.selects(object.value()) {
                    line(&mut watch.initial, "ADDED", object.json());
                }
            }
        }
        if query.initial_events == Some(true) {
            let mark = watch.bookmark(json!({"k8s.io/initial-events-end": "true"}));
            line(&mut watch.initial, "BOOKMARK", mark.to_string().as_bytes());
        }
        Ok(watch)
    }

    /// The body of the response.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(futures::stream::unfold(self, |mut watch| async move {
            let lines = watch.next().await?;
            Some((Ok::<_, Infallible>(lines), watch))
        }))
    }

    /// The next lines; nothing when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.initial.is_empty() {
            return Some(std::mem::take(&mut self.initial).into());
        }
        while !self.over {
            let woken = self.woken.clone();
            let woken = woken.notified();
            let lines = self.pending();
            if !lines.is_empty() {
                return Some(lines.into());
            }
            if !self.over && tokio::time::timeout_at(self.deadline, woken).await.is_err() {
                self.over = true;
                return self.last();
            }
        }
        None
    }

    /// What happened since the last time.
    fn pending(&mut self) -> Vec<u8> {
        let mut lines = Vec::new();
        let server = self.server.clone();
        let state = server.lock();
        let Some(collection) = state.collections.get(&self.resource.full_name()) else {
            self.over = true;
            return lines;
        };
        let Some(changes) = collection.since(self.cursor) else {
            let why = format!("too old resource version: {} ({})", self.cursor, collection.forgotten());
            line(&mut lines, "ERROR", Refusal::expired(why).status().to_string().as_bytes());
            self.over = true;
            return lines;
        };
        for change in changes {
            self.tell(change, &mut lines);
        }
        self.cursor = self.cursor.max(state.version);
        lines
    }

    /// A change of an object that comes into the selection adds it, one that leaves it deletes it.
    fn tell(&self, change: &Change, lines: &mut Vec<u8>) {
        if self.namespace.as_deref().is_some_and(|namespace| namespace != change.object.namespace()) {
            return;
        }
        if self.selector.is_empty() {
            return line(lines, word(change.what), change.object.json());
        }
        let selects = |object: &Arc<Object>| self.selector.selects(object.value());
        let before = change.before.as_ref().filter(|object| selects(object));
        let after = change.what != What::Deleted && selects(&change.object);
        match (before, after) {
            (None, true) => line(lines, "ADDED", change.object.json()),
            (Some(_), true) => line(lines, "MODIFIED", change.object.json()),
            (Some(before), false) => {
                let mut last = before.value().clone();
                set_metadata(&mut last, "resourceVersion", change.object.version().to_string().into());
                line(lines, "DELETED", last.to_string().as_bytes());
            }
            (None, false) => {}
        }
    }

    /// Before its time is up, a watch tells how far it has come.
    fn last(&self) -> Option<Bytes> {
        let mut lines = Vec::new();
        if self.bookmarks {
            line(&mut lines, "BOOKMARK", self.bookmark(Value::Null).to_string().as_bytes());
        }
        (!lines.is_empty()).then(|| lines.into())
    }

    fn bookmark(&self, annotations: Value) -> Value {
        let mut metadata = json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        if let Some(fields) = metadata.as_object_mut()
            && !annotations.is_null()
        {
            fields.insert("annotations".to_owned(), annotations);
        }
        json!({"kind": self.resource.kind, "apiVersion": self.resource.api_version(), "metadata": metadata})
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Added => "ADDED",
        What::Modified => "MODIFIED",
        What::Deleted => "DELETED",
    }
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &[u8]) {
    lines.extend_from_slice(b"{\"type\":\"");
    lines.extend_from_slice(kind.as_bytes());
    lines.extend_from_slice(b"\",\"object\":");
    lines.extend_from_slice(object);
    lines.extend_from_slice(b"}\n");
}
