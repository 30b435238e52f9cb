//! YAML documents as people write them, with the place of every field: what is wrong with one can be pointed at.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A place in a text, counted from 1 as editors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl Place {
    /// Where every text begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Malformed {
    /// Where reading came to its end.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

/// What is wrong with a list as [`Document::is_list_without_items`] finds it.
pub const NO_ITEMS: &str = "a List needs items, each an object, so nothing of it is read";

/// One document of a YAML text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    value: Value,
    places: BTreeMap<String, FieldPlaces>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct FieldPlaces {
    /// Of its name; of an item of a list, of the item.
    name: Place,
    /// Of its value; of a map or list, of the name before it.
    value: Place,
}

impl Document {
    /// All documents of `text` that are not empty. A list, as `kubectl get --output yaml` prints one, is as many
    /// documents as it has items.
    ///
    /// # Errors
    /// [`Malformed`] beside the documents before that place.
    #[must_use]
    pub fn all(text: &str) -> (Vec<Self>, Option<Malformed>) {
        let mut documents = Vec::new();
        let mut bytes = text.as_bytes();
        for document in serde_saphyr::read::<_, Spanned<Node>>(&mut bytes) {
            match document {
                Ok(root) => unpack(root, &mut |object| documents.push(Self::of(object))),
                Err(error) => return (documents, Some(malformed(&error))),
            }
        }
        (documents, None)
    }

    fn of(root: Spanned<Node>) -> Self {
        let mut places = BTreeMap::new();
        let name = root.referenced.into();
        let value = root.value.record("", name, root.referenced.into(), &mut places);
        Self { value, places }
    }

    /// Whether it calls itself a list, and has no list of items.
    #[must_use]
    pub fn is_list_without_items(&self) -> bool {
        self.text(&["kind"]) == Some("List")
    }

    /// What is written.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The string at `path`, a list of field names.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        path.iter().try_fold(&self.value, |value, name| value.get(name))?.as_str()
    }

    /// The value of a field such as `spec.stages[0].weight`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut names = path.split(['.', '[']).filter(|name| !name.is_empty());
        names.try_fold(&self.value, |value, name| match name.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?),
            None => value.get(name),
        })
    }

    /// Where the value of a field such as `spec.stages[0].weight` stands; of a field that is not there, where what
    /// it would belong to begins.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        self.nearest(path).map_or(Place::START, |places| places.value)
    }

    /// Where the name of a field stands.
    #[must_use]
    pub fn place_of_name(&self, path: &str) -> Place {
        self.nearest(path).map_or(Place::START, |places| places.name)
    }

    fn nearest(&self, path: &str) -> Option<&FieldPlaces> {
        let mut path = path;
        loop {
            if let Some(places) = self.places.get(path) {
                return Some(places);
            }
            if path.is_empty() {
                return None;
            }
            path = path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or("");
        }
    }
}

/// The path of the field `name` of what stands at `path`.
#[must_use]
pub fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an item of the list at `path`.
#[must_use]
pub fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn malformed(error: &serde_saphyr::Error) -> Malformed {
    let error = error.without_snippet();
    let place = error.location().map_or(Place::START, Place::from);
    let message = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key} is there twice"),
        // How much that is, and of what, depends on the reader and helps nobody.
        serde_saphyr::Error::Budget { .. } => "there is more in it, or deeper in each other, than is read".to_owned(),
        _ => error.render(),
    };
    // One line, without the place: it stands at the head of the line already.
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or(message).trim_start_matches("error: ");
    Malformed { place, message: message.to_owned() }
}

