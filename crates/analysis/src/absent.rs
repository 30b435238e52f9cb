//! What there is in place of the series that a check asks for: which metric, which labels, which values.

use std::collections::BTreeSet;

use jiff::Timestamp;
use promql_parser::{
    label::MatchOp,
    parser::{Expr, parse},
};
use tidegate_planner::pattern::exactly;
use tokio::time::Instant;

use super::{answer::Row, error::QueryError, escape::escape_string, prometheus::Prometheus, source::Source};

/// What there was so many seconds ago is there.
const RECENT: i64 = 60;

/// So many values of a label are told.
const MOST_VALUES: usize = 3;

/// No more of a value is told: a gateway's may be of any length.
const LONGEST_VALUE: usize = 120;

/// The metric that a plain selector names: by one name, or by several for which one expression stands.
#[derive(Debug, Clone, PartialEq)]
struct Metric {
    /// What it is called in sentences.
    title: String,
    /// What selects it, without its brace at the end.
    open: String,
}

impl Metric {
    fn of(selector: &str) -> Option<Self> {
        let Ok(Expr::VectorSelector(selector)) = parse(selector) else { return None };
        if let Some(name) = selector.name {
            return Some(Self { open: format!("{name}{{"), title: name });
        }
        let named = selector.matchers.matchers.iter().find(|matcher| matcher.name == "__name__")?;
        let (sign, title) = match named.op {
            MatchOp::Equal => ("=", named.value.clone()),
            MatchOp::Re(_) => ("=~", named.value.replace('|', " or ").replace("[.]", ".")),
            MatchOp::NotEqual | MatchOp::NotRe(_) => return None,
        };
        Some(Self { title, open: format!("{{__name__{sign}\"{}\",", escape_string(&named.value, '"')) })
    }

    /// What selects it, with one more matcher.
    fn with(&self, matcher: &str) -> String {
        format!("{}{matcher}}}", self.open)
    }
}

/// Why `source` has no series at `at`. Few small questions: one series of its metric, or of the native histogram in its place,
/// for the labels; and what the label that tells the versions apart is of this application. Of others nothing is told: who may
/// write a Rollout need not know what else there is. Where the metric has several names, the first that is there at all is asked
/// about.
pub(super) async fn explained(
    prometheus: &Prometheus,
    source: &Source,
    at: Timestamp,
    deadline: Instant,
) -> QueryError {
    let counting = source.counting;
    let unknown = QueryError::Empty { hint: counting.hint() };
    let named = source.judged().map(|selector| Some((selector, Metric::of(&selector.promql)?)));
    let Some(named) = named.collect::<Option<Vec<_>>>() else { return unknown };
    // The minute before counts, too: VictoriaMetrics leaves the last 30 s out of what it answers for a range.
    let (start, end) = (at.as_second().saturating_sub(RECENT), at.as_second());
    let ask = async |query: String| prometheus.grid(&query, start, end, RECENT, deadline).await;
    let mut found = None;
    for (selector, metric) in &named {
        let Ok(classic) = ask(format!("topk(1, {})", metric.with(""))).await else { return unknown };
        found = classic.first().map(|row| (*selector, metric.clone(), labels(row)));
        if let (None, Some(native)) = (&found, selector.native.promql().and_then(Metric::of)) {
            // No store ranks histograms, and not every one knows what they are.
            let rows = ask(format!("topk(1, histogram_count({}))", native.with(""))).await.unwrap_or_default();
            found = rows.first().map(|row| (*selector, native, labels(row)));
        }
        if found.is_some() {
            break;
        }
    }
    let Some((selector, metric, labels)) = found else {
        return QueryError::NoMetric { metric: titles(source), counting };
    };
    let title = metric.title.clone();
    let Some(label) = selector.told_apart_by().filter(|_| !source.about.is_empty()) else { return unknown };
    if !labels.contains(label) {
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        return QueryError::NoLabel { metric: title, label: label.to_owned(), labels };
    }
    let own = escape_string(&format!(".*{}.*", exactly(&source.about)), '"');
    let own = metric.with(&format!("{label}=~\"{own}\""));
    let values = ask(format!("count by ({label}) ({own})")).await.unwrap_or_default();
    let values: BTreeSet<_> = values.iter().filter_map(|row| row.label(label)).map(shortened).collect();
    let told: Vec<_> = values.iter().take(MOST_VALUES).map(|value| format!("{value:?}")).collect();
    let more = values.len().saturating_sub(told.len());
    let values = match (told.is_empty(), more) {
        (true, _) => format!("none with {}", source.about),
        (false, 0) => told.join(", "),
        (false, more) => format!("{} and {more} more", told.join(", ")),
    };
    QueryError::NoneOfTheVersion { metric: title, label: label.to_owned(), values, counting }
}

/// All that the metric of `source` may be called.
pub(super) fn titles(source: &Source) -> String {
    let metrics = source.judged().filter_map(|selector| Metric::of(&selector.promql));
    let mut titles: Vec<_> = metrics.map(|metric| metric.title).collect();
    titles.dedup();
    titles.join(" or ")
}

fn labels(row: &Row) -> BTreeSet<String> {
    row.labels.iter().map(|(name, _)| name.to_string()).filter(|name| name != "__name__").collect()
}

/// A value as it is told.
pub(super) fn shortened(value: &str) -> String {
    let mut letters = value.chars();
    let mut shortened: String = letters.by_ref().take(LONGEST_VALUE).collect();
    if letters.next().is_some() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_told_by_its_name_or_by_all_that_it_may_be_called() {
        let title = |selector| Metric::of(selector).map(|metric| metric.title);
        assert_eq!(title(r#"up{pod="a"}"#).as_deref(), Some("up"));
        assert_eq!(title(r#"{__name__="http.server",pod="a"}"#).as_deref(), Some("http.server"));
        assert_eq!(title(r#"{__name__=~"a_count|b[.]count"}"#).as_deref(), Some("a_count or b.count"));
        assert_eq!(title(r#"{__name__!="up",pod="a"}"#), None);
        assert_eq!(title("rate(up[1m])"), None);
    }

    #[test]
    fn what_selects_a_metric_can_be_narrowed() {
        let own = |selector| Metric::of(selector).unwrap().with(r#"pod=~".*a.*""#);
        assert_eq!(own("up"), r#"up{pod=~".*a.*"}"#);
        assert_eq!(own(r#"{__name__=~"a|b"}"#), r#"{__name__=~"a|b",pod=~".*a.*"}"#);
    }
}
