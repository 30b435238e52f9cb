//! What an expression is at many instants.

use std::{borrow::Cow, collections::HashMap};

use promql_parser::parser::{Expr, value::ValueType};

use super::{
    error::QueryError,
    evaluate::Evaluator,
    labels::Labels,
    value::{Point, Series, Value},
};

/// What `expr` is at `start` and every `step` milliseconds after it, up to `end`, in the order of the labels.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_, '_>,
    expr: &Expr,
    start: i64,
    end: i64,
    step: i64,
) -> Result<Vec<Series<'static>>, QueryError> {
    let kind = match expr.value_type() {
        ValueType::Vector | ValueType::Scalar => None,
        ValueType::Matrix => Some("range vector"),
        ValueType::String => Some("string"),
    };
    if let Some(kind) = kind {
        let why = format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
        return Err(QueryError::parameter("query", why));
    }
    let mut series = steps(evaluator, expr, start, end, step)?;
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    Ok(series)
}

/// The same, in the order in which the series first appear.
pub(super) fn steps(
    evaluator: &Evaluator<'_, '_>,
    expr: &Expr,
    start: i64,
    end: i64,
    step: i64,
) -> Result<Vec<Series<'static>>, QueryError> {
    let mut found: Vec<(Labels, Vec<Point>)> = Vec::new();
    let mut place: HashMap<Labels, usize> = HashMap::new();
    let mut at = start;
    while at <= end {
        let samples = match evaluator.eval(expr, at)? {
            Value::Scalar(value) => vec![(Labels::default(), value)],
            Value::Vector(samples) => samples.into_iter().map(|sample| (sample.labels, sample.value)).collect(),
            Value::Text(_) | Value::Matrix(_) => Vec::new(),
        };
        evaluator.spend(samples.len())?;
        for (index, (labels, value)) in samples.into_iter().enumerate() {
            // The same series mostly come in the same order.
            let known = found.get(index).is_some_and(|(other, _)| *other == labels).then_some(index);
            let known = known.or_else(|| place.get(&labels).copied());
            if let Some((_, points)) = known.and_then(|index| found.get_mut(index)) {
                points.push(Point { at, value });
            } else {
                place.insert(labels.clone(), found.len());
                found.push((labels, vec![Point { at, value }]));
            }
        }
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(found.into_iter().map(|(labels, points)| Series { labels, points: Cow::Owned(points) }).collect())
}
