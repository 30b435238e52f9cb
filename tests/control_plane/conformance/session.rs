//! A conversation with one server, and what of its answers can be compared with another's.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::step::Step;

/// By kind and name: in the order in which they were told.
type Versions = BTreeMap<String, Vec<String>>;

/// A conversation. What only this server can know is filled into later requests: `{uid of NAME}`, `{version of NAME}`
/// (the latest that it has told), `{first version of NAME}`, `{continue}`.
pub struct Session {
    client: Client,
    namespace: String,
    versions: Versions,
    /// By name.
    uid_of: BTreeMap<String, String>,
    continuation: String,
}

impl Session {
    /// Begins one.
    pub fn new(client: Client, namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        let (versions, uid_of) = (BTreeMap::new(), BTreeMap::new());
        Self { client, namespace, versions, uid_of, continuation: String::new() }
    }

    /// Sends a request, and tells the answer in a form that knows no UIDs, times and versions.
    pub async fn send(&mut self, step: &Step) -> Result<Value> {
        let request = Request::builder()
            .method(step.method.clone())
            .uri(self.fill(&step.path))
            .header(header::CONTENT_TYPE, step.content_type)
            .header(header::ACCEPT, step.accept)
            .body(Body::from(self.fill(&step.body).into_bytes()))?;
        let response = self.client.send(request).await.context("no answer")?;
        let code = response.status();
        let body = response.into_body().collect().await.context("the answer breaks off")?.to_bytes();
        let mut documents: Vec<Value> =
            serde_json::Deserializer::from_slice(&body).into_iter().map_while(Result::ok).collect();
        let before = self.versions.clone();
        for document in &documents {
            self.remember(document);
        }
        for document in &mut documents {
            self.normalise(document, &before);
        }
        let answer = match <[Value; 1]>::try_from(documents) {
            Ok([document]) => document,
            Err(documents) if documents.is_empty() => text(code, &body),
            Err(documents) => Value::Array(documents),
        };
        Ok(json!({"code": code.as_u16(), "answer": answer}))
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{ns}", &self.namespace).replace("{continue}", &self.continuation);
        for (name, uid) in &self.uid_of {
            text = text.replace(&format!("{{uid of {name}}}"), uid);
        }
        for (object, versions) in &self.versions {
            let name = object.rsplit('/').next().unwrap_or_default();
            let (first, last) = (versions.first(), versions.last());
            text = text.replace(&format!("{{first version of {name}}}"), first.map_or("", String::as_str));
            text = text.replace(&format!("{{version of {name}}}"), last.map_or("", String::as_str));
        }
        text
    }

    /// Takes note of the UIDs and versions of the objects in an answer.
    fn remember(&mut self, document: &Value) {
        if let Some(token) = document["metadata"]["continue"].as_str() {
            token.clone_into(&mut self.continuation);
        }
        for item in document["items"].as_array().into_iter().flatten() {
            self.remember_object(item, document["kind"].as_str().unwrap_or_default().trim_end_matches("List"));
        }
        let object = if document["object"].is_object() { &document["object"] } else { document };
        self.remember_object(object, object["kind"].as_str().unwrap_or_default());
    }

    fn remember_object(&mut self, object: &Value, kind: &str) {
        let metadata = &object["metadata"];
        let Some(name) = metadata["name"].as_str() else { return };
        if let Some(uid) = metadata["uid"].as_str() {
            self.uid_of.insert(name.to_owned(), uid.to_owned());
        }
        if let Some(version) = metadata["resourceVersion"].as_str() {
            let versions = self.versions.entry(format!("{kind}/{name}")).or_default();
            if !versions.iter().any(|known| known == version) {
                versions.push(version.to_owned());
            }
        }
    }

    /// Puts names in the place of what is different in each run; `before` are the versions that were known before.
    fn normalise(&self, value: &mut Value, before: &Versions) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Array(items)) = fields.get_mut("items") {
                    // A list from the real server's cache has no order.
                    items.sort_by_key(|item| item["metadata"]["name"].to_string());
                    if let Some(version) = fields.get_mut("metadata").and_then(|list| list.get_mut("resourceVersion")) {
                        *version = json!("(version)");
                    }
                }
                if let Some(Value::Array(causes)) = fields.get_mut("causes") {
                    // The real server visits the fields of an object in another order each time.
                    causes.sort_by_key(|cause| (cause["field"].to_string(), cause["message"].to_string()));
                }
                if let Some(Value::Array(entries)) = fields.get_mut("managedFields") {
                    entries.sort_by_key(|entry| (entry["manager"].to_string(), entry["operation"].to_string()));
                }
                fields.values_mut().for_each(|value| self.normalise(value, before));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.normalise(item, before)),
            Value::String(text) => *text = self.normal(text, before),
            _ => {}
        }
    }

    fn normal(&self, text: &str, before: &Versions) -> String {
        if text.parse::<Timestamp>().is_ok() {
            return "(time)".to_owned();
        }
        if !self.continuation.is_empty() && text == self.continuation {
            return "(continue)".to_owned();
        }
        let knows = |versions: &Versions| versions.values().flatten().any(|version| version == text);
        if knows(&self.versions) {
            return if knows(before) { "(known version)" } else { "(new version)" }.to_owned();
        }
        let mut text = text.replace(&self.namespace, "(namespace)");
        for (name, uid) in &self.uid_of {
            text = text.replace(uid, &format!("(uid of {name})"));
        }
        text
    }
}

/// An answer that is no JSON.
fn text(code: StatusCode, body: &[u8]) -> Value {
    if code.is_success() { json!(String::from_utf8_lossy(body)) } else { json!("(text)") }
}
