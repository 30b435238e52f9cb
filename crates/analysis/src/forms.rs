//! In which form each histogram counts: classic buckets, or samples that hold their buckets.
//!
//! During a migration a process exposes a histogram in both, or one version does in one and the other in the other, and
//! Prometheus may keep both. Each histogram counts once.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use promql_parser::parser::{Expr, parse};
use tidegate_judge::{ByKey, Key, Meaning, Sample, Series};

use super::answer::Row;

/// What the names of classic buckets end with.
pub(super) const BUCKET: &str = "_bucket";

/// What the names of the counters end with that count all which a classic histogram observed.
pub(super) const COUNT: &str = "_count";

/// By histogram, the form in which it counts: nothing in particular for classic buckets, all of its series otherwise.
pub(super) type Forms = ByKey<Key>;

/// What selects the same histograms as a selector of a part of them, where they are native ones. It is found out when it is first
/// asked for: what a check reads is described anew at each look, and mostly only compared with what is known.
#[derive(Debug, Clone)]
pub(super) struct NativeSelector {
    part: String,
    /// What the name of the part ends with.
    end: &'static str,
    promql: OnceLock<Option<String>>,
}

impl PartialEq for NativeSelector {
    fn eq(&self, other: &Self) -> bool {
        (&self.part, self.end) == (&other.part, other.end)
    }
}

impl NativeSelector {
    /// The one beside `part`, which selects what has a name with this `end`.
    pub(super) fn beside(part: &str, end: &'static str) -> Self {
        Self { part: part.to_owned(), end, promql: OnceLock::new() }
    }

    /// The selector; nothing where the other one does not name the histogram.
    pub(super) fn promql(&self) -> Option<&str> {
        self.promql.get_or_init(|| native(&self.part, self.end)).as_deref()
    }
}

/// The selector of the native histogram of which `selector` selects the part whose name has this `end`; nothing where it does
/// not name it.
fn native(selector: &str, end: &str) -> Option<String> {
    let Ok(Expr::VectorSelector(mut plain)) = parse(selector) else { return None };
    let is_plain = plain.offset.is_none() && plain.at.is_none() && plain.matchers.or_matchers.is_empty();
    let name = plain.name.as_deref()?.strip_suffix(end).filter(|name| is_plain && !name.is_empty())?.to_owned();
    plain.name = Some(name);
    plain.matchers.matchers.retain(|matcher| matcher.name != "le");
    let text = plain.to_string();
    (parse(&text) == Ok(Expr::VectorSelector(plain))).then_some(text)
}

/// The name that the part with this `end` of the histogram `name` has, or would have.
pub(super) fn classic_name(name: &str, end: &str) -> String {
    format!("{}{end}", name.strip_suffix(end).unwrap_or(name))
}

/// A native histogram as the counter of all that it observed, with the name that a classic one would have.
pub(super) fn as_counter(row: &Row) -> Row {
    let name = |name: &Arc<str>, value: &Arc<str>| match &**name {
        "__name__" => classic_name(value, COUNT).into(),
        _ => Arc::clone(value),
    };
    let labels: Vec<_> = row.labels.iter().map(|(label, value)| (Arc::clone(label), name(label, value))).collect();
    let samples = row.histograms.iter().map(|histogram| Sample { at: histogram.at, value: histogram.count });
    Row { labels: labels.into(), samples: samples.collect(), histograms: Vec::new() }
}

