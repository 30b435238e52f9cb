//! What a Prometheus says, and what of it is believed.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;
use tidegate_judge::Sample;

use super::error::QueryError;

/// What a query yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// One number, of nothing in particular.
    Scalar(f64),
    /// One number for each series.
    Vector(Vec<f64>),
    /// Several samples for each series.
    Matrix(Vec<Row>),
}

/// Names and values, in the order of the names.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// One series with its samples.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// Its labels, with `__name__`, in the order of their names.
    #[serde(rename = "metric", deserialize_with = "labels")]
    pub labels: Labels,
    /// Its samples, oldest first.
    #[serde(rename = "values", deserialize_with = "samples")]
    pub samples: Vec<Sample>,
}

impl Row {
    /// The value of a label; nothing if the series does not have it.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| &**label == name)?;
        Some(&found.1)
    }
}

/// The part of an answer that is around the numbers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error_type: Cow<'a, str>,
    #[serde(default)]
    warnings: Option<Vec<serde::de::IgnoredAny>>,
    /// `VictoriaMetrics` says it where a part of a cluster did not answer, or a vmselect is told that some may not.
    /// <https://docs.victoriametrics.com/victoriametrics/cluster-victoriametrics/#cluster-availability>
    #[serde(default)]
    is_partial: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    result_type: Cow<'a, str>,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// A sample as the API writes it: seconds, and the value as text.
#[derive(Deserialize)]
struct WrittenSample<'a>(f64, #[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Element<'a> {
    #[serde(borrow)]
    value: WrittenSample<'a>,
}

/// What is beside or in place of the values of a native histogram.
#[derive(Deserialize)]
struct Native {
    #[serde(default, alias = "histograms")]
    histogram: Option<serde::de::IgnoredAny>,
}

