//! What tells series apart.

use std::{cmp::Ordering, fmt, sync::Arc};

/// The label that holds the metric's name.
pub(super) const NAME: &str = "__name__";

/// One label: its name and its value.
type Label = (Arc<str>, Arc<str>);

/// A series' labels. No two have the same name, and none is empty: an empty label is no label.
///
/// The metric's name stands apart, for most operations drop it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels {
    metric: Option<Arc<str>>,
    /// In the order of their names.
    rest: Arc<[Label]>,
}

impl Labels {
    /// Of names and values; the last of several with the same name counts.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut result = Self::default();
        let mut rest: Vec<Label> = Vec::new();
        for (name, value) in labels {
            let (name, value) = (name.into(), value.into());
            if &*name == NAME {
                result.metric = Some(value).filter(|value| !value.is_empty());
            } else {
                set(&mut rest, name, value);
            }
        }
        result.rest = rest.into();
        result
    }

    /// The label's value; an absent label is an empty one.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        if name == NAME {
            return self.metric.as_deref().unwrap_or_default();
        }
        let found = self.rest.binary_search_by(|(other, _)| (**other).cmp(name)).ok();
        found.and_then(|index| self.rest.get(index)).map_or("", |(_, value)| value)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let place = self.rest.partition_point(|(name, _)| &**name < NAME);
        let (before, after) = self.rest.split_at(place);
        let metric = self.metric.as_deref().map(|metric| (NAME, metric));
        before.iter().map(text).chain(metric).chain(after.iter().map(text))
    }

    /// All but the metric's name.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        Self { metric: None, rest: self.rest.clone() }
    }

    /// All but those named.
    #[must_use]
    pub fn without(&self, names: &[impl AsRef<str>]) -> Self {
        self.filter(|label| !names.iter().any(|name| name.as_ref() == label))
    }

    /// Only those named.
    #[must_use]
    pub fn keep(&self, names: &[impl AsRef<str>]) -> Self {
        self.filter(|label| names.iter().any(|name| name.as_ref() == label))
    }

    /// With another value for `name`; an empty one takes the label away.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        if name == NAME {
            let metric = (!value.is_empty()).then(|| value.into());
            return Self { metric, rest: self.rest.clone() };
        }
        let mut rest = self.rest.to_vec();
        set(&mut rest, name.into(), value.into());
        Self { metric: self.metric.clone(), rest: rest.into() }
    }

    fn filter(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let metric = self.metric.clone().filter(|_| wanted(NAME));
        if self.rest.iter().all(|(name, _)| wanted(name)) {
            return Self { metric, rest: self.rest.clone() };
        }
        Self { metric, rest: self.rest.iter().filter(|(name, _)| wanted(name)).cloned().collect() }
    }
}

fn text((name, value): &Label) -> (&str, &str) {
    (name, value)
}

fn set(labels: &mut Vec<Label>, name: Arc<str>, value: Arc<str>) {
    match labels.binary_search_by(|(other, _)| other.cmp(&name)) {
        Ok(index) if value.is_empty() => drop(labels.remove(index)),
        Ok(index) => {
            if let Some(label) = labels.get_mut(index) {
                label.1 = value;
            }
        }
        Err(_) if value.is_empty() => {}
        Err(index) => labels.insert(index, (name, value)),
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As in error messages: `{__name__="up", job="pods"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&'static str, &'static str)]) -> Labels {
        Labels::new(of.iter().copied())
    }

    #[test]
    fn the_metric_stands_among_the_labels_in_the_order_of_names() {
        let up = labels(&[("job", "pods"), (NAME, "up"), ("Zone", "a"), ("empty", "")]);
        assert_eq!(up.to_string(), r#"{Zone="a", __name__="up", job="pods"}"#);
        assert!(up < labels(&[("job", "pods"), (NAME, "up"), ("Zone", "b")]));
    }

    #[test]
    fn an_empty_label_is_no_label() {
        let one = labels(&[("a", "1"), ("b", "2")]);
        assert_eq!(one.with("a", ""), labels(&[("b", "2")]));
        assert_eq!(one.with("c", ""), one);
        assert_eq!(one.get("c"), "");
    }

    #[test]
    fn labels_are_kept_and_dropped_by_name_the_metric_among_them() {
        let one = labels(&[(NAME, "up"), ("a", "1"), ("b", "2")]);
        assert_eq!(one.keep(&[NAME, "a"]), labels(&[(NAME, "up"), ("a", "1")]));
        assert_eq!(one.without(&["a"]), labels(&[(NAME, "up"), ("b", "2")]));
        assert_eq!(one.without_metric(), labels(&[("a", "1"), ("b", "2")]));
    }
}
