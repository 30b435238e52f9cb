//! Rollouts as the API server has them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Page;

/// One object, or a part of a list of them.
#[derive(Debug, Deserialize)]
pub struct Objects {
    #[serde(default)]
    metadata: Value,
    items: Option<Vec<Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Page for Objects {
    fn more(&self) -> Option<&str> {
        self.items.as_ref()?;
        self.metadata["continue"].as_str().filter(|token| !token.is_empty())
    }
}

/// The one object, or all as one list, without what only field managers read.
pub fn whole(pages: Vec<Objects>) -> Value {
    let mut items = Vec::new();
    for page in pages {
        let Some(found) = page.items else {
            let mut object = page.rest;
            object.insert("metadata".to_owned(), page.metadata);
            return without_managed_fields(Value::Object(object));
        };
        items.extend(found);
    }
    let items: Vec<_> = items.into_iter().map(without_managed_fields).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: Value) -> Objects {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn one_object_is_itself_and_pages_are_one_list() {
        let object = |name: &str| json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name}, "spec": {"a": 1}});
        let mut written = object("a");
        written["metadata"]["managedFields"] = json!([{}]);
        assert_eq!(whole(vec![page(written.clone())]), object("a"));
        let first_page = page(json!({"metadata": {"continue": "on"}, "items": [written]}));
        let last_page = page(json!({"metadata": {}, "items": [object("b")]}));
        assert_eq!((first_page.more(), last_page.more()), (Some("on"), None));
        let all = whole(vec![first_page, last_page]);
        assert_eq!(all["items"], json!([object("a"), object("b")]));
    }
}
