//! What columns read of an object. A list of ten thousand is most of the time taken by what no column shows.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::JsonPath;

/// Fields of an object.
#[derive(Debug)]
pub(super) enum Fields {
    /// All, with all that is in them.
    All,
    /// These.
    Some(BTreeMap<String, Fields>),
}

impl Fields {
    /// Those that `paths` lead to.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a JsonPath>) -> Self {
        let mut fields = Self::Some(BTreeMap::new());
        for path in paths {
            let mut place = &mut fields;
            for name in path.fields() {
                let Self::Some(known) = place else { break };
                place = known.entry(name.to_owned()).or_insert_with(|| Self::Some(BTreeMap::new()));
            }
            *place = Self::All;
        }
        fields
    }

    /// `object` with nothing else in it.
    pub(super) fn read(&self, object: &RawValue) -> Value {
        let mut json = serde_json::Deserializer::from_str(object.get());
        // What is no object where there should be one is taken as it is.
        self.deserialize(&mut json).or_else(|_| serde_json::from_str(object.get())).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for &Fields {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Fields::All => Value::deserialize(deserializer),
            Fields::Some(fields) => deserializer.deserialize_map(Chosen(fields)),
        }
    }
}

struct Chosen<'f>(&'f BTreeMap<String, Fields>);

impl<'de> Visitor<'de> for Chosen<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(fields) = self.0.get(&name) {
                object.insert(name, map.next_value_seed(fields)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;

    #[test]
    fn nothing_is_read_but_what_paths_lead_to() {
        let paths =
            [".metadata.name", ".status.conditions[0].type", ".status"].map(|path| JsonPath::parse(path).unwrap());
        let object = json!({"metadata": {"name": "a", "uid": "1"}, "spec": {"b": 1}, "status": {"phase": "c", "conditions": []}});
        let raw = to_raw_value(&object).unwrap();
        let read = |paths: &[JsonPath]| Fields::of(paths.iter()).read(&raw);
        assert_eq!(read(&paths), json!({"metadata": {"name": "a"}, "status": object["status"]}));
        assert_eq!(read(&paths[..2]), json!({"metadata": {"name": "a"}, "status": {"conditions": []}}));
    }

    #[test]
    fn what_is_no_object_is_taken_as_it_is() {
        let odd = json!({"metadata": "none", "spec": 1});
        let paths = [JsonPath::parse(".metadata.name").unwrap()];
        assert_eq!(Fields::of(paths.iter()).read(&to_raw_value(&odd).unwrap()), odd);
    }
}
