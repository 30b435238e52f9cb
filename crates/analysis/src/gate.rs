//! The number that a gate asks for: it is well or not, without statistics.

use jiff::Timestamp;
use tidegate_api::QueryGate;
use tokio::time::Instant;

use super::{Analyzer, QueryError};

/// Over a stretch of time the number is looked at so many times at most, and no more often than that many seconds.
const LOOKS: i64 = 100;
const STEP: i64 = 10;

/// Whether a number is well, with a sentence that says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wellness {
    /// It is, and was for as long as is asked.
    Well(String),
    /// It is not.
    Unwell(String),
}

impl Analyzer {
    /// Whether the number of a gate is well at `now`; `endpoint` is asked where the gate names none.
    ///
    /// # Errors
    /// [`QueryError`]: there is no number.
    pub async fn wellness(
        &self,
        gate: &QueryGate,
        endpoint: Option<&str>,
        now: Timestamp,
    ) -> Result<Wellness, QueryError> {
        let prometheus = self.prometheus(gate.prometheus.as_deref().or(endpoint))?;
        let deadline = Instant::now() + prometheus.timeout();
        let Some(lasting) = gate.lasting.filter(|lasting| !lasting.duration().is_zero()) else {
            let values = prometheus.numbers(&gate.expr, now, deadline).await?;
            return Ok(worst(gate, &values));
        };
        let seconds = i64::try_from(lasting.duration().as_secs()).unwrap_or(i64::MAX);
        let step = (seconds / LOOKS).max(STEP);
        let end = now.as_second() / step * step;
        let start = end.saturating_sub(seconds / step * step);
        let rows = prometheus.grid(&gate.expr, start, end, step, deadline).await?;
        let at = |instant: i64| {
            let samples = rows.iter().flat_map(|row| &row.samples);
            samples
                .filter(move |sample| sample.at.as_second() == instant)
                .map(|sample| sample.value)
                .collect::<Vec<_>>()
        };
        let mut instant = end;
        while instant >= start {
            let values = at(instant);
            if values.is_empty() {
                return Ok(Wellness::Unwell(format!("there was no number {}s ago", end - instant)));
            }
            if let Wellness::Unwell(said) = worst(gate, &values) {
                let when = if instant == end { String::new() } else { format!(" {}s ago", end - instant) };
                return Ok(Wellness::Unwell(format!("{said}{when}, and has to be well for {lasting}")));
            }
            instant -= step;
        }
        Ok(Wellness::Well(format!("it has been well for {lasting}")))
    }
}

/// What the worst of them says.
fn worst(gate: &QueryGate, values: &[f64]) -> Wellness {
    if values.is_empty() {
        return Wellness::Unwell("the expression selects nothing".to_owned());
    }
    for value in values {
        if !value.is_finite() {
            return Wellness::Unwell("it is not a number".to_owned());
        }
        if let Some(max) = gate.max.filter(|max| value > max) {
            return Wellness::Unwell(format!("it is {value}, above {max}"));
        }
        if let Some(min) = gate.min.filter(|min| value < min) {
            return Wellness::Unwell(format!("it is {value}, below {min}"));
        }
    }
    let told: Vec<_> = values.iter().take(4).map(f64::to_string).collect();
    Wellness::Well(format!("it is {}", told.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_to_be_within_the_limits_and_there_has_to_be_one() {
        let gate = QueryGate { expr: "up".to_owned(), min: Some(1.0), max: Some(2.0), lasting: None, prometheus: None };
        assert_eq!(worst(&gate, &[1.0, 2.0]), Wellness::Well("it is 1, 2".to_owned()));
        for (values, said) in [
            (vec![1.0, 0.5], "it is 0.5, below 1"),
            (vec![3.0], "it is 3, above 2"),
            (vec![], "the expression selects nothing"),
            (vec![f64::NAN], "it is not a number"),
        ] {
            assert_eq!(worst(&gate, &values), Wellness::Unwell(said.to_owned()));
        }
    }
}
