//! The HTTP API: the same questions and answers as text.
//! <https://prometheus.io/docs/prometheus/latest/querying/api/>

use std::{collections::BTreeSet, fmt::Write};

use jiff::Timestamp;
use promql_parser::{parser::Expr, util::parse_duration};
use serde_json::json;

use super::{
    error::QueryError,
    labels::Labels,
    number,
    query::Query,
    server::Prometheus,
    value::{Point, Series, Value},
};

/// How many points of each series a range query may have.
const MOST_POINTS: i64 = 11_000;

/// The parameters of a request, of its URL and its form alike.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `query=up&time=1` as it stands in a URL after the question mark, or in a form.
    #[must_use]
    pub fn parse(encoded: &str) -> Self {
        Self(form_urlencoded::parse(encoded.as_bytes()).into_owned().collect())
    }

    /// Of names and values.
    #[must_use]
    pub fn new<const N: usize>(parameters: [(&str, String); N]) -> Self {
        Self(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Prometheus {
    /// Answers a request for `path`, such as `/api/v1/query`, at `now` in milliseconds since 1970: the status and the
    /// body, which is JSON except for `/-/ready`.
    pub fn answer(&mut self, path: &str, parameters: &Parameters, now: i64) -> (u16, String) {
        let answered = match path {
            "/-/ready" => return (200, "Prometheus Server is Ready.\n".to_owned()),
            "/-/healthy" => return (200, "Prometheus Server is Healthy.\n".to_owned()),
            "/api/v1/query" => self.answer_query(parameters, now),
            "/api/v1/query_range" => self.answer_query_range(parameters),
            "/api/v1/series" => self.answer_series(parameters),
            "/api/v1/labels" => self.answer_labels(parameters),
            _ => match path.strip_prefix("/api/v1/label/").and_then(|rest| rest.strip_suffix("/values")) {
                Some(label) => self.answer_label_values(label, parameters),
                None => return (404, "404 page not found\n".to_owned()),
            },
        };
        match answered {
            Ok(data) => (200, format!(r#"{{"status":"success","data":{data}}}"#)),
            Err(error) => {
                let (kind, status) = error.kind();
                (status, json!({"status": "error", "errorType": kind, "error": error.to_string()}).to_string())
            }
        }
    }

    fn answer_query(&mut self, parameters: &Parameters, now: i64) -> Result<String, QueryError> {
        let at = match parameters.get("time") {
            "" => now,
            text => time("time", text)?,
        };
        let value = self.instant(parameters.get("query"), at)?;
        let mut out = format!(r#"{{"resultType":"{}","result":"#, value.kind());
        match value {
            Value::Scalar(value) => write_point(&mut out, Point { at, value }),
            Value::Text(text) => {
                out.push('[');
                number::write_time(&mut out, at);
                out.push(',');
                write_text(&mut out, &text);
                out.push(']');
            }
            Value::Vector(samples) => write_list(&mut out, samples, |out, sample| {
                write_metric(out, &sample.labels);
                out.push_str(r#","value":"#);
                write_point(out, Point { at, value: sample.value });
                out.push('}');
            }),
            Value::Matrix(mut series) => {
                series.sort_by(|one, other| one.labels.cmp(&other.labels));
                write_matrix(&mut out, &series);
            }
        }
        out.push('}');
        Ok(out)
    }

    fn answer_query_range(&mut self, parameters: &Parameters) -> Result<String, QueryError> {
        let (start, end) = (time("start", parameters.get("start"))?, time("end", parameters.get("end"))?);
        if end < start {
            return Err(QueryError::parameter("end", "end timestamp must not be before start time"));
        }
        let step = step(parameters.get("step"))?;
        if end.saturating_sub(start) / step > MOST_POINTS {
            let why = "exceeded maximum resolution of 11,000 points per timeseries. \
                       Try decreasing the query resolution (?step=XX)";
            return Err(QueryError::BadData(why.to_owned()));
        }
        let series = self.range(parameters.get("query"), start, end, step)?;
        let mut out = r#"{"resultType":"matrix","result":"#.to_owned();
        write_matrix(&mut out, &series);
        out.push('}');
        Ok(out)
    }

    /// Whenever the series were there: `start` and `end` are not regarded.
    fn answer_series(&self, parameters: &Parameters) -> Result<String, QueryError> {
        if parameters.all("match[]").next().is_none() {
            return Err(QueryError::BadData("no match[] parameter provided".to_owned()));
        }
        let mut out = String::new();
        write_list(&mut out, self.matched(parameters)?, |out, labels| {
            write_metric_labels(out, labels);
        });
        Ok(out)
    }

    fn answer_labels(&self, parameters: &Parameters) -> Result<String, QueryError> {
        let matched = self.matched(parameters)?;
        let names: BTreeSet<&str> = matched.iter().flat_map(|labels| labels.iter()).map(|(name, _)| name).collect();
        Ok(json!(names).to_string())
    }

    fn answer_label_values(&self, label: &str, parameters: &Parameters) -> Result<String, QueryError> {
        let matched = self.matched(parameters)?;
        let values: BTreeSet<&str> = matched.iter().map(|labels| labels.get(label)).collect();
        Ok(json!(values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>()).to_string())
    }

    /// The labels of the series that a `match[]` matches; of all, if there is none.
    fn matched(&self, parameters: &Parameters) -> Result<BTreeSet<&Labels>, QueryError> {
        let mut found = BTreeSet::new();
        let mut any = false;
        for text in parameters.all("match[]") {
            any = true;
            let query = Query::parse(text)?;
            let Expr::VectorSelector(selector) = &*query.expr else {
                return Err(QueryError::parameter("match[]", "a selector was expected"));
            };
            let ids = self.storage.select(selector.name.as_deref(), &selector.matchers.matchers);
            found.extend(ids.into_iter().filter_map(|id| self.storage.labels(id)));
        }
        if !any {
            found.extend(self.storage.all());
        }
        Ok(found)
    }
}

/// A time in seconds or as in RFC 3339, in milliseconds.
fn time(name: &str, text: &str) -> Result<i64, QueryError> {
    let unreadable = || QueryError::parameter(name, format!("cannot parse {text:?} to a valid timestamp"));
    if let Ok(seconds) = text.parse::<f64>() {
        return millis(seconds).ok_or_else(unreadable);
    }
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| unreadable())
}

/// A positive duration in seconds or as in PromQL, in milliseconds.
fn step(text: &str) -> Result<i64, QueryError> {
    let unreadable = || QueryError::parameter("step", format!("cannot parse {text:?} to a valid duration"));
    let step = if let Ok(seconds) = text.parse::<f64>() {
        millis(seconds).ok_or_else(unreadable)?
    } else {
        let duration = parse_duration(text).map_err(|_| unreadable())?;
        i64::try_from(duration.as_millis()).map_err(|_| unreadable())?
    };
    if step <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(QueryError::parameter("step", why));
    }
    Ok(step)
}

fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    #[allow(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
    (millis.abs() < 9e15).then_some(millis as i64)
}

fn write_list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_matrix(out: &mut String, matrix: &[Series<'_>]) {
    write_list(out, matrix, |out, series| {
        write_metric(out, &series.labels);
        out.push_str(r#","values":"#);
        write_list(out, series.points.iter(), |out, point| write_point(out, *point));
        out.push('}');
    });
}

/// The beginning of an element: its metric.
fn write_metric(out: &mut String, labels: &Labels) {
    out.push_str(r#"{"metric":"#);
    write_metric_labels(out, labels);
}

fn write_metric_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_text(out, value);
    }
    out.push('}');
}

fn write_point(out: &mut String, point: Point) {
    out.push('[');
    number::write_time(out, point.at);
    out.push_str(",\"");
    number::write(out, point.value);
    out.push_str("\"]");
}

fn write_text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        let _ = write!(out, "\"{text}\"");
    } else {
        out.push_str(&json!(text).to_string());
    }
}
