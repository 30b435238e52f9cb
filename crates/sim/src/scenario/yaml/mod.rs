//! YAML whose mistakes are told with file, line, column and field.

mod deserialize;
mod mistake;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_api::manifest::Document;

pub use self::mistake::{Mistake, WrongValue};

/// All documents in `text`, without empty ones; `file` is what mistakes call it.
///
/// # Errors
/// The text is not YAML.
pub fn documents(text: &str, file: &str) -> Result<Vec<Document>, Mistake> {
    let (documents, malformed) = Document::all(text);
    if let Some(malformed) = malformed {
        return Err(Mistake::syntax(file, malformed));
    }
    Ok(documents.into_iter().filter(|document| !document.value().is_null()).collect())
}

/// `document` as a `T`. A field that `T` does not have is a mistake.
///
/// # Errors
/// A field is unknown, missing, or has a value that cannot be used.
pub fn read<T: DeserializeOwned>(document: &Document, file: &str) -> Result<T, Mistake> {
    let read = T::deserialize(deserialize::Reader { value: document.value() });
    read.map_err(|refusal| refusal.in_file(file, document))
}

/// The same for what stands in one field of `document`.
///
/// # Errors
/// As [`read`].
pub fn read_field<T: DeserializeOwned>(document: &Document, field: &str, file: &str) -> Result<T, Mistake> {
    let value = document.value().get(field).unwrap_or(&Value::Null);
    let read = T::deserialize(deserialize::Reader { value });
    read.map_err(|refusal| refusal.inside(field).in_file(file, document))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use tidegate_api::Span;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Shop {
        name: String,
        #[serde(default)]
        opening_time: Option<Span>,
        #[serde(default)]
        shelves: Vec<Shelf>,
        #[serde(default)]
        codes: BTreeMap<u16, String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Shelf {
        width: u32,
        #[serde(default)]
        wood: Option<Wood>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Wood {
        Oak,
        Beech,
    }

    fn shop(text: &str) -> Result<Shop, String> {
        let documents = documents(text, "shop.yaml").map_err(|mistake| mistake.to_string())?;
        read(documents.first().ok_or("empty")?, "shop.yaml").map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let text =
            "# a shop\nname: a\nopeningTime: 8h\ncodes: {200: ok}\nshelves:\n- {width: 3, wood: Oak}\n- width: 4\n";
        let read = shop(text).unwrap();
        assert_eq!(read.shelves[0], Shelf { width: 3, wood: Some(Wood::Oak) });
        assert_eq!((read.opening_time, read.codes[&200].as_str()), (Some(Span::seconds(8 * 3600)), "ok"));
    }

    #[test]
    fn a_mistake_is_told_with_its_place_its_field_and_the_nearest_name() {
        for (text, sentence) in [
            ("name: a\nopeningTimes: 8h", "2:1: openingTimes: there is no such field; did you mean openingTime?"),
            (
                "name: a\nopeningTime: 8 hours",
                "2:14: openingTime: \"8 hours\" is not a length of time such as 30s, 10m or 1h30m",
            ),
            (
                "name: a\nshelves:\n- {width: 3, wood: Ook}",
                "3:20: shelves[0].wood: \"Ook\" is unknown; did you mean Oak?",
            ),
            (
                "name: a\nshelves:\n- {width: 3}\n- {width: wide}",
                "4:11: shelves[1].width: invalid type: string \"wide\", expected u32",
            ),
            ("name: a\nshelves: [{wood: Oak}]", "2:11: shelves[0]: the field width is missing"),
            ("- a", "1:1: invalid type: sequence, expected struct Shop"),
        ] {
            assert_eq!(shop(text).unwrap_err(), format!("shop.yaml:{sentence}"), "{text}");
        }
        assert!(shop("name: [a\n").unwrap_err().starts_with("shop.yaml:"));
        assert!(shop("name: a\nname: b\n").unwrap_err().starts_with("shop.yaml:2:1: "));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = shop(&text);
        }

        #[test]
        fn no_yaml_makes_it_panic(text in "([a-e]: |- |\\[|\\]|\\{|\\}|, |\n|\n  |name: |shelves: |&a |\\*a |<<: |'|\"|0x1f|1e999|-1|~|!!x |--- |# ){0,60}") {
            let _ = shop(&text);
        }
    }
}
