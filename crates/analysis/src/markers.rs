//! Where a series ended: Prometheus leaves that out of what it answers, `VictoriaMetrics` writes `NaN`.
//!
//! <https://docs.victoriametrics.com/victoriametrics/vmagent/#prometheus-staleness-markers>

use tidegate_judge::Sample;

/// A series ends once, and twice where two scrapers write it. More in a row are what a process exposes: no counter.
const MOST: usize = 2;

/// `samples` without those that only say that the series ended there.
pub(super) fn without_markers(mut samples: Vec<Sample>) -> Vec<Sample> {
    if samples.iter().any(|sample| sample.value.is_nan()) {
        let runs = samples.chunk_by(|one, next| one.value.is_nan() == next.value.is_nan());
        let kept = runs.filter(|run| run.len() > MOST || run.iter().all(|sample| !sample.value.is_nan()));
        samples = kept.flatten().copied().collect();
    }
    samples
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// What is left of such values, as text: no `NaN` equals another.
    fn left(values: &[f64]) -> String {
        let samples =
            (0..).zip(values).map(|(at, value)| Sample { at: Timestamp::from_second(at).unwrap(), value: *value });
        format!("{:?}", without_markers(samples.collect()).iter().map(|sample| sample.value).collect::<Vec<_>>())
    }

    #[test]
    fn the_end_of_a_series_is_no_value_of_it() {
        let ended = f64::NAN;
        assert_eq!(left(&[1.0, 2.0, ended]), "[1.0, 2.0]");
        assert_eq!(left(&[1.0, ended, ended, 0.0, 4.0]), "[1.0, 0.0, 4.0]", "it came back");
        assert_eq!(left(&[ended]), "[]", "it ended before");
    }

    #[test]
    fn what_never_is_a_number_stays_what_it_is() {
        assert_eq!(left(&[f64::NAN; 3]), "[NaN, NaN, NaN]");
        assert_eq!(left(&[1.0, f64::INFINITY]), "[1.0, inf]");
    }
}
