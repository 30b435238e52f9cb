//! `MetricsQL`: what `VictoriaMetrics` answers beyond PromQL.
//!
//! <https://docs.victoriametrics.com/victoriametrics/metricsql/>; the names are those that its version 1.145 takes and
//! Prometheus 3.5 does not know.

/// Functions, sorted.
const FUNCTIONS: &[&str] = &[
    "aggr_over_time",
    "alias",
    "any",
    "ascent_over_time",
    "bitmap_and",
    "bitmap_or",
    "bitmap_xor",
    "bottomk_avg",
    "bottomk_last",
    "bottomk_max",
    "bottomk_median",
    "bottomk_min",
    "buckets_limit",
    "changes_prometheus",
    "count_eq_over_time",
    "count_gt_over_time",
    "count_le_over_time",
    "count_ne_over_time",
    "count_values_over_time",
    "decreases_over_time",
    "default_rollup",
    "delta_prometheus",
    "deriv_fast",
    "descent_over_time",
    "distinct",
    "distinct_over_time",
    "drop_common_labels",
    "drop_empty_series",
    "duration_over_time",
    "geomean",
    "geomean_over_time",
    "histogram",
    "histogram_over_time",
    "histogram_quantiles",
    "histogram_share",
    "hoeffding_bound_lower",
    "hoeffding_bound_upper",
    "ideriv",
    "increase_prometheus",
    "increase_pure",
    "increases_over_time",
    "integrate",
    "interpolate",
    "keep_last_value",
    "keep_next_value",
    "label_copy",
    "label_del",
    "label_graphite_group",
    "label_keep",
    "label_lowercase",
    "label_map",
    "label_match",
    "label_mismatch",
    "label_move",
    "label_set",
    "label_transform",
    "label_uppercase",
    "label_value",
    "labels_equal",
    "lag",
    "lifetime",
    "limit_offset",
    "mad",
    "median",
    "median_over_time",
    "mode",
    "mode_over_time",
    "now",
    "outlier_iqr_over_time",
    "outliers_iqr",
    "outliers_mad",
    "outliersk",
    "prometheus_buckets",
    "quantiles",
    "quantiles_over_time",
    "rand",
    "rand_exponential",
    "rand_normal",
    "range_avg",
    "range_first",
    "range_last",
    "range_linear_regression",
    "range_mad",
    "range_max",
    "range_median",
    "range_min",
    "range_normalize",
    "range_over_time",
    "range_quantile",
    "range_stddev",
    "range_stdvar",
    "range_sum",
    "range_trim_outliers",
    "range_trim_spikes",
    "range_trim_zscore",
    "range_zscore",
    "rate_over_sum",
    "rate_prometheus",
    "remove_resets",
    "rollup",
    "rollup_candlestick",
    "rollup_delta",
    "rollup_deriv",
    "rollup_increase",
    "rollup_rate",
    "rollup_scrape_interval",
    "ru",
    "running_avg",
    "running_max",
    "running_min",
    "running_sum",
    "scrape_interval",
    "share",
    "share_eq_over_time",
    "share_gt_over_time",
    "share_le_over_time",
    "smooth_exponential",
    "sort_by_label_numeric",
    "sort_by_label_numeric_desc",
    "stale_samples_over_time",
    "step",
    "sum2",
    "sum2_over_time",
    "sum_eq_over_time",
    "sum_gt_over_time",
    "sum_le_over_time",
    "tfirst_over_time",
    "timestamp_with_name",
    "tlast_change_over_time",
    "tlast_over_time",
    "tmax_over_time",
    "tmin_over_time",
    "topk_avg",
    "topk_last",
    "topk_max",
    "topk_median",
    "topk_min",
    "ttf",
    "union",
    "zscore",
    "zscore_over_time",
];

/// Words between expressions.
const WORDS: [&str; 5] = ["default", "if", "ifnot", "keep_metric_names", "limit"];

/// The first thing in `query`, which is no PromQL, that `MetricsQL` has beyond it.
pub fn found(query: &str) -> Option<&str> {
    let mut before = None;
    for (word, behind) in words(query) {
        let is_called = behind.trim_start().starts_with('(');
        let defines = word.eq_ignore_ascii_case("with") && before.is_none() && is_called;
        let stands_between = before.is_some() && WORDS.contains(&word);
        if defines || stands_between || is_called && FUNCTIONS.binary_search(&word).is_ok() {
            return Some(word);
        }
        before = Some(word);
    }
    None
}

/// The names in `query` that stand outside of quotes and braces, each with what is behind it.
fn words(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let (mut rest, mut quote, mut is_inside) = (query, None, false);
    std::iter::from_fn(move || {
        while let Some(c) = rest.chars().next() {
            let plain = quote.is_none() && !is_inside;
            if plain && is_name(c) {
                let (word, behind) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
                rest = behind;
                return Some((word, behind));
            }
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (None, '"' | '\'' | '`') => quote = Some(c),
                (None, '{') => is_inside = true,
                (None, '}') => is_inside = false,
                _ => {}
            }
            let escaped = c == '\\' && quote.is_some_and(|quote| quote != '`');
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if escaped {
                rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted() {
        assert!(FUNCTIONS.is_sorted());
    }

    #[test]
    fn what_metricsql_has_beyond_promql_is_named() {
        for (query, word) in [
            ("median(rollup_rate(up[5m]))", "median"),
            ("sum(up{a=\"b\"}) default 0", "default"),
            ("rate(up[5m]) keep_metric_names", "keep_metric_names"),
            ("WITH (x = up) sum(x)", "WITH"),
            ("up if (up > 0)", "if"),
        ] {
            assert_eq!(found(query), Some(word), "{query}");
        }
    }

    #[test]
    fn broken_promql_is_no_metricsql() {
        for query in
            ["sum(rate(up[5m])", "average(up)", "up{path=\"median(\\\" if (\"", "limit", "if{a=~'x default y'", "é("]
        {
            assert_eq!(found(query), None, "{query}");
        }
    }
}
