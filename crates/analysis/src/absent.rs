//! What there is in place of the series that a check asks for: which metric, which labels, which values.

use std::collections::BTreeSet;

use jiff::Timestamp;
use promql_parser::parser::{Expr, parse};
use tidegate_planner::pattern::exactly;
use tokio::time::Instant;

use super::{answer::Row, error::QueryError, escape::escape_string, prometheus::Prometheus, source::Source};

/// What there was so many seconds ago is there.
const RECENT: i64 = 60;

/// So many values of a label are told.
const MOST_VALUES: usize = 3;

/// No more of a value is told: a gateway's may be of any length.
const LONGEST_VALUE: usize = 120;

/// Why `source` has no series at `at`. Two or three small questions: one series of its metric, or of the native histogram in
/// its place, for the labels; and what the label that tells the versions apart is of this application. Of others nothing is
/// told: who may write a Rollout need not know what else there is.
pub(super) async fn explained(
    prometheus: &Prometheus,
    source: &Source,
    at: Timestamp,
    deadline: Instant,
) -> QueryError {
    let counting = source.counting;
    let unknown = QueryError::Empty { hint: counting.hint() };
    let Some(selector) = source.selectors.first() else { return unknown };
    let Some(metric) = metric(&selector.promql) else { return unknown };
    // The minute before counts, too: VictoriaMetrics leaves the last 30 s out of what it answers for a range.
    let (start, end) = (at.as_second().saturating_sub(RECENT), at.as_second());
    let ask = async |query: String| prometheus.grid(&query, start, end, RECENT, deadline).await;
    let one = async |series: &str| {
        let rows = ask(format!("topk(1, {series})")).await?;
        Ok::<_, QueryError>(rows.first().map(labels))
    };
    let Ok(classic) = one(&metric).await else { return unknown };
    let (metric, labels) = match (classic, selector.native.as_deref().and_then(self::metric)) {
        (Some(labels), _) => (metric, labels),
        (None, None) => return QueryError::NoMetric { metric, counting },
        // No store ranks histograms, and not every one knows what they are.
        (None, Some(native)) => match one(&format!("histogram_count({native})")).await {
            Ok(Some(labels)) => (native, labels),
            _ => return QueryError::NoMetric { metric, counting },
        },
    };
    let Some(label) = selector.told_apart_by().filter(|_| !source.about.is_empty()) else { return unknown };
    if !labels.contains(label) {
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        return QueryError::NoLabel { metric, label: label.to_owned(), labels };
    }
    let own = escape_string(&format!(".*{}.*", exactly(&source.about)), '"');
    let values = ask(format!("count by ({label}) ({metric}{{{label}=~\"{own}\"}})")).await.unwrap_or_default();
    let values: BTreeSet<_> = values.iter().filter_map(|row| row.label(label)).map(shortened).collect();
    let told: Vec<_> = values.iter().take(MOST_VALUES).map(|value| format!("{value:?}")).collect();
    let more = values.len().saturating_sub(told.len());
    let values = match (told.is_empty(), more) {
        (true, _) => format!("none with {}", source.about),
        (false, 0) => told.join(", "),
        (false, more) => format!("{} and {more} more", told.join(", ")),
    };
    QueryError::NoneOfTheVersion { metric, label: label.to_owned(), values, counting }
}

/// The metric that a plain selector names.
fn metric(selector: &str) -> Option<String> {
    let Ok(Expr::VectorSelector(selector)) = parse(selector) else { return None };
    selector.name
}

fn labels(row: &Row) -> BTreeSet<String> {
    row.labels.iter().map(|(name, _)| name.to_string()).filter(|name| name != "__name__").collect()
}

fn shortened(value: &str) -> String {
    let mut letters = value.chars();
    let mut shortened: String = letters.by_ref().take(LONGEST_VALUE).collect();
    if letters.next().is_some() {
        shortened.push('…');
    }
    shortened
}