/// Finds the objects of a list, and of lists in it; anything else is found as it is.
fn unpack(root: Spanned<Node>, found: &mut dyn FnMut(Spanned<Node>)) {
    let kind = root.value.text("kind").and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    let version = root.value.text("apiVersion").unwrap_or_default().to_owned();
    let (Some(kind), Spanned { value: Node::Map(fields), .. }) = (kind, &root) else { return found(root) };
    let Some(items) = fields.iter().position(|(name, node)| name.value == "items" && node.value.is_list()) else {
        return found(root);
    };
    let Node::Map(mut fields) = root.value else { return };
    let Node::List(items) = fields.swap_remove(items).1.value else { return };
    for mut item in items.into_iter().filter(|item| !item.value.is_null()) {
        // As an API server lists objects of one kind, it leaves out what all of them are.
        if !kind.is_empty() && item.value.text("kind").is_none() {
            for (name, text) in [("kind", &kind), ("apiVersion", &version)] {
                item.value.add(item.referenced, name, text);
            }
        }
        unpack(item, found);
    }
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Value::Null))
    }

    fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// The text in a field of a map.
    fn text(&self, name: &str) -> Option<&str> {
        let Self::Map(fields) = self else { return None };
        match fields.iter().find(|(field, _)| field.value == name) {
            Some((_, Spanned { value: Self::Scalar(Value::String(text)), .. })) => Some(text),
            _ => None,
        }
    }

    /// Gives a map another field, which stands where the map does.
    fn add(&mut self, place: serde_saphyr::Location, name: &str, text: &str) {
        if let Self::Map(fields) = self {
            let value = Spanned::new(Self::Scalar(text.into()), place, place);
            fields.push((Spanned::new(name.to_owned(), place, place), value));
        }
    }

    /// The value, after the places of all its fields were written down.
    fn record(self, path: &str, name: Place, own: Place, places: &mut BTreeMap<String, FieldPlaces>) -> Value {
        let value = if matches!(self, Self::Scalar(_)) { own } else { name };
        places.insert(path.to_owned(), FieldPlaces { name, value });
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let items = items.into_iter().enumerate().map(|(index, node)| {
                    let place = node.referenced.into();
                    node.value.record(&item(path, index), place, place, places)
                });
                Value::Array(items.collect())
            }
            Self::Map(fields) => {
                let fields = fields.into_iter().map(|(name, node)| {
                    let path = field(path, &name.value);
                    let value = node.value.record(&path, name.referenced.into(), node.referenced.into(), places);
                    (name.value, value)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number =
            Number::from_f64(value).ok_or_else(|| E::custom("an object holds no infinite number and no NaN"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut fields: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some((name, value)) = entries.next_entry::<Spanned<String>, Spanned<Node>>()? {
            if name.value.is_empty() {
                return Err(A::Error::custom("a field has no name"));
            }
            fields.push((name, value));
        }
        Ok(Node::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TWO: &str = "\
# a comment
kind: Rollout
spec:
  stages:
  - {name: canary, weight: 5%}
  - name: full
    weight: 100
---
---
kind: Service
";

    fn place(line: u64, column: u64) -> Place {
        Place { line, column }
    }

    #[test]
    fn a_document_is_what_is_written() {
        let (documents, malformed) = Document::all(TWO);
        assert_eq!(malformed, None);
        let values: Vec<_> = documents.iter().map(Document::value).collect();
        let stages = json!([{"name": "canary", "weight": "5%"}, {"name": "full", "weight": 100}]);
        assert_eq!(values, [&json!({"kind": "Rollout", "spec": {"stages": stages}}), &json!({"kind": "Service"})]);
    }

    #[test]
    fn every_field_has_its_place() {
        let (documents, _) = Document::all(TWO);
        let rollout = &documents[0];
        assert_eq!(rollout.place("kind"), place(2, 7));
        assert_eq!(rollout.place("spec.stages"), place(4, 3));
        assert_eq!(rollout.place("spec.stages[0]"), place(5, 5));
        assert_eq!(rollout.place("spec.stages[0].weight"), place(5, 28));
        assert_eq!(rollout.place_of_name("spec.stages[1].weight"), place(7, 5));
        assert_eq!(documents[1].place("kind"), place(10, 7));
    }

    #[test]
    fn a_field_that_is_not_there_is_looked_for_where_it_would_be() {
        let (documents, _) = Document::all(TWO);
        assert_eq!(documents[0].place("spec.stages[1].bake"), place(6, 5));
        assert_eq!(documents[0].place("spec.analysis.checks[3].name"), place(3, 1));
        assert_eq!(documents[1].place("metadata.name"), place(10, 1));
    }

    #[test]
    fn a_list_is_as_many_documents_as_it_has_items_each_with_its_places() {
        let text = "kind: List\nitems:\n- kind: Rollout\n  spec: {a: 1}\n- kind: List\n  items: [~, {kind: Service}]\n---\nkind: Secret\n";
        let (documents, malformed) = Document::all(text);
        assert_eq!(malformed, None);
        let kinds: Vec<_> = documents.iter().map(|document| document.text(&["kind"]).unwrap()).collect();
        assert_eq!(kinds, ["Rollout", "Service", "Secret"]);
        assert_eq!([documents[0].place("spec.a"), documents[0].place_of_name("spec.a")], [place(4, 13), place(4, 10)]);
        assert_eq!([documents[1].place("kind"), documents[1].place("spec")], [place(6, 21), place(6, 14)]);
    }

    #[test]
    fn a_list_of_one_kind_says_what_its_items_are() {
        let (documents, _) = Document::all("apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {}}]\n");
        assert_eq!(documents[0].value(), &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}));
    }

    #[test]
    fn a_list_without_items_is_nothing_and_one_whose_items_are_none_says_so() {
        let (documents, _) = Document::all("kind: List\nitems: []\n---\nkind: List\nitems: {a: 1}\n");
        let lists: Vec<_> = documents.iter().map(Document::is_list_without_items).collect();
        assert_eq!(lists, [true]);
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place_and_what_came_before_is_kept() {
        let (documents, malformed) = Document::all("kind: Rollout\n---\nspec: {a: 1\nb: [\n");
        assert_eq!(documents.len(), 1);
        let malformed = malformed.unwrap();
        assert!(malformed.place.line >= 3, "{malformed}");
        assert!(!malformed.message.contains('\n'), "{malformed}");
    }

    #[test]
    fn a_field_that_is_written_twice_is_refused() {
        let (_, malformed) = Document::all("a: 1\nb: 2\na: 3\n");
        let malformed = malformed.unwrap();
        assert_eq!(
            (malformed.place, malformed.message.contains("a is there twice")),
            (place(3, 1), true),
            "{malformed}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"(\PC|[-:\[\]{}&*!|>'%@\n ])*") {
            let (documents, _) = Document::all(&text);
            for document in documents {
                prop_assert!(document.place(&text) >= Place::START);
            }
        }
    }
}
