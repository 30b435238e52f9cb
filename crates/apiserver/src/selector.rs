//! Label and field selectors.

use serde_json::Value;

use super::Refusal;

/// Which objects a request is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<(String, Requirement)>,
    fields: Vec<(String, Requirement)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(allowed) => value.is_some_and(|value| allowed.iter().any(|it| it == value)),
            Self::NotIn(denied) => value.is_none_or(|value| denied.iter().all(|it| it != value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Above(limit) => number().is_some_and(|number| number > *limit),
            Self::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    pub(super) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        let labels = requirements(labels.unwrap_or_default())?;
        let fields = requirements(fields.unwrap_or_default())?;
        Ok(Self { labels, fields })
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it selects `object`.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |name: &str| labels.and_then(|labels| labels.get(name)).and_then(Value::as_str);
        self.labels.iter().all(|(name, requirement)| requirement.holds(label(name)))
            && self.fields.iter().all(|(path, requirement)| {
                let field = path.split('.').try_fold(object, |value, step| value.get(step));
                match field {
                    Some(Value::Bool(flag)) => requirement.holds(Some(if *flag { "true" } else { "false" })),
                    Some(Value::Number(number)) => requirement.holds(Some(&number.to_string())),
                    other => requirement.holds(Some(other.and_then(Value::as_str).unwrap_or_default())),
                }
            })
    }
}

/// Splits at commas outside parentheses.
fn requirements(text: &str) -> Result<Vec<(String, Requirement)>, Refusal> {
    let mut depth = 0_i32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .map(requirement)
    .collect()
}

fn requirement(text: &str) -> Result<(String, Requirement), Refusal> {
    let refused = || Refusal::bad_request(format!("unable to parse requirement: {text:?} is not a selector"));
    let one = |name: &str, value: &str, make: fn(Vec<String>) -> Requirement| {
        Ok((name.trim().to_owned(), make(vec![value.trim().to_owned()])))
    };
    if let Some((name, value)) = text.split_once("!=") {
        return one(name, value, Requirement::NotIn);
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return one(name, value, Requirement::In);
    }
    for (sign, make) in [('>', Requirement::Above as fn(i64) -> Requirement), ('<', Requirement::Below)] {
        if let Some((name, limit)) = text.split_once(sign) {
            return Ok((name.trim().to_owned(), make(limit.trim().parse().map_err(|_| refused())?)));
        }
    }
    if let Some((head, values)) = text.split_once('(') {
        let values = values.strip_suffix(')').ok_or_else(refused)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(name), Some("in"), None) => Ok((name.to_owned(), Requirement::In(values))),
            (Some(name), Some("notin"), None) => Ok((name.to_owned(), Requirement::NotIn(values))),
            _ => Err(refused()),
        };
    }
    let (name, requirement) = match text.strip_prefix('!') {
        Some(name) => (name.trim(), Requirement::Absent),
        None => (text, Requirement::Exists),
    };
    if name.contains(char::is_whitespace) { Err(refused()) } else { Ok((name.to_owned(), requirement)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str) -> bool {
        let object = json!({"metadata": {"name": "a", "labels": {"app": "shop", "tier": "web", "size": "5"}}});
        Selector::parse(Some(labels), None).unwrap().selects(&object)
    }

    #[test]
    fn every_form_of_a_label_selector_is_understood() {
        for held in ["", "app=shop", "app==shop,tier=web", "app in (shop, cart)", "app", "!gone", "gone!=x", "size>4"] {
            assert!(selects(held), "{held}");
        }
        for not_held in ["app=cart", "app notin (shop)", "!app", "gone", "app!=shop", "size<5", "gone>1", "app=shop,x"]
        {
            assert!(!selects(not_held), "{not_held}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_its_text() {
        for wrong in ["app in shop", "app on (a)", "app in (a", "size>big"] {
            let refusal = Selector::parse(Some(wrong), None).unwrap_err();
            assert!(refusal.code == 400 && refusal.message.contains(wrong), "{refusal}");
        }
    }

    #[test]
    fn a_field_that_is_not_set_equals_the_empty_text() {
        let pending = Selector::parse(None, Some("spec.nodeName=,metadata.name=a")).unwrap();
        assert!(pending.selects(&json!({"metadata": {"name": "a"}, "spec": {}})));
        assert!(!pending.selects(&json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}})));
    }
}
