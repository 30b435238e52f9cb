//! What a Prometheus says, and what of it is believed.

mod cut;
mod histogram;
mod plain;
mod series;

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_endpoints::Endpoint;
use tidegate_judge::Sample;

pub use self::histogram::{Bucket, Histogram};
pub(super) use self::series::Limits;
use self::{
    cut::{Cutter, Elements, TooLong},
    series::{Kept, NotKept, WrittenSample},
};
use super::error::{Excess, QueryError};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its labels, with `__name__`, in the order of their names.
    pub labels: Labels,
    /// Its samples, oldest first.
    pub samples: Vec<Sample>,
    /// Those of them that are native histograms and no numbers, oldest first.
    pub histograms: Vec<Histogram>,
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

/// An answer that comes in piece by piece. No more of it is kept than the series that have come in so far, within
/// [`Limits`]; what comes of them is known when all of it is there.
#[derive(Debug)]
pub(super) struct Reading {
    endpoint: String,
    status: u16,
    html: bool,
    cutter: Cutter,
    kept: Kept,
}

impl Reading {
    /// Of what `endpoint` sends with this HTTP status, and says of itself that it is a web page or not.
    pub(super) fn new(endpoint: &str, status: u16, html: bool, limits: Limits) -> Self {
        Self { endpoint: endpoint.to_owned(), status, html, cutter: Cutter::default(), kept: Kept::new(limits) }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// It is no answer, or more than is kept of one: the rest of it need not be waited for.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), QueryError> {
        let Err(stopped) = self.cutter.push(piece, &mut self.kept) else { return Ok(()) };
        if !self.is_success() {
            return Err(refusal(self.endpoint.clone(), self.status, None));
        }
        if self.html || self.cutter.is_page() {
            return Err(QueryError::Html { endpoint: self.endpoint.clone() });
        }
        let too_large = |excess| QueryError::TooLarge { endpoint: self.endpoint.clone(), excess };
        Err(match stopped {
            Stopped::NotKept(NotKept::NoSeries) => QueryError::NotJson { endpoint: self.endpoint.clone() },
            Stopped::NotKept(NotKept::TooMany(excess)) => too_large(excess),
            Stopped::TooLong(TooLong::Around(limit)) => too_large(Excess::Around(limit)),
            Stopped::TooLong(TooLong::Element(limit)) => too_large(Excess::OneSeries(limit)),
        })
    }

