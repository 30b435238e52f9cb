//! Which series have which value of a label, so that a selector needs to look at few of them.
//!
//! <https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/index.md>

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use promql_parser::label::{MatchOp, Matcher};
use regex_syntax::hir::literal::Extractor;

use super::labels::{Labels, NAME};

/// By name and value of a label, the metric's name among them: the ids of the series that have it.
#[derive(Debug, Default)]
pub(super) struct Postings(HashMap<Arc<str>, BTreeMap<Arc<str>, Vec<usize>>>);

impl Postings {
    /// Adds a series.
    pub(super) fn insert(&mut self, id: usize, labels: &Labels) {
        for (name, value) in labels.shared().iter() {
            self.0.entry(name.clone()).or_default().entry(value.clone()).or_default().push(id);
        }
    }

    /// Forgets all series.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that `metric` and `matchers` may match: all that they do match, and few others. `None` if that may be any.
    pub(super) fn candidates(&self, metric: Option<&str>, matchers: &[Matcher]) -> Option<Vec<usize>> {
        let named = metric.map(|metric| self.with_value(NAME, metric));
        let matched = matchers.iter().filter_map(|matcher| self.matched(matcher));
        let shortest =
            named.into_iter().chain(matched).min_by_key(|lists| lists.iter().map(|ids| ids.len()).sum::<usize>())?;
        let mut ids = shortest.concat();
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    /// `None` where a matcher may match any value, or the lack of one.
    fn matched(&self, matcher: &Matcher) -> Option<Vec<&[usize]>> {
        match &matcher.op {
            MatchOp::Equal if !matcher.value.is_empty() => Some(self.with_value(&matcher.name, &matcher.value)),
            MatchOp::Re(regex) => {
                let prefixes = prefixes(regex.as_str())?;
                Some(prefixes.iter().flat_map(|prefix| self.with_prefix(&matcher.name, prefix)).collect())
            }
            MatchOp::Equal | MatchOp::NotEqual | MatchOp::NotRe(_) => None,
        }
    }

    fn with_value(&self, name: &str, value: &str) -> Vec<&[usize]> {
        self.0.get(name).and_then(|values| values.get(value)).map(Vec::as_slice).into_iter().collect()
    }

    fn with_prefix(&self, name: &str, prefix: &str) -> Vec<&[usize]> {
        let Some(values) = self.0.get(name) else { return Vec::new() };
        let from = values.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(value, _)| value.starts_with(prefix)).map(|(_, ids)| ids.as_slice()).collect()
    }
}

/// What a text that `regex` matches begins with: one of these, and none of them is empty.
fn prefixes(regex: &str) -> Option<Vec<String>> {
    let literals = Extractor::new().extract(&regex_syntax::parse(regex).ok()?);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().filter(|prefix| !prefix.is_empty());
    literals.literals()?.iter().map(|literal| text(literal.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    fn postings() -> Postings {
        let mut postings = Postings::default();
        for (id, (metric, pod)) in
            [("requests", "shop-a"), ("requests", "shop-b"), ("errors", "shop-a"), ("requests", "")].iter().enumerate()
        {
            postings.insert(id, &Labels::new([(NAME, *metric), ("pod", *pod)]));
        }
        postings
    }

    fn matching(regex: &str) -> Matcher {
        Matcher::new(MatchOp::Re(Regex::new(&format!("^(?:{regex})$")).expect("a regex")), "pod", regex)
    }

    #[test]
    fn the_rarest_of_what_is_asked_for_decides() {
        let postings = postings();
        assert_eq!(postings.candidates(Some("errors"), &[]), Some(vec![2]));
        let is_b = Matcher::new(MatchOp::Equal, "pod", "shop-b");
        assert_eq!(postings.candidates(Some("requests"), &[is_b]), Some(vec![1]));
        assert_eq!(postings.candidates(Some("requests"), &[matching("shop-b[a-z]*|shop-bx")]), Some(vec![1]));
        assert_eq!(postings.candidates(Some("unknown"), &[matching("shop-.*")]), Some(vec![]));
    }

    #[test]
    fn what_may_lack_the_label_or_begin_with_anything_narrows_nothing() {
        let postings = postings();
        for regex in ["shop-a|", "|", ".*", "(?i)shop-a?.+|.b", "[a-z]+"] {
            assert_eq!(postings.candidates(None, &[matching(regex)]), None, "{regex}");
        }
        let lacks = Matcher::new(MatchOp::Equal, "pod", "");
        let is_not = Matcher::new(MatchOp::NotEqual, "pod", "shop-a");
        assert_eq!(postings.candidates(None, &[lacks, is_not]), None);
    }

    #[test]
    fn whatever_a_selector_matches_is_among_its_candidates() {
        let pods = ["a", "ab", "abc", "b", "B", "ä-1", "ä-2", "1.5", "shop-a", "shop-b", "shop", ""];
        let labels = pods.map(|pod| Labels::new([(NAME, "requests"), ("pod", pod)]));
        let mut postings = Postings::default();
        labels.iter().enumerate().for_each(|(id, labels)| postings.insert(id, labels));
        for regex in
            ["a", "a.*", "ab?", "a|b", "a|ab|", "(?i)b", "ä-[12]", ".+", "shop(-[ab])?", "1[.]5", "[ab]+", "x*"]
        {
            let matcher = matching(regex);
            let is_wanted = |id: &usize| matcher.is_match(labels[*id].get("pod"));
            let candidates = postings.candidates(None, std::slice::from_ref(&matcher));
            let is_left_out = |id: &usize| candidates.as_ref().is_some_and(|candidates| !candidates.contains(id));
            let missed: Vec<_> = (0..pods.len()).filter(|id| is_wanted(id) && is_left_out(id)).collect();
            assert!(missed.is_empty(), "{regex} misses {missed:?}");
        }
    }
}
