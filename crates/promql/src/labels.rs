//! What tells series apart.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The label that holds the metric's name.
pub(super) const NAME: &str = "__name__";

/// One label: its name and its value.
pub type Label = (Arc<str>, Arc<str>);

/// A series' labels. No two have the same name, and none is empty: an empty label is no label.
#[derive(Clone, Default)]
pub struct Labels {
    /// In the order of their names.
    all: Arc<[Label]>,
    /// The metric's name is none of them, though it may stand there: most operations drop it.
    nameless: bool,
}

impl Labels {
    /// Of names and values; the last of several with the same name counts.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(labels: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut all: Vec<Label> = Vec::new();
        for (name, value) in labels {
            set(&mut all, name.into(), value.into());
        }
        Self { all: all.into(), nameless: false }
    }

    /// The label's value; an absent label is an empty one.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let found = self.all.binary_search_by(|(other, _)| (**other).cmp(name)).ok();
        let label = found.and_then(|index| self.all.get(index)).filter(|label| self.counts(label));
        label.map_or("", |(_, value)| value)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().filter(|label| self.counts(label)).map(|(name, value)| (&**name, &**value))
    }

    /// The same as one piece, which the series itself shares.
    #[must_use]
    pub fn shared(&self) -> Arc<[Label]> {
        if self.nameless {
            self.all.iter().filter(|label| self.counts(label)).cloned().collect()
        } else {
            self.all.clone()
        }
    }

    /// All but the metric's name.
    #[must_use]
    pub fn without_metric(&self) -> Self {
        Self { all: self.all.clone(), nameless: true }
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
        let mut all = self.shared().to_vec();
        set(&mut all, name.into(), value.into());
        Self { all: all.into(), nameless: false }
    }

    fn filter(&self, wanted: impl Fn(&str) -> bool) -> Self {
        if self.all.iter().all(|(name, _)| wanted(name)) {
            return self.clone();
        }
        let wanted = self.all.iter().filter(|label| self.counts(label) && wanted(&label.0));
        Self { all: wanted.cloned().collect(), nameless: false }
    }

    fn counts(&self, (name, _): &Label) -> bool {
        !self.nameless || &**name != NAME
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.all, &other.all) && self.nameless == other.nameless;
        same || self.iter().eq(other.iter())
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|label| label.hash(state));
    }
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