/// What `held` and the `classic` buckets count, each histogram once, and in which form.
///
/// The form that has the newest sample counts; where both do, the one that counted something last, since a store that was
/// restarted shows for minutes what is there no more; and the classic one where both did: its bounds are where somebody put
/// them. One without any bound is what Prometheus makes of a native histogram that has no classic buckets, and tells nothing.
///
/// Where that form began when the other was there already, what was counted meanwhile is in no two samples of one form, and
/// left out, rather than that all which the process ever counted be taken for new.
pub(super) fn once(mut classic: Vec<Series>, mut held: Vec<Series>) -> (Vec<Series>, Forms) {
    let (of_classic, of_held) =
        if held.is_empty() { (ByKey::default(), ByKey::default()) } else { (spans(&classic), spans(&held)) };
    let last = |span: &Span| (span.has_bounds, span.last, span.counted);
    let is_held = |key: Key| of_held.get(&key).map(last) > of_classic.get(&key).map(last);
    let mut forms = Forms::default();
    forms.reserve(of_classic.len());
    for (all, as_held, others) in [(&mut classic, false, &of_held), (&mut held, true, &of_classic)] {
        all.retain(|series| histogram_of(series).is_none_or(|key| is_held(key) == as_held));
        for series in all {
            let Some(key) = histogram_of(series) else { continue };
            let form = forms.entry(key).or_default();
            if as_held {
                *form = form.with(series.key);
            }
            go_on_from(others.get(&key).map(|span| span.first), series);
        }
    }
    classic.append(&mut held);
    (classic, forms)
}

/// Those of `series` that are of histograms which counted in another form in `before` than in `now`.
pub(super) fn changed(before: &Forms, now: &Forms, series: &[Series]) -> Vec<Series> {
    let is_changed = |key: &Key| before.get(key).is_some_and(|form| Some(form) != now.get(key));
    series.iter().filter(|series| histogram_of(series).is_some_and(|key| is_changed(&key))).cloned().collect()
}

/// Without what `series`, read at instants, have of histograms that counted in another form `before`, up to where they count
/// something: until then a store may only show what they stood at when they ended. Those that count nothing have not changed.
pub(super) fn resumed(before: &Forms, now: &mut Forms, series: &mut Vec<Series>) {
    let mut changes: ByKey<Option<Timestamp>> = ByKey::default();
    for one in changed(before, now, series) {
        let Some(histogram) = histogram_of(&one) else { continue };
        let change = changes.entry(histogram).or_default();
        *change = (*change).into_iter().chain(counted(&one.samples).next()).min();
    }
    now.retain(|histogram, _| changes.get(histogram).is_none_or(Option::is_some));
    series.retain_mut(|one| match histogram_of(one).and_then(|histogram| changes.get(&histogram)) {
        None => true,
        Some(None) => false,
        Some(Some(change)) => {
            one.samples.retain(|sample| sample.at >= *change);
            true
        }
    });
}

/// Makes `series` begin when the `other` form did, if that was before: it stood then at what it begins with.
fn go_on_from(other: Option<Timestamp>, series: &mut Series) {
    let Some((other, first)) = other.zip(series.samples.first().copied()) else { return };
    if other < first.at {
        series.samples.insert(0, Sample { at: other, ..first });
    }
}

/// The histogram that a series is a bucket of.
fn histogram_of(series: &Series) -> Option<Key> {
    if let Meaning::Bucket { histogram, .. } = series.meaning { Some(histogram) } else { None }
}

/// When a histogram has its first and its last sample and counted something last, and whether it has any bound that is not
/// infinite.
#[derive(Clone, Copy)]
struct Span {
    has_bounds: bool,
    first: Timestamp,
    last: Timestamp,
    counted: Option<Timestamp>,
}

fn spans(series: &[Series]) -> ByKey<Span> {
    let mut spans = ByKey::default();
    for series in series {
        let Meaning::Bucket { histogram, le } = series.meaning else { continue };
        let Some((first, last)) = series.samples.first().zip(series.samples.last()) else { continue };
        let begun = Span { has_bounds: false, first: first.at, last: last.at, counted: None };
        let span = spans.entry(histogram).or_insert(begun);
        span.has_bounds |= le.is_finite();
        let counted = counted(&series.samples).next_back().max(span.counted);
        *span = Span { first: first.at.min(span.first), last: last.at.max(span.last), counted, ..*span };
    }
    spans
}

/// When a counter was seen at another value than before.
fn counted(samples: &[Sample]) -> impl DoubleEndedIterator<Item = Timestamp> {
    samples.windows(2).filter_map(|pair| match pair {
        [before, after] if before.value.total_cmp(&after.value).is_ne() => Some(after.at),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
