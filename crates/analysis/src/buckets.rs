//! Of histograms with many series, only those buckets are asked for that can change what a limit says.
//!
//! A histogram answers a limit by the nearest bounds on either side of it, and by `+Inf`, which counts all requests. Which
//! bounds there are is found out by one small question, and so is whether every histogram has them: between the nearest
//! bounds that all of them have, each is asked for with all of its own. So what is left out is never what is counted, and
//! the verdict is the one that all buckets would have come to.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::parser::{Expr, VectorSelector, parse};
use tidegate_judge::{Arm, ByKey, Key, Meaning, Measure, Series};
use tidegate_planner::pattern::exactly;

use super::{answer::Row, escape::escape_string};

/// The bounds of many histograms, in nanoseconds and in their order, and how they are spelled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds(Vec<Bound>);

#[derive(Debug, Clone, PartialEq)]
struct Bound {
    le: f64,
    spellings: BTreeSet<String>,
    /// Whether each of the histograms has it.
    is_everywhere: bool,
}

/// The buckets that are asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    /// What a selector is given for them.
    pub(super) matcher: String,
    /// Those that each histogram has: one that lacks any of them is not the one that was found.
    everywhere: Vec<f64>,
    /// The selectors for these buckets alone, by what they were before.
    narrowed: BTreeMap<String, String>,
}

impl Bounds {
    /// The question which bounds the series of `selector` have.
    pub(super) fn question(selector: &str) -> String {
        format!("count by (le) ({selector})")
    }

    /// How many series there are by that answer, at the instant at which there were most.
    pub(super) fn count<'a>(answer: impl IntoIterator<Item = &'a Row>) -> f64 {
        let mut counted: BTreeMap<i64, f64> = BTreeMap::new();
        for sample in answer.into_iter().flat_map(|row| &row.samples) {
            *counted.entry(sample.at.as_millisecond()).or_default() += sample.value;
        }
        counted.values().copied().fold(0.0, f64::max)
    }

    /// What was answered: how many series have each bound, at one instant or at several. Nothing where that is no reason to
    /// leave anything out: there are no series, or some of no bound, or histograms without `+Inf`.
    pub(super) fn of(answer: &[Row], nanoseconds: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let mut spelled: BTreeMap<Order, BTreeSet<String>> = BTreeMap::new();
        let mut counted: BTreeMap<i64, BTreeMap<Order, f64>> = BTreeMap::new();
        for row in answer {
            let spelling = row.label("le")?;
            let le = Order(nanoseconds(spelling)?);
            spelled.entry(le).or_default().insert(spelling.to_owned());
            for sample in &row.samples {
                // Prometheus 2 and 3 spell the same bound in two ways.
                *counted.entry(sample.at.as_millisecond()).or_default().entry(le).or_default() += sample.value;
            }
        }
        let is_everywhere = |le: Order| {
            counted.values().all(|counts| {
                let most = counts.values().copied().fold(0.0, f64::max);
                counts.get(&le).is_some_and(|count| *count >= most)
            })
        };
        let bound = |(le, spellings)| Bound { le: f64::from(le), spellings, is_everywhere: is_everywhere(le) };
        let bounds: Vec<_> = spelled.into_iter().map(bound).collect();
        let is_whole = bounds.last().is_some_and(|last| last.le == f64::INFINITY && last.is_everywhere);
        is_whole.then_some(Self(bounds))
    }

    /// Those that `measures` need.
    pub(super) fn chosen(&self, measures: &[Measure]) -> Chosen {
        let limits: Vec<f64> = measures
            .iter()
            .filter_map(|measure| if let Measure::SlowerThan(limit) = measure { Some(*limit) } else { None })
            .collect();
        let chosen: Vec<&Bound> = self.0.iter().filter(|bound| self.matters(bound.le, &limits)).collect();
        let spellings: BTreeSet<String> = chosen.iter().flat_map(|bound| bound.all_spellings()).collect();
        let pattern: Vec<_> = spellings.iter().map(|spelling| exactly(spelling)).collect();
        let everywhere = chosen.iter().filter(|bound| bound.is_everywhere).map(|bound| bound.le).collect();
        let matcher = format!("le=~\"{}\"", escape_string(&pattern.join("|"), '"'));
        Chosen { matcher, everywhere, narrowed: BTreeMap::new() }
    }

    /// Whether the bound `le` may be one of the nearest to one of `limits` in any histogram.
    fn matters(&self, le: f64, limits: &[f64]) -> bool {
        let everywhere = || self.0.iter().filter(|bound| bound.is_everywhere).map(|bound| bound.le);
        le == f64::INFINITY
            || limits.iter().any(|limit| {
                let below = everywhere().filter(|bound| bound <= limit).fold(f64::NEG_INFINITY, f64::max);
                let above = everywhere().filter(|bound| bound >= limit).fold(f64::INFINITY, f64::min);
                below <= le && le <= above
            })
    }
}

