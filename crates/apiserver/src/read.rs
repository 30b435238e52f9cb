//! Reading objects: one, many, and many in pages.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Object, Refusal, What, collection::Collection, place::Place, request::Query, selector::Selector, state::State,
};

/// By namespace and name.
type Key = (String, String);

/// Objects, and where they were read.
#[derive(Debug)]
pub(super) struct Page {
    pub objects: Vec<Arc<Object>>,
    pub version: u64,
    /// What to ask for the rest with; empty at the end.
    pub continued: String,
    pub remaining: usize,
}

impl State {
    /// The objects that a request selects, as they are shown.
    pub(super) fn page(&self, place: &Place, query: &Query) -> Result<Page, Refusal> {
        let selector = Selector::parse(query.labels.as_deref(), query.fields.as_deref())?;
        let collection = self.collections.get(&place.resource.full_name()).ok_or_else(Refusal::unknown_path)?;
        let (version, after) = match &query.continued {
            Some(token) => continued(token)?,
            None => (self.read_at(query)?, None),
        };
        let earlier = snapshot(collection, place.scope(), version, self.version)?;
        let objects: Box<dyn Iterator<Item = &Arc<Object>>> = match &earlier {
            Some(objects) => Box::new(objects.values()),
            None => collection.iter(place.scope()),
        };
        let mut page = Page { objects: Vec::new(), version, continued: String::new(), remaining: 0 };
        for object in objects {
            if after.as_ref().is_some_and(|(namespace, name)| {
                (object.namespace(), object.name()) <= (namespace.as_str(), name.as_str())
            }) {
                continue;
            }
            let is_full = query.limit > 0 && page.objects.len() == query.limit;
            if is_full && selector.is_empty() {
                page.remaining += 1;
                continue;
            }
            let object = Object::lend(object);
            if !selector.is_empty() && !selector.selects(object.value()) {
                continue;
            }
            if is_full {
                page.remaining += 1;
            } else {
                page.objects.push(object);
            }
        }
        if let Some(last) = page.objects.last().filter(|_| page.remaining > 0) {
            page.continued = format!("{version}/{}/{}", last.namespace(), last.name());
        }
        page.objects = page.objects.into_iter().map(|object| place.view.show(object)).collect();
        Ok(page)
    }

    /// The version that a list is to be read at.
    fn read_at(&self, query: &Query) -> Result<u64, Refusal> {
        let Some(asked) = query.version else {
            if let Some(matching) = &query.version_match {
                let why = format!("resourceVersionMatch {matching:?} is forbidden unless resourceVersion is provided");
                return Err(Refusal::bad_request(why));
            }
            return Ok(self.version);
        };
        if asked > self.version {
            return Err(Refusal::too_new(asked, self.version));
        }
        match query.version_match.as_deref() {
            Some("Exact") if asked > 0 => Ok(asked),
            None if asked > 0 && query.limit > 0 => Ok(asked),
            Some("Exact") => {
                Err(Refusal::bad_request("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""))
            }
            Some("NotOlderThan") | None => Ok(self.version),
            Some(other) => Err(Refusal::bad_request(format!(
                "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
            ))),
        }
    }
}

/// Reads where the last page ended.
fn continued(token: &str) -> Result<(u64, Option<(String, String)>), Refusal> {
    let mut parts = token.splitn(3, '/');
    let version = parts.next().and_then(|version| version.parse().ok());
    match (version, parts.next(), parts.next()) {
        (Some(version), Some(namespace), Some(name)) => Ok((version, Some((namespace.to_owned(), name.to_owned())))),
        _ => Err(Refusal::bad_request("continue key is not valid: it is not one that this server gave")),
    }
}

/// The objects as they were at `version`, where that is not how they are: later changes are undone.
fn snapshot(
    collection: &Collection,
    namespace: Option<&str>,
    version: u64,
    current: u64,
) -> Result<Option<BTreeMap<Key, Arc<Object>>>, Refusal> {
    if version == current {
        return Ok(None);
    }
    let expired = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter.";
    let later: Vec<_> = collection.since(version).ok_or_else(|| Refusal::expired(expired))?.collect();
    if later.is_empty() {
        return Ok(None);
    }
    let key = |object: &Object| (object.namespace().to_owned(), object.name().to_owned());
    let objects = collection.iter(namespace).map(Object::lend);
    let mut objects: BTreeMap<_, _> = objects.map(|object| (key(&object), object)).collect();
    for change in later.into_iter().rev() {
        if namespace.is_some_and(|namespace| namespace != change.object.namespace()) {
            continue;
        }
        match (change.what, &change.before) {
            (What::Added, _) | (_, None) => drop(objects.remove(&key(&change.object))),
            (_, Some(before)) => drop(objects.insert(key(&change.object), before.clone())),
        }
    }
    Ok(Some(objects))
}
