//! What the fields of each message are: their numbers, JSON names and kinds.

use std::{collections::BTreeMap, sync::LazyLock};

/// A line without an indent names a message, each line below it one of its fields: the number, the name in JSON, and
/// the kind. `^` in place of a name is a message whose fields stand among those of the message that it is in; a `?`
/// behind the name says that a zero is nothing, as everywhere where Go has no pointer.
const TABLE: &str = include_str!("messages.txt");

/// The fields of one message, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Message(BTreeMap<u64, Field>);

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in JSON; nothing where its own fields stand in the place of it.
    pub name: Option<&'static str>,
    /// Whether an empty value is left out: on the wire it stands there all the same.
    pub omits_zero: bool,
    /// How many there are.
    pub shape: Shape,
    /// What it is, or each of them.
    pub kind: Kind,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    /// By names.
    Map,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Integer,
    Double,
    /// Written in base64.
    Bytes,
    /// A list of texts that is a message of its own.
    Items,
    /// Another message, by its name.
    Message(&'static str),
}

static MESSAGES: LazyLock<BTreeMap<&'static str, Message>> = LazyLock::new(|| {
    let mut messages = BTreeMap::<_, Message>::new();
    let mut name = "";
    for line in TABLE.lines() {
        if let Some(line) = line.strip_prefix(' ') {
            if let Some((number, field)) = Field::parse(line) {
                messages.entry(name).or_default().0.insert(number, field);
            }
        } else {
            name = line;
            messages.entry(name).or_default();
        }
    }
    messages
});

impl Message {
    /// The message that holds an object of that kind.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Self> {
        if kind == "DeleteOptions" {
            return Self::named("meta.DeleteOptions");
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
        let group = group.split('.').next().unwrap_or_default();
        let version = if version == "v1" { "" } else { version };
        Self::named(&format!("{group}{version}.{kind}"))
    }

    /// The message of that name, such as `core.PodSpec`.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        MESSAGES.get(name)
    }

    /// The field of that JSON name, also where it stands in a message that is taken into this one.
    pub(super) fn field_named(&self, name: &str) -> Option<&Field> {
        self.0.values().find_map(|field| match (field.name, field.kind) {
            (Some(known), _) => (known == name).then_some(field),
            (None, Kind::Message(inner)) => Self::named(inner)?.field_named(name),
            (None, _) => None,
        })
    }

    /// The field of that number; nothing for one that came later than the table.
    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        self.0.get(&number)
    }
}

impl Field {
    /// Reads a line such as `2 labels map string`.
    fn parse(line: &'static str) -> Option<(u64, Self)> {
        let words: Vec<&str> = line.split(' ').collect();
        let (number, name, shape, kind) = match words.as_slice() {
            [number, name, "list", kind] => (number, name, Shape::List, kind),
            [number, name, "map", kind] => (number, name, Shape::Map, kind),
            [number, name, kind] => (number, name, Shape::One, kind),
            _ => return None,
        };
        let kind = match *kind {
            "string" => Kind::Text,
            "bool" => Kind::Flag,
            "int" => Kind::Integer,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "items" => Kind::Items,
            message => Kind::Message(message),
        };
        let (name, omits_zero) = name.strip_suffix('?').map_or((*name, false), |name| (name, true));
        let field = Self { name: Some(name).filter(|name| *name != "^"), omits_zero, shape, kind };
        Some((number.parse().ok()?, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_message_or_a_field_of_known_kind() {
        let special = super::super::special::NAMES;
        for line in TABLE.lines().filter_map(|line| line.strip_prefix(' ')) {
            let (_, field) = Field::parse(line).expect(line);
            if let Kind::Message(name) = field.kind {
                assert!(special.contains(&name) || Message::named(name).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn a_kind_is_found_by_the_start_of_its_group_and_by_its_version() {
        for (version, kind) in [
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("autoscaling/v1", "HorizontalPodAutoscaler"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("policy/v1", "Eviction"),
            ("policy/v1", "DeleteOptions"),
        ] {
            assert!(Message::of_kind(version, kind).is_some(), "{version} {kind}");
        }
        assert!(Message::of_kind("example.com/v1", "Widget").is_none());
    }
}
