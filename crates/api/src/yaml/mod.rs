//! YAML whose mistakes are told with file, line, column and field.

mod deserialize;
mod mistake;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::deserialize::Reader;
pub use self::mistake::Mistake;
use super::manifest::{Document, Place};

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
    let read = T::deserialize(Reader::strict(document.value()));
    read.map_err(|refusal| refusal.in_file(file, document))
}

/// The same for what stands in one field of `document`.
///
/// # Errors
/// As [`read`].
pub fn read_field<T: DeserializeOwned>(document: &Document, field: &str, file: &str) -> Result<T, Mistake> {
    let value = document.value().get(field).unwrap_or(&Value::Null);
    let read = T::deserialize(Reader::strict(value));
    read.map_err(|refusal| refusal.inside(field).in_file(file, document))
}

/// A file of settings, which is one document. Unlike in manifests, `60` and `true` are texts where a text is wanted, letter by letter
/// as they are written.
///
/// # Errors
/// It is not YAML, or is several documents, or as [`read`].
pub fn settings<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, Mistake> {
    let documents = documents(text, file)?;
    let Some(document) = documents.first() else { return Err(Mistake::of(file, "it is empty")) };
    if let Some(second) = documents.get(1) {
        let why = "a second document begins here, and one is read: leave out the --- before it, or what follows";
        return Err(Mistake::at(file, second, "", why));
    }
    T::deserialize(Reader::lenient(document.value())).map_err(|refusal| refusal.in_file(file, document))?;
    // Only the text still knows how a number was written: 007 is none in a header.
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        Mistake { place: error.location().map(Place::from), ..Mistake::of(file, error.to_string()) }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Span;
    use proptest::prelude::*;
    use serde::Deserialize;

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
                "4:11: shelves[1].width: \"wide\" is not a whole number from 0 on that fits",
            ),
            ("name: a\nshelves: [{wood: Oak}]", "2:11: shelves[0]: the field width is missing"),
            ("- a", "1:1: a list is not a map of fields"),
        ] {
            assert_eq!(shop(text).unwrap_err(), format!("shop.yaml:{sentence}"), "{text}");
        }
        assert!(shop("name: [a\n").unwrap_err().starts_with("shop.yaml:"));
        assert!(shop("name: a\nname: b\n").unwrap_err().starts_with("shop.yaml:2:1: "));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Setting {
        name: String,
        #[serde(default)]
        rate: Option<u32>,
        #[serde(default)]
        goes_on: bool,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    }

    fn setting(text: &str) -> Result<Setting, String> {
        settings(text, "s.yaml").map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn settings_are_texts_as_they_are_written() {
        let read = setting("name: 5\nrate: \"60\"\nheaders: {tenant: 007, sampled: true, share: 1.50}\n").unwrap();
        assert_eq!((read.name.as_str(), read.rate), ("5", Some(60)));
        assert_eq!(["tenant", "sampled", "share"].map(|name| read.headers[name].as_str()), ["007", "true", "1.50"]);
        assert!(setting("name: a\nheaders:\n").unwrap().headers.is_empty());
    }

    #[test]
    fn a_mistake_in_settings_is_one_line_with_its_place_and_field() {
        for (text, sentence) in [
            ("", "it is empty"),
            ("name: a\nrat: 5", "2:1: rat: there is no such field; did you mean rate?"),
            ("name: a\nrate: 60/min", "2:7: rate: \"60/min\" is not a whole number from 0 on that fits"),
            ("name: a\nrate: -1", "2:7: rate: -1 is not a whole number from 0 on that fits"),
            ("name: ~", "1:7: name: nothing is not a text"),
            ("name: a\ngoes_on: \"yes\"", "2:10: goes_on: \"yes\" is not true or false"),
            (
                "name: a\n\"x\\n::error::y\": 1",
                "2:1: x ::error::y: there is no such field; there are name, rate, goes_on, headers",
            ),
            (
                "name: a\n---\nname: b\n",
                "3:1: a second document begins here, and one is read: leave out the --- before it, or what follows",
            ),
        ] {
            let place = if sentence.starts_with(|letter: char| letter.is_ascii_digit()) { "" } else { " " };
            assert_eq!(setting(text).unwrap_err(), format!("s.yaml:{place}{sentence}"), "{text}");
        }
        let many = format!(
            "name: a\nheaders: {{{}}}\n",
            (0..300_000).map(|n| format!("h{n}: a")).collect::<Vec<_>>().join(",")
        );
        assert_eq!(setting(&many).unwrap_err().lines().count(), 1);
    }

    proptest! {
        #[test]
        fn no_settings_make_it_panic(text in "([a-e]: |- |\\[|\\]|\\{|\\}|, |\n|\n  |name: |rate: |headers: |'|\"|0x1f|1e999|-1|~|--- |# ){0,40}") {
            if let Err(mistake) = setting(&text) {
                prop_assert_eq!(mistake.lines().count(), 1);
            }
        }

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
