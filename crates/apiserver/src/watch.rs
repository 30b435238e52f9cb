//! A watch: what happens to the selected objects, line by line, for as long as somebody listens.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use super::{
    ApiServer, Change, Object, Refusal, What, answer::Form, place::Place, request::Query, selector::Selector,
    state::set_metadata,
};

/// How long a watch lasts that does not say how long.
const DURATION: Duration = Duration::from_mins(30);

/// A watch that has begun.
pub(super) struct Watch {
    server: ApiServer,
    place: Place,
    form: Form,
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
    pub(super) fn begin(server: &ApiServer, place: Place, form: Form, query: &Query) -> Result<Self, Refusal> {
        let state = server.lock();
        let collection = state.collections.get(&place.resource.full_name()).ok_or_else(Refusal::unknown_path)?;
        let fields = match (&query.fields, place.name.as_str()) {
            (fields, "") => fields.clone(),
            (_, name) => Some(format!("metadata.name={name}")),
        };
        let from = query.version.unwrap_or(0);
        if from > state.version {
            return Err(Refusal::too_new(from, state.version));
        }
        let listing = query.initial_events.unwrap_or(from == 0);
        let mut watch = Self {
            server: server.clone(),
            selector: Selector::parse(query.labels.as_deref(), fields.as_deref())?,
            cursor: if listing || from == 0 { state.version } else { from },
            deadline: Instant::now() + query.timeout_seconds.map_or(DURATION, Duration::from_secs),
            woken: collection.woken.clone(),
            bookmarks: query.bookmarks,
            initial: Vec::new(),
            over: false,
            place,
            form,
        };
        if listing {
            for object in collection.iter(watch.place.scope()) {
                let object = Object::lend(object);
                if watch.selector.is_empty() || watch.selector.selects(object.value()) {
                    let shown = watch.show(object);
                    line(&mut watch.initial, "ADDED", &shown);
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
        let Some(collection) = state.collections.get(&self.place.resource.full_name()) else {
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
        if self.place.scope().is_some_and(|namespace| namespace != change.object.namespace()) {
            return;
        }
        if self.selector.is_empty() {
            return line(lines, word(change.what), &self.show(change.object.clone()));
        }
        let selects = |object: &Arc<Object>| self.selector.selects(object.value());
        let before = change.before.as_ref().filter(|object| selects(object));
        let after = change.what != What::Deleted && selects(&change.object);
        match (before, after) {
            (None, true) => line(lines, "ADDED", &self.show(change.object.clone())),
            (Some(_), true) => line(lines, "MODIFIED", &self.show(change.object.clone())),
            (Some(before), false) => {
                let mut last = before.value().clone();
                set_metadata(&mut last, "resourceVersion", change.object.version().to_string().into());
                line(lines, "DELETED", &self.show(Arc::new(Object::new(last))));
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
        let resource = &self.place.resource;
        let (kind, version) = match self.form {
            Form::Whole => {
                let version = self.place.view.api_version().map_or_else(|| resource.api_version(), str::to_owned);
                (resource.kind.as_str(), version)
            }
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        };
        json!({"kind": kind, "apiVersion": version, "metadata": metadata})
    }

    fn show(&self, object: Arc<Object>) -> Bytes {
        self.form.object(&self.place.view.show(object))
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
