//! Where an object lists Services.

use serde_json::Value;

/// JSON pointers, in which `*` stands for each element of a list.
#[derive(Debug, Clone, Copy)]
pub struct Lists {
    /// To the rules.
    pub rules: &'static str,
    /// From a rule to the list of its Services.
    pub of_rule: &'static str,
}

/// A rule that has a list.
#[derive(Debug, Clone)]
pub(super) struct Rule<'v> {
    /// Where it stands, as people write it: `spec.http[0]`.
    pub(super) place: String,
    pub(super) value: &'v Value,
    pub(super) list: &'v [Value],
}

impl Rule<'_> {
    /// Whether it has this name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.value.get("name").and_then(Value::as_str) == Some(name)
    }
}

impl Lists {
    /// Each rule that has a list.
    pub(super) fn of(self, object: &Value) -> impl Iterator<Item = Rule<'_>> {
        each(object, self.rules, "").into_iter().filter_map(move |(place, value)| {
            let list = value.pointer(self.of_rule)?.as_array()?;
            Some(Rule { place, value, list })
        })
    }

    /// The same lists, to be changed.
    pub(super) fn of_mut(self, object: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
        each_mut(object, self.rules).into_iter().filter_map(move |rule| rule.pointer_mut(self.of_rule)?.as_array_mut())
    }
}

fn each<'v>(value: &'v Value, pointer: &str, place: &str) -> Vec<(String, &'v Value)> {
    let beginning = pointer.split("/*").next().unwrap_or_default();
    let place = format!("{place}{}", beginning.replace('/', "."));
    let Some((list, rest)) = pointer.split_once("/*") else {
        let place = place.trim_start_matches('.').to_owned();
        return value.pointer(pointer).map(|found| (place, found)).into_iter().collect();
    };
    let elements = value.pointer(list).and_then(Value::as_array).into_iter().flatten().enumerate();
    elements.flat_map(|(index, element)| each(element, rest, &format!("{place}[{index}]"))).collect()
}

fn each_mut<'v>(object: &'v mut Value, pointer: &str) -> Vec<&'v mut Value> {
    match pointer.split_once("/*") {
        None => object.pointer_mut(pointer).into_iter().collect(),
        Some((list, rest)) => {
            let elements = object.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            elements.flat_map(|element| each_mut(element, rest)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_each_element_and_rules_without_a_list_are_passed_over() {
        let lists = Lists { rules: "/spec/to/*/rules/*", of_rule: "/default/backendRefs" };
        let rule = |name: &str| json!({"default": {"backendRefs": [name]}});
        let mut object = json!({"spec": {"to": [{"rules": [rule("a"), {"default": {}}]}, {}, {"rules": [rule("b")]}]}});
        let found: Vec<_> = lists.of(&object).map(|rule| (rule.place, rule.list[0].clone())).collect();
        assert_eq!(found, [("spec.to[0].rules[0]".into(), json!("a")), ("spec.to[2].rules[0]".into(), json!("b"))]);
        lists.of_mut(&mut object).for_each(Vec::clear);
        assert_eq!(lists.of(&object).map(|rule| rule.list.len()).sum::<usize>(), 0);
        assert_eq!(lists.of(&json!({"spec": {"to": 7}})).count(), 0);
    }

    #[test]
    fn a_place_that_is_no_list_has_one_rule() {
        let lists = Lists { rules: "/spec/weighted", of_rule: "/services" };
        let object = json!({"spec": {"weighted": {"services": [1]}}});
        assert_eq!(lists.of(&object).map(|rule| rule.place).collect::<Vec<_>>(), ["spec.weighted"]);
    }
}
