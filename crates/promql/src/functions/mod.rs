//! PromQL's functions.
//! <https://prometheus.io/docs/prometheus/latest/querying/functions/>

mod absent;
mod calendar;
mod histogram;
mod math;
mod over_time;
mod rate;
mod relabel;
mod summation;

use promql_parser::parser::{Call, Expr};

use super::{
    error::QueryError,
    evaluate::{Evaluator, Matrix, map, unique},
    labels::Labels,
    server::Version,
    value::{Point, Sample, Value},
};

pub(super) use over_time::quantile;
pub(super) use relabel::is_label_name;

/// The arguments of a call, evaluated when they are asked for.
struct Arguments<'c, 'q, 'a> {
    evaluator: &'c Evaluator<'q, 'a>,
    call: &'c Call,
    at: i64,
}

/// The time that a function over a range looks at, in milliseconds.
struct Window {
    start: i64,
    end: i64,
    /// When the query is evaluated: later than `end` if there is an offset.
    at: i64,
    version: Version,
}

/// What `call` yields at `at`.
pub(super) fn call<'a>(evaluator: &Evaluator<'_, 'a>, call: &Call, at: i64) -> Result<Value<'a>, QueryError> {
    let arguments = Arguments { evaluator, call, at };
    let name = call.func.name;
    if let Some(compute) = math::function(name) {
        return Ok(Value::Vector(unique(map(arguments.vector(0)?, compute))?));
    }
    if let Some(compute) = over_time::function(name) {
        return arguments.over_ranges(0, |points, _| compute(points));
    }
    if let Some(compute) = rate::function(name) {
        return arguments.over_ranges(0, compute);
    }
    if let Some(compute) = calendar::function(name) {
        return Ok(Value::Vector(unique(map(arguments.vector_or_time()?, compute))?));
    }
    Ok(match name {
        "time" => Value::Scalar(seconds(at)),
        "pi" => Value::Scalar(std::f64::consts::PI),
        "scalar" => Value::Scalar(match arguments.vector(0)?.as_slice() {
            [only] => only.value,
            _ => f64::NAN,
        }),
        "vector" => Value::Vector(vec![Sample { labels: Labels::default(), at, value: arguments.scalar(0)? }]),
        "timestamp" => Value::Vector(arguments.timestamps()?),
        "sort" => Value::Vector(sorted(arguments.vector(0)?, false)),
        "sort_desc" => Value::Vector(sorted(arguments.vector(0)?, true)),
        "clamp" | "clamp_min" | "clamp_max" | "round" => Value::Vector(unique(math::limited(&arguments)?)?),
        "quantile_over_time" => {
            let rank = arguments.scalar(0)?;
            arguments.over_ranges(1, |points, _| Some(over_time::quantile_of_points(rank, points)))?
        }
        "predict_linear" => {
            let ahead = arguments.scalar(1)?;
            arguments.over_ranges(0, |points, window| rate::predict(points, window, ahead))?
        }
        "absent" => Value::Vector(absent::absent(&arguments)?),
        "absent_over_time" => Value::Vector(absent::absent_over_time(&arguments)?),
        "histogram_quantile" => Value::Vector(unique(histogram::quantile(&arguments)?)?),
        "label_replace" => Value::Vector(unique(relabel::replace(&arguments)?)?),
        "label_join" => Value::Vector(unique(relabel::join(&arguments)?)?),
        _ => return Err(QueryError::unsupported(&format!("function \"{name}\""))),
    })
}

impl<'a> Arguments<'_, '_, 'a> {
    fn expr(&self, index: usize) -> Result<&Expr, QueryError> {
        let name = self.call.func.name;
        let missing = || QueryError::parameter("query", format!("too few arguments in call to '{name}'"));
        self.call.args.args.get(index).map(|expr| &**expr).ok_or_else(missing)
    }

    fn count(&self) -> usize {
        self.call.args.args.len()
    }

    fn scalar(&self, index: usize) -> Result<f64, QueryError> {
        self.evaluator.scalar(self.expr(index)?, self.at)
    }

    fn vector(&self, index: usize) -> Result<Vec<Sample>, QueryError> {
        self.evaluator.vector(self.expr(index)?, self.at)
    }

    fn matrix(&self, index: usize) -> Result<Matrix<'a>, QueryError> {
        self.evaluator.matrix(self.expr(index)?, self.at)
    }

    fn text(&self, index: usize) -> Result<String, QueryError> {
        match self.evaluator.eval(self.expr(index)?, self.at)? {
            Value::Text(text) => Ok(text),
            other => {
                let (name, kind) = (self.call.func.name, other.kind());
                let why = format!("expected type string in call to function '{name}', got {kind}");
                Err(QueryError::parameter("query", why))
            }
        }
    }

    /// The first argument, or the time where there is none.
    fn vector_or_time(&self) -> Result<Vec<Sample>, QueryError> {
        if self.count() > 0 {
            return self.vector(0);
        }
        Ok(vec![Sample { labels: Labels::default(), at: self.at, value: seconds(self.at) }])
    }

    /// One value for each series of the range at `index`.
    fn over_ranges(
        &self,
        index: usize,
        compute: impl Fn(&[Point], &Window) -> Option<f64>,
    ) -> Result<Value<'a>, QueryError> {
        let keeps_metric = matches!(self.call.func.name, "last_over_time" | "first_over_time");
        let matrix = self.matrix(index)?;
        let version = self.evaluator.version();
        let window = Window { start: matrix.start, end: matrix.end, at: self.at, version };
        let mut samples = Vec::with_capacity(matrix.series.len());
        for series in matrix.series {
            if let Some(value) = compute(&series.points, &window) {
                let labels = if keeps_metric { series.labels } else { series.labels.without_metric() };
                samples.push(Sample { labels, at: self.at, value });
            }
        }
        Ok(Value::Vector(unique(samples)?))
    }

    /// When each element was scraped, if the argument is a selector; else when it was evaluated.
    fn timestamps(&self) -> Result<Vec<Sample>, QueryError> {
        let mut expr = self.expr(0)?;
        while let Expr::Paren(paren) = expr {
            expr = &paren.expr;
        }
        let mut samples = match expr {
            Expr::VectorSelector(selector) => self.evaluator.select(selector, self.at)?,
            other => self.evaluator.vector(other, self.at)?,
        };
        for sample in &mut samples {
            sample.value = seconds(sample.at);
            sample.at = self.at;
            sample.labels = sample.labels.without_metric();
        }
        unique(samples)
    }
}

fn seconds(at: i64) -> f64 {
    at as f64 / 1000.0
}

/// In the order of the values; NaN comes last.
fn sorted(mut samples: Vec<Sample>, descending: bool) -> Vec<Sample> {
    samples.sort_by(|one, other| match (one.value.is_nan(), other.value.is_nan()) {
        (false, false) if descending => other.value.total_cmp(&one.value),
        (false, false) => one.value.total_cmp(&other.value),
        (one, other) => one.cmp(&other),
    });
    samples
}