/// Reads what `endpoint` sent.
pub(super) fn read(endpoint: &str, status: u16, html: bool, body: &[u8]) -> Result<Numbers, QueryError> {
    let endpoint = endpoint.to_owned();
    let envelope = serde_json::from_slice::<Envelope<'_>>(body);
    if !(200..300).contains(&status) {
        let kind = envelope.ok().and_then(|envelope| error_kind(&envelope.error_type));
        return Err(refusal(endpoint, status, kind));
    }
    if html || body.trim_ascii_start().starts_with(b"<") {
        return Err(QueryError::Html { endpoint });
    }
    let envelope = envelope.ok().filter(|envelope| envelope.status == "success");
    let Some(envelope) = envelope else { return Err(QueryError::NotJson { endpoint }) };
    if let Some(warnings) = envelope.warnings.filter(|warnings| !warnings.is_empty()) {
        return Err(QueryError::Warnings { endpoint, count: warnings.len() });
    }
    if envelope.is_partial {
        return Err(QueryError::Partial { endpoint });
    }
    let data = envelope.data.and_then(|data| serde_json::from_str::<Data<'_>>(data.get()).ok());
    let Some(data) = data else { return Err(QueryError::NotJson { endpoint }) };
    if data.result_type == "string" {
        return Err(QueryError::WrongType { got: "string", wanted: "number" });
    }
    if is_native(&data) {
        return Err(QueryError::NativeHistogram);
    }
    numbers(&data).ok_or(QueryError::NotJson { endpoint })
}

/// What an HTTP status says that is no success, with the kind of error where the API of Prometheus has said one.
fn refusal(endpoint: String, status: u16, kind: Option<&'static str>) -> QueryError {
    match (status, kind) {
        // Questions may be longer than a URL, so they are always sent by POST.
        (403, None) => QueryError::Forbidden { endpoint },
        (401 | 403, _) => QueryError::Unauthorized { endpoint, status },
        (400..=499, Some(kind)) => QueryError::QueryRefused { endpoint, status, kind },
        (405 | 501, None) => QueryError::PostRefused { endpoint, status },
        (400 | 404, None) => QueryError::NoApi { endpoint, status },
        _ => QueryError::Status { endpoint, status },
    }
}

/// Whether any of the series is a native histogram, which has no numbers for values.
/// <https://prometheus.io/docs/prometheus/latest/querying/api/#native-histograms>
fn is_native(data: &Data<'_>) -> bool {
    let of_series = matches!(&*data.result_type, "vector" | "matrix") && data.result.get().contains("\"histogram");
    let series = || serde_json::from_str::<Vec<Native>>(data.result.get()).unwrap_or_default();
    of_series && series().iter().any(|series| series.histogram.is_some())
}

fn numbers(data: &Data<'_>) -> Option<Numbers> {
    let result = data.result.get();
    match &*data.result_type {
        "scalar" => Some(Numbers::Scalar(serde_json::from_str::<WrittenSample<'_>>(result).ok()?.value()?)),
        "vector" => {
            let elements: Vec<Element<'_>> = serde_json::from_str(result).ok()?;
            Some(Numbers::Vector(elements.iter().map(|element| element.value.value()).collect::<Option<_>>()?))
        }
        "matrix" => Some(Numbers::Matrix(serde_json::from_str(result).ok()?)),
        _ => None,
    }
}

impl WrittenSample<'_> {
    fn value(&self) -> Option<f64> {
        self.1.parse().ok()
    }

    fn sample(&self) -> Option<Sample> {
        // Prometheus keeps milliseconds, and far fewer than 2⁵³ of them.
        #[allow(clippy::cast_possible_truncation)]
        let milliseconds = (self.0 * 1e3).round() as i64;
        Some(Sample { at: Timestamp::from_millisecond(milliseconds).ok()?, value: self.value()? })
    }
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    let labels = std::collections::BTreeMap::<Cow<'de, str>, Cow<'de, str>>::deserialize(deserializer)?;
    Ok(labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

fn samples<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Sample>, D::Error> {
    let written = Vec::<WrittenSample<'de>>::deserialize(deserializer)?;
    let samples = written.iter().map(WrittenSample::sample).collect::<Option<_>>();
    samples.ok_or_else(|| D::Error::custom("a sample that is neither a time nor a number"))
}

/// The kinds of error that the API has, as words of our own.
/// <https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>
fn error_kind(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "bad_data" => "bad data",
        "execution" => "the query failed",
        "timeout" => "the query took too long",
        "canceled" => "the query was canceled",
        "not_found" => "not found",
        // VictoriaMetrics writes the HTTP status, and this one for all that it cannot evaluate.
        "422" => "it cannot be evaluated",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<Numbers, QueryError> {
        read("default", 200, false, body.as_bytes())
    }

    #[test]
    fn the_samples_of_a_series_are_read_with_all_their_labels() {
        let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"pod":"a","__name__":"up"},"values":[[1.5,"1"],[2,"+Inf"]]}]}}"#;
        let Ok(Numbers::Matrix(rows)) = read_text(body) else { panic!("{:?}", read_text(body)) };
        assert_eq!(
            (rows[0].label("pod"), rows[0].label("__name__"), rows[0].label("job")),
            (Some("a"), Some("up"), None)
        );
        assert_eq!(rows[0].samples[0].at.as_millisecond(), 1500);
        assert!(rows[0].samples[1].value.is_infinite());
    }

    #[test]
    fn a_native_histogram_is_told_as_one() {
        let of = |kind: &str, value: &str| {
            let series = format!(r#"{{"metric":{{"__name__":"http_seconds"}},{value}}}"#);
            read_text(&format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{series}]}}}}"#))
        };
        let histogram = r#"{"count":"1","sum":"0.2","buckets":[[0,"0.1","0.3","1"]]}"#;
        assert_eq!(of("vector", &format!(r#""histogram":[1.5,{histogram}]"#)), Err(QueryError::NativeHistogram));
        assert_eq!(of("matrix", &format!(r#""histograms":[[1.5,{histogram}]]"#)), Err(QueryError::NativeHistogram));
        let both = format!(r#""values":[[1,"1"]],"histograms":[[1.5,{histogram}]]"#);
        assert_eq!(of("matrix", &both), Err(QueryError::NativeHistogram));
        assert_eq!(of("vector", r#""value":[1.5,"2"]"#), Ok(Numbers::Vector(vec![2.0])));
    }

    #[test]
    fn what_is_no_number_is_no_answer() {
        let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"many"]}}"#;
        assert_eq!(read_text(body), Err(QueryError::NotJson { endpoint: "default".to_owned() }));
    }
}
