//! The same under several names: of each process, the first that it has.
//!
//! Libraries rename their metrics, and while they do, some expose both names. Counted together, each request would be two,
//! and half the evidence would be certain enough. <https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/>

use tidegate_judge::{ByKey, Key};

use super::{answer::Row, source::OF_A_PROCESS};

/// Which name an answer is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alternative<'a> {
    /// The lower, the earlier it counts.
    pub(super) place: usize,
    /// The label that tells the versions apart, if one alone does.
    pub(super) told_apart_by: Option<&'a str>,
}

/// Leaves in `answers` those rows whose process has none of an earlier place.
pub(super) fn keep_first<'a>(answers: impl Iterator<Item = (Alternative<'a>, &'a mut Vec<Row>)>) {
    let mut answers: Vec<_> = answers.filter(|(_, rows)| !rows.is_empty()).collect();
    let Some(first) = answers.iter().map(|(alternative, _)| alternative.place).min() else { return };
    if answers.iter().all(|(alternative, _)| alternative.place == first) {
        return;
    }
    let mut firsts: ByKey<usize> = ByKey::default();
    for (alternative, rows) in &answers {
        for row in &**rows {
            let known = firsts.entry(alternative.process(row)).or_insert(alternative.place);
            *known = alternative.place.min(*known);
        }
    }
    for (alternative, rows) in &mut answers {
        rows.retain(|row| firsts.get(&alternative.process(row)) == Some(&alternative.place));
    }
}

impl Alternative<'_> {
    /// The process that `row` comes from: what is pushed may have no labels of a process, but has that of its version.
    fn process(&self, row: &Row) -> Key {
        let is_its = |name: &str| OF_A_PROCESS.contains(&name) || self.told_apart_by == Some(name);
        let labels = row.labels.iter().filter(|(name, _)| is_its(name));
        labels.fold(Key::default(), |key, (name, value)| key.with(Key::of(name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, pod: &str) -> Row {
        let labels = [("__name__", name), ("k8s_pod_name", pod)].map(|(name, value)| (name.into(), value.into()));
        Row { labels: labels.into(), samples: Vec::new(), histograms: Vec::new() }
    }

    /// What is left of such answers, by name and pod.
    fn left(answers: &[(usize, &[(&str, &str)])]) -> Vec<Vec<String>> {
        let rows = |rows: &[(&str, &str)]| rows.iter().map(|(name, pod)| row(name, pod)).collect::<Vec<_>>();
        let mut rows: Vec<_> = answers.iter().map(|(_, answer)| rows(answer)).collect();
        let alternative = |place| Alternative { place, told_apart_by: Some("k8s_pod_name") };
        keep_first(answers.iter().map(|(place, _)| alternative(*place)).zip(&mut rows));
        let text = |row: &Row| format!("{} {}", row.label("__name__").unwrap(), row.label("k8s_pod_name").unwrap());
        rows.iter().map(|rows| rows.iter().map(text).collect()).collect()
    }

    #[test]
    fn a_process_that_has_both_names_is_counted_by_the_first() {
        let both: [(usize, &[_]); 2] = [(0, &[("new", "a")]), (1, &[("old", "a"), ("old", "b")])];
        assert_eq!(left(&both), [vec!["new a"], vec!["old b"]]);
    }

    #[test]
    fn the_order_of_the_answers_does_not_matter() {
        let both: [(usize, &[_]); 2] = [(1, &[("old", "a"), ("old", "b")]), (0, &[("new", "a")])];
        assert_eq!(left(&both), [vec!["old b"], vec!["new a"]]);
    }

    #[test]
    fn selectors_of_one_place_stand_beside_each_other() {
        let apart: [(usize, &[_]); 3] = [(0, &[("all", "a")]), (0, &[("failed", "a")]), (1, &[("old", "a")])];
        assert_eq!(left(&apart), [vec!["all a"], vec!["failed a"], vec![]]);
    }
}
