//! A place in an object, as people write it: `spec.http[0].route[1].weight`.

use serde_json::{Map, Value, map::Entry};

use super::Misfit;

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    text: &'a str,
    steps: Vec<Step<'a>>,
}

/// One step on the way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    /// Into a field.
    Field(&'a str),
    /// To a place in a list, from 0.
    Item(usize),
}

/// What nobody but the API server and its controllers may write, and what says which object it is.
const NOT_OURS: [&str; 4] = ["apiVersion", "kind", "status", "metadata"];
/// Of the metadata, what users write.
const FREE: [&str; 2] = ["annotations", "labels"];

impl<'a> Path<'a> {
    /// Reads `text`.
    ///
    /// # Errors
    /// What is wrong with it: a sentence.
    pub fn parse(text: &'a str) -> Result<Self, Misfit> {
        let malformed = || {
            Misfit(format!(
                "{text} is no path: write fields with dots between them, such as spec.http[0].route[1].weight, and names with dots as ['example.com/name']"
            ))
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = step(rest, steps.is_empty()).ok_or_else(malformed)?;
            steps.push(step);
            rest = after;
        }
        match steps.as_slice() {
            [] => Err(malformed()),
            [Step::Field("metadata"), Step::Field(free), Step::Field(_)] if FREE.contains(free) => {
                Ok(Self { text, steps })
            }
            [Step::Field(first), ..] if NOT_OURS.contains(first) => {
                Err(Misfit(format!("{text} cannot be set: only the spec, labels and annotations can")))
            }
            [_] => Err(Misfit(format!("{text} is all of {text}: name a place in it"))),
            _ => Ok(Self { text, steps }),
        }
    }

    /// Whether only text may stand there.
    pub fn holds_text(&self) -> bool {
        self.steps.first() == Some(&Step::Field("metadata"))
    }

    /// What stands there now.
    pub fn get<'o>(&self, object: &'o Value) -> Option<&'o Value> {
        self.steps.iter().try_fold(object, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Item(place) => value.get(place),
        })
    }

    /// Puts `value` there. Labels and annotations that are not there yet are made, and so is the last field.
    ///
    /// # Errors
    /// Something on the way is not there.
    pub fn set(&self, object: &mut Value, value: Value) -> Result<(), Misfit> {
        let missing = || Misfit(format!("{} leads nowhere: nothing stands there that could be set", self.text));
        let Some((last, way)) = self.steps.split_last() else { return Err(missing()) };
        let mut place = object;
        for step in way {
            place = match step {
                Step::Field(name) if self.holds_text() => {
                    let fields = place.as_object_mut().ok_or_else(missing)?;
                    fields.entry(*name).or_insert_with(|| Value::Object(Map::new()))
                }
                Step::Field(name) => place.get_mut(name).ok_or_else(missing)?,
                Step::Item(index) => place.get_mut(index).ok_or_else(missing)?,
            };
        }
        match (last, place) {
            (Step::Field(name), Value::Object(fields)) => match fields.entry(*name) {
                Entry::Occupied(mut entry) => *entry.get_mut() = value,
                Entry::Vacant(entry) => drop(entry.insert(value)),
            },
            (Step::Item(index), place) => *place.get_mut(index).ok_or_else(missing)? = value,
            _ => return Err(missing()),
        }
        Ok(())
    }
}

/// The first step of `text`, and what is left of it.
fn step(text: &str, is_first: bool) -> Option<(Step<'_>, &str)> {
    if let Some(quoted) = text.strip_prefix("['") {
        let (name, rest) = quoted.split_once("']")?;
        return (!name.is_empty()).then_some((Step::Field(name), rest));
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (index, rest) = bracketed.split_once(']')?;
        return Some((Step::Item(index.parse().ok()?), rest));
    }
    let field = if is_first { text } else { text.strip_prefix('.')? };
    let end = field.find(['.', '[']).unwrap_or(field.len());
    let (name, rest) = field.split_at_checked(end)?;
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (!name.is_empty() && is_plain(name)).then_some((Step::Field(name), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(path: &str, mut object: Value) -> Result<Value, Misfit> {
        Path::parse(path)?.set(&mut object, json!(7)).map(|()| object)
    }

    #[test]
    fn a_path_leads_through_fields_and_lists() {
        let before = json!({"spec": {"http": [{"route": [{"weight": 1}, {"weight": 2}]}]}});
        let after = json!({"spec": {"http": [{"route": [{"weight": 1}, {"weight": 7}]}]}});
        assert_eq!(set("spec.http[0].route[1].weight", before.clone()), Ok(after));
        assert_eq!(Path::parse("spec.http[0].route[0].weight").unwrap().get(&before), Some(&json!(1)));
    }

    #[test]
    fn the_last_field_may_be_new_and_annotations_are_made() {
        assert_eq!(set("spec.weight", json!({"spec": {}})), Ok(json!({"spec": {"weight": 7}})));
        let made = json!({"metadata": {"annotations": {"example.com/weight": 7}}});
        assert_eq!(set("metadata.annotations['example.com/weight']", json!({"metadata": {}})), Ok(made));
    }

    #[test]
    fn what_is_not_there_is_not_made() {
        for path in ["spec.http[0].weight", "spec.list[3]", "spec.text.weight"] {
            let error = set(path, json!({"spec": {"list": [1], "text": "a"}})).unwrap_err();
            assert_eq!(error.to_string(), format!("{path} leads nowhere: nothing stands there that could be set"));
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_is_told() {
        for path in ["", ".", "spec.", "spec..a", "spec[", "spec[x]", "spec['']", "spec a.b", "spec.a]", "spec[-1].a"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_says_which_object_it_is_stays_as_it_is() {
        for path in ["kind", "metadata.name", "metadata.labels", "metadata.finalizers[0]", "status.weight", "spec"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"[a-z.\[\]'0-9é]{0,24}") {
            let _ = set(&text, json!({"spec": {"a": [{"b": 1}]}}));
        }
    }
}
