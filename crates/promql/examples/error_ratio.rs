//! The share of failed requests, an hour of it, as an alert would ask for it.

use tidegate_promql::{Labels, Prometheus, QueryError, Settings};

const MINUTE: i64 = 60_000;
const QUERY: &str = r#"sum(rate(requests_total{code=~"5.."}[5m])) / sum(rate(requests_total[5m]))"#;

fn series(code: &str) -> Labels {
    Labels::new([("__name__", "requests_total"), ("app", "shop"), ("code", code)])
}

fn main() -> Result<(), QueryError> {
    let mut prometheus = Prometheus::new(Settings::default());
    let (mut good, mut bad) = (0.0, 0.0);
    for minute in 0..=60 {
        good += 600.0;
        // From half past on, one of a hundred fails.
        bad += if minute > 30 { 6.0 } else { 0.0 };
        prometheus.append(minute * MINUTE, "pod-1", &[(series("200"), good), (series("500"), bad)]);
    }
    for ratio in prometheus.range(QUERY, 20 * MINUTE, 60 * MINUTE, 10 * MINUTE)? {
        for point in ratio.points.iter() {
            println!("minute {}: {:.2} % failed", point.at / MINUTE, point.value * 100.0);
        }
        assert!(ratio.points.first().is_some_and(|first| first.value == 0.0));
        assert!(ratio.points.last().is_some_and(|last| (last.value - 6.0 / 606.0).abs() < 1e-9));
    }
    Ok(())
}
