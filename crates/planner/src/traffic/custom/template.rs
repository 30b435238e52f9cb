//! What is written into a place: text with values in it.

use serde_json::Value;
use tidegate_api::Setting;

use super::{Misfit, path::Path};

/// What the names in a template stand for, stable's before the canary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    pub weights: [i64; 2],
    pub services: [&'a str; 2],
    /// Nothing between rollouts.
    pub revisions: Option<[&'a str; 2]>,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
    /// Whether a weight alone is written as text all the same.
    is_text: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Weight(usize),
    Service(usize),
    Revision(usize),
}

impl<'a> Template<'a> {
    /// Reads the value of `setting`.
    ///
    /// # Errors
    /// What is wrong with it: a sentence.
    pub fn parse(setting: &'a Setting) -> Result<Self, Misfit> {
        let mut parts = Vec::new();
        let mut rest = setting.value.as_str();
        while let Some((text, after)) = rest.split_once("{{") {
            let unclosed = || Misfit(format!("the value of {} has {{{{ without }}}}", setting.path));
            let (name, after) = after.split_once("}}").ok_or_else(unclosed)?;
            parts.extend((!text.is_empty()).then_some(Part::Text(text)));
            parts.push(Part::of(name.trim()).ok_or_else(|| unknown(setting, name))?);
            rest = after;
        }
        parts.extend((!rest.is_empty()).then_some(Part::Text(rest)));
        let path = Path::parse(&setting.path)?;
        Ok(Self { parts, is_text: path.holds_text() })
    }

    /// Whether the canary's weight is all that it says.
    pub fn is_canary_weight(&self) -> bool {
        self.parts == [Part::Weight(1)]
    }

    /// What it comes to; nothing where it speaks of revisions and there are none.
    pub fn fill(&self, values: &Values<'_>) -> Option<Value> {
        if let ([Part::Weight(whose)], false) = (self.parts.as_slice(), self.is_text) {
            return values.weights.get(*whose).map(|weight| Value::from(*weight));
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Weight(whose) => text.push_str(&values.weights.get(*whose)?.to_string()),
                Part::Service(whose) => text.push_str(values.services.get(*whose)?),
                Part::Revision(whose) => text.push_str(values.revisions?.get(*whose)?),
            }
        }
        Some(Value::String(text))
    }
}

fn unknown(setting: &Setting, name: &str) -> Misfit {
    Misfit(format!(
        "the value of {} speaks of {{{{{}}}}}, which is not known: there are stable.weight, stable.service, stable.revision, and the same of canary",
        setting.path,
        name.trim()
    ))
}

impl Part<'_> {
    fn of(name: &str) -> Option<Self> {
        let (whose, what) = name.split_once('.')?;
        let whose = ["stable", "canary"].iter().position(|known| *known == whose)?;
        match what {
            "weight" => Some(Self::Weight(whose)),
            "service" => Some(Self::Service(whose)),
            "revision" => Some(Self::Revision(whose)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VALUES: Values<'_> =
        Values { weights: [95, 5], services: ["checkout-stable", "checkout-canary"], revisions: Some(["a", "b"]) };

    fn filled(path: &str, value: &str) -> Result<Option<Value>, Misfit> {
        let setting = Setting { path: path.to_owned(), value: value.to_owned() };
        Template::parse(&setting).map(|template| template.fill(&VALUES))
    }

    #[test]
    fn a_weight_alone_is_a_number_but_among_annotations() {
        assert_eq!(filled("spec.weight", "{{canary.weight}}"), Ok(Some(json!(5))));
        assert_eq!(filled("spec.weight", "{{ stable.weight }}%"), Ok(Some(json!("95%"))));
        assert_eq!(filled("metadata.annotations.weight", "{{canary.weight}}"), Ok(Some(json!("5"))));
    }

    #[test]
    fn services_and_revisions_stand_in_text() {
        let text = "{{canary.service}}.shop.svc/{{canary.revision}}";
        assert_eq!(filled("spec.host", text), Ok(Some(json!("checkout-canary.shop.svc/b"))));
    }

    #[test]
    fn between_rollouts_nothing_is_written_of_revisions() {
        let setting = Setting { path: "spec.subset".to_owned(), value: "{{stable.revision}}".to_owned() };
        let template = Template::parse(&setting).unwrap();
        assert_eq!(template.fill(&Values { revisions: None, ..VALUES }), None);
    }

    #[test]
    fn a_name_that_is_not_known_is_told() {
        assert_eq!(
            filled("spec.weight", "{{weight}}").unwrap_err().to_string(),
            "the value of spec.weight speaks of {{weight}}, which is not known: there are stable.weight, \
             stable.service, stable.revision, and the same of canary"
        );
        assert_eq!(
            filled("spec.weight", "{{canary.weight").unwrap_err().to_string(),
            "the value of spec.weight has {{ without }}"
        );
    }
}