impl Bound {
    /// How it is spelled, and how it would be after an upgrade of Prometheus: `1` by 2, and `1.0` by 3.
    fn all_spellings(&self) -> impl Iterator<Item = String> {
        let numbers = self.spellings.iter().filter_map(|spelling| spelling.parse::<f64>().ok());
        let others =
            numbers.filter(|number| number.is_finite()).flat_map(|number| [format!("{number}"), format!("{number:?}")]);
        self.spellings.iter().cloned().chain(others).collect::<Vec<_>>().into_iter()
    }
}

impl Chosen {
    /// The same for `selectors`, once for as long as it stands: to read a selector takes longer than to read a hundred series. Nothing
    /// where it is not known how to say it of all of them.
    pub(super) fn for_all<'s>(self, selectors: impl Iterator<Item = &'s str>) -> Option<Self> {
        let narrowed = selectors.map(|selector| Some((selector.to_owned(), self.narrow(selector)?)));
        let narrowed = narrowed.collect::<Option<_>>()?;
        Some(Self { narrowed, ..self })
    }

    /// `selector` for these buckets alone, where it is one of those that this is for.
    pub(super) fn of(&self, selector: &str) -> Option<&str> {
        self.narrowed.get(selector).map(String::as_str)
    }

    /// `selector` for these buckets alone; nothing where it is not known how to say so.
    fn narrow(&self, selector: &str) -> Option<String> {
        let plain = plain(selector)?;
        let text = selector.trim_end();
        let narrowed = match text.strip_suffix('}').map(str::trim_end) {
            Some(open) if open.ends_with(['{', ',']) => format!("{open}{}}}", self.matcher),
            Some(open) => format!("{open},{}}}", self.matcher),
            None => format!("{text}{{{}}}", self.matcher),
        };
        // A comment, or anything else that was not thought of, shows by what has become of it.
        let is_narrowed = self::plain(&narrowed).is_some_and(|narrowed| {
            let (before, after) = (&plain.matchers.matchers, &narrowed.matchers.matchers);
            let is_named_alike = narrowed.name == plain.name;
            is_named_alike
                && after.split_last().is_some_and(|(last, rest)| last.name == "le" && rest == before.as_slice())
        });
        is_narrowed.then_some(narrowed)
    }

    /// Whether each histogram of `series` has all the buckets that every histogram had.
    pub(super) fn are_in(&self, series: &[Series]) -> bool {
        let mut found: ByKey<usize, (Key, Arm)> = ByKey::default();
        for series in series {
            if let Meaning::Bucket { histogram, le } = series.meaning {
                *found.entry((histogram, series.arm)).or_default() += usize::from(self.everywhere.contains(&le));
            }
        }
        found.values().all(|found| *found == self.everywhere.len())
    }
}

/// What `selector` selects, if it is one and no more than that.
fn plain(selector: &str) -> Option<VectorSelector> {
    let Ok(Expr::VectorSelector(selector)) = parse(selector) else { return None };
    let is_plain = selector.offset.is_none() && selector.at.is_none() && selector.matchers.or_matchers.is_empty();
    is_plain.then_some(selector)
}

/// A bound, in the order of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Order(f64);

impl From<Order> for f64 {
    fn from(Order(le): Order) -> Self {
        le
    }
}

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