    /// What all of it says.
    ///
    /// # Errors
    /// It refuses, is incomplete, or is no answer.
    pub(super) fn numbers(self) -> Result<Numbers, QueryError> {
        let endpoint = self.endpoint.clone();
        let envelope = serde_json::from_slice::<Envelope<'_>>(self.cutter.around_elements());
        if !self.is_success() {
            let kind = envelope.ok().and_then(|envelope| error_kind(&envelope.error_type));
            return Err(refusal(endpoint, self.status, kind));
        }
        if self.html || self.cutter.is_page() {
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
        if self.kept.has_native {
            return Err(QueryError::NativeHistogram);
        }
        numbers(&data, self.kept).ok_or(QueryError::NotJson { endpoint })
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why an answer is not read to its end.
enum Stopped {
    TooLong(TooLong),
    NotKept(NotKept),
}

impl From<NotKept> for Stopped {
    fn from(not_kept: NotKept) -> Self {
        Self::NotKept(not_kept)
    }
}

impl Elements for Kept {
    type Refusal = Stopped;

    fn at_once(&mut self, rest: &[u8]) -> Result<Option<usize>, Stopped> {
        Ok(self.take_plain(rest)?)
    }

    fn whole(&mut self, element: &[u8]) -> Result<(), Stopped> {
        Ok(self.take(element)?)
    }
}

impl From<TooLong> for Stopped {
    fn from(too_long: TooLong) -> Self {
        Self::TooLong(too_long)
    }
}

/// Reads what `endpoint` sent, all of which is there.
pub(super) fn read(endpoint: &str, status: u16, html: bool, body: &[u8]) -> Result<Numbers, QueryError> {
    let mut reading = Reading::new(endpoint, status, html, Limits { series: Endpoint::MOST_SERIES });
    reading.push(body)?;
    reading.numbers()
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

/// What `data` says, whose series are `kept`; nothing if they are not of its type.
fn numbers(data: &Data<'_>, kept: Kept) -> Option<Numbers> {
    let result = data.result.get();
    // In the place of each series there is one number.
    let are = |count: usize| serde_json::from_str::<Vec<u8>>(result).ok().filter(|places| places.len() == count);
    match &*data.result_type {
        "scalar" => Some(Numbers::Scalar(serde_json::from_str::<WrittenSample<'_>>(result).ok()?.value()?)),
        "vector" => are(kept.values.len()).filter(|_| kept.rows.is_empty()).map(|_| Numbers::Vector(kept.values)),
        "matrix" => are(kept.rows.len()).filter(|_| kept.values.is_empty()).map(|_| Numbers::Matrix(kept.rows)),
        _ => None,
    }
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

    /// The answer for one series that has `what`.
    fn of_one(kind: &str, what: &str) -> Result<Numbers, QueryError> {
        let series = format!(r#"{{"metric":{{"__name__":"http_seconds"}},{what}}}"#);
        read_text(&format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{series}]}}}}"#))
    }

    const HISTOGRAM: &str = r#"{"count":"3","sum":"0.2","buckets":[[3,"-1e-128","1e-128","2"],[0,"0.1","0.3","1"]]}"#;

    #[test]
    fn a_native_histogram_is_no_number_and_told_as_one_where_a_number_is_expected() {
        let told = of_one("vector", &format!(r#""histogram":[1.5,{HISTOGRAM}]"#));
        assert_eq!(told, Err(QueryError::NativeHistogram));
        assert_eq!(of_one("vector", r#""value":[1.5,"2"]"#), Ok(Numbers::Vector(vec![2.0])));
    }

    #[test]
    fn the_samples_of_a_native_histogram_are_read_with_their_buckets_beside_those_that_are_numbers() {
        let read = of_one("matrix", &format!(r#""values":[[1,"1"]],"histograms":[[1.5,{HISTOGRAM}]]"#));
        let Ok(Numbers::Matrix(rows)) = read else { panic!("{read:?}") };
        let [Row { samples, histograms, .. }] = rows.as_slice() else { panic!("{rows:?}") };
        let [Histogram { at, count, buckets }] = histograms.as_slice() else { panic!("{histograms:?}") };
        assert_eq!((samples.len(), at.as_millisecond(), *count), (1, 1500, 3.0));
        assert_eq!(buckets[0], Bucket { lower: -1e-128, upper: 1e-128, count: 2.0 });
        assert_eq!(buckets[1], Bucket { lower: 0.1, upper: 0.3, count: 1.0 });
        let empty = of_one("matrix", r#""histograms":[[1.5,{"count":"0","sum":"0"}]]"#);
        assert!(matches!(empty, Ok(Numbers::Matrix(_))), "one without any observation has no buckets: {empty:?}");
    }

    #[test]
    fn what_is_no_native_histogram_is_no_answer() {
        for body in [
            r#"{"sum":"0.2","buckets":[]}"#,
            r#"{"count":"many","buckets":[]}"#,
            r#"{"count":3,"buckets":[]}"#,
            r#"{"count":"1","buckets":[[0,"0.1","1"]]}"#,
            r#"{"count":"1","buckets":[[0,"0.1","high","1"]]}"#,
            r#"{"count":"1","buckets":{}}"#,
            r#""1""#,
        ] {
            let read = of_one("matrix", &format!(r#""histograms":[[1.5,{body}]]"#));
            assert_eq!(read, Err(QueryError::NotJson { endpoint: "default".to_owned() }), "{body}");
        }
    }

    #[test]
    fn no_more_buckets_are_kept_than_there_may_be_samples() {
        let mut reading = Reading::new("default", 200, false, Limits { series: 2 });
        let bucket = r#"[0,"0.1","0.3","1"],"#.repeat(20);
        let histogram = format!(r#"{{"count":"20","buckets":[{}]}}"#, bucket.trim_end_matches(','));
        let begun = r#"{"status":"success","data":{"resultType":"matrix","result":["#;
        let answer = format!(r#"{begun}{{"metric":{{}},"histograms":[[1.5,{histogram}]]}}"#);
        let told = reading.push(answer.as_bytes());
        assert_eq!(told, Err(QueryError::TooLarge { endpoint: "default".to_owned(), excess: Excess::Samples(20) }));
    }

    #[test]
    fn what_is_no_number_is_no_answer() {
        let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"many"]}}"#;
        assert_eq!(read_text(body), Err(QueryError::NotJson { endpoint: "default".to_owned() }));
    }
}
