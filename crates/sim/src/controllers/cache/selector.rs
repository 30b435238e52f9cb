//! Label selectors.

use serde_json::Value;

use super::meta::{Labels, labels, text};

/// Which labels an object must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::controllers) struct Selector {
    labels: Labels,
    expressions: Vec<Expression>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expression {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    /// Nothing that is known, which nothing fulfils.
    Unknown,
}

impl Selector {
    /// Reads a label selector as Deployments and ReplicaSets have it.
    pub(in crate::controllers) fn read(selector: &Value) -> Self {
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        Self { labels: labels(&selector["matchLabels"]), expressions: expressions.map(Expression::read).collect() }
    }

    /// Reads plain labels, as Services have them.
    pub(in crate::controllers) fn of_labels(value: &Value) -> Self {
        Self { labels: labels(value), expressions: Vec::new() }
    }

    /// Whether it asks for nothing. The controllers take that as finding nothing.
    pub(in crate::controllers) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// Whether it finds an object with these labels.
    pub(in crate::controllers) fn finds(&self, labels: &Labels) -> bool {
        !self.is_empty()
            && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.expressions.iter().all(|expression| expression.finds(labels))
    }

    /// The labels that it asks for.
    pub(in crate::controllers) fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Expression {
    fn read(expression: &Value) -> Self {
        let values = || expression["values"].as_array().into_iter().flatten().map(text).collect();
        let operator = match expression["operator"].as_str().unwrap_or_default() {
            "In" => Operator::In(values()),
            "NotIn" => Operator::NotIn(values()),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => Operator::Unknown,
        };
        Self { key: text(&expression["key"]), operator }
    }

    fn finds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finds(selector: &Value) -> bool {
        Selector::read(selector).finds(&labels(&json!({"app": "checkout", "tier": "web"})))
    }

    #[test]
    fn every_label_and_every_expression_has_to_hold() {
        let one = |operator: &str, values: Value| {
            json!({"matchLabels": {"app": "checkout"},
                   "matchExpressions": [{"key": "tier", "operator": operator, "values": values}]})
        };
        assert!(finds(&one("In", json!(["web", "api"]))) && finds(&one("Exists", json!(null))));
        assert!(!finds(&one("NotIn", json!(["web"]))) && !finds(&one("DoesNotExist", json!(null))));
        assert!(!finds(&json!({"matchLabels": {"app": "checkout", "zone": "a"}})));
    }

    #[test]
    fn a_selector_that_asks_for_nothing_finds_nothing() {
        assert!(!finds(&json!({})) && !finds(&json!(null)));
    }
}
