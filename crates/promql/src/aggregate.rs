//! Operators over the elements of a vector.

use std::collections::HashMap;

use promql_parser::parser::{
    AggregateExpr, Expr, LabelModifier,
    token::{
        T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_GROUP, T_MAX, T_MIN, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM, T_TOPK,
    },
};

use super::{
    error::QueryError,
    evaluate::{Evaluator, unique},
    functions::{is_label_name, quantile},
    labels::{Labels, NAME},
    number,
    server::Version,
    value::{Sample, Value},
};

/// What `aggregate` is at `at`.
pub(super) fn evaluate(
    evaluator: &Evaluator<'_, '_>,
    aggregate: &AggregateExpr,
    at: i64,
) -> Result<Vec<Sample>, QueryError> {
    let op = aggregate.op.id();
    let parameter = || match &aggregate.param {
        Some(param) => evaluator.scalar(param, at),
        None => Ok(f64::NAN),
    };
    let known = [T_SUM, T_AVG, T_COUNT, T_MIN, T_MAX, T_GROUP, T_STDDEV, T_STDVAR];
    let samples = evaluator.vector(&aggregate.expr, at)?;
    let groups = |samples| group(samples, &Grouping::of(aggregate.modifier.as_ref()));
    let version = evaluator.version();
    Ok(match op {
        T_TOPK | T_BOTTOMK => {
            let count = whole(parameter()?)?;
            let groups = groups(samples).into_iter();
            groups.flat_map(|(_, members)| extreme(members, count, op == T_TOPK)).collect()
        }
        T_QUANTILE => {
            let rank = parameter()?;
            reduce(groups(samples), at, |values| quantile(rank, values))
        }
        T_COUNT_VALUES => {
            let label = text(evaluator, aggregate.param.as_deref(), at)?;
            count_values(samples, &label, aggregate.modifier.as_ref(), at)?
        }
        _ if known.contains(&op) => reduce(groups(samples), at, |values| fold(op, values, version)),
        _ => return Err(QueryError::unsupported(&format!("aggregation \"{}\"", aggregate.op))),
    })
}

/// Which labels groups keep.
#[derive(Clone)]
enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

impl Grouping {
    fn of(modifier: Option<&LabelModifier>) -> Self {
        match modifier {
            None => Self::By(Vec::new()),
            Some(LabelModifier::Include(labels)) => Self::By(labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => {
                Self::Without(labels.labels.iter().cloned().chain([NAME.to_owned()]).collect())
            }
        }
    }

    fn key(&self, labels: &Labels) -> Labels {
        match self {
            Self::By(names) if names.is_empty() => Labels::default(),
            Self::By(names) => labels.keep(names),
            Self::Without(names) => labels.without(names),
        }
    }
}

/// The groups in the order in which they first appear.
fn group(samples: Vec<Sample>, grouping: &Grouping) -> Vec<(Labels, Vec<Sample>)> {
    let mut groups: Vec<(Labels, Vec<Sample>)> = Vec::new();
    let mut place: HashMap<Labels, usize> = HashMap::new();
    for sample in samples {
        let key = grouping.key(&sample.labels);
        if let Some((_, members)) = place.get(&key).and_then(|index| groups.get_mut(*index)) {
            members.push(sample);
        } else {
            place.insert(key.clone(), groups.len());
            groups.push((key, vec![sample]));
        }
    }
    groups
}

fn reduce(groups: Vec<(Labels, Vec<Sample>)>, at: i64, value: impl Fn(&[f64]) -> f64) -> Vec<Sample> {
    let reduced = |(labels, members): (Labels, Vec<Sample>)| {
        let values: Vec<f64> = members.iter().map(|sample| sample.value).collect();
        Sample { labels, at, value: value(&values) }
    };
    groups.into_iter().map(reduced).collect()
}

fn fold(op: u16, values: &[f64], version: Version) -> f64 {
    // A NaN among numbers is ignored, but is better than nothing.
    let extreme = |better: fn(f64, f64) -> bool| {
        values.iter().copied().reduce(|best, value| if best.is_nan() || better(value, best) { value } else { best })
    };
    match op {
        T_SUM => values.iter().sum(),
        T_AVG => mean(values),
        T_COUNT => values.len() as f64,
        T_MIN => extreme(|value, best| value < best).unwrap_or(f64::NAN),
        T_MAX => extreme(|value, best| value > best).unwrap_or(f64::NAN),
        T_STDVAR => variance(values, version),
        T_STDDEV => variance(values, version).sqrt(),
        _ => 1.0,
    }
}

/// The mean, without a sum that might overflow.
#[allow(clippy::float_cmp, reason = "an infinity is the same or another")]
fn mean(values: &[f64]) -> f64 {
    let (mut mean, mut count) = (0.0_f64, 0.0);
    for value in values {
        count += 1.0;
        // An infinite mean stays what it is: the difference of two infinities would be none.
        let keeps = mean.is_infinite() && (value.is_finite() || *value == mean);
        if !keeps {
            mean += value / count - mean / count;
        }
    }
    mean
}

/// The variance by Welford's method.
fn variance(values: &[f64], version: Version) -> f64 {
    let [first, rest @ ..] = values else { return f64::NAN };
    let (mut mean, mut squares, mut count) = (*first, 0.0, 1.0);
    if version == Version::V3 && !first.is_finite() {
        squares = f64::NAN;
    }
    for value in rest {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// The `count` largest or smallest, in that order; NaN comes last.
fn extreme(mut members: Vec<Sample>, count: usize, largest: bool) -> Vec<Sample> {
    let order = |one: &Sample, other: &Sample| match (one.value.is_nan(), other.value.is_nan()) {
        (false, false) if largest => other.value.total_cmp(&one.value),
        (false, false) => one.value.total_cmp(&other.value),
        (one, other) => one.cmp(&other),
    };
    members.sort_by(order);
    members.truncate(count);
    members
}

fn whole(parameter: f64) -> Result<usize, QueryError> {
    if parameter.is_nan() || parameter.abs() >= 9.3e18 {
        let mut number = String::new();
        number::plain(&mut number, parameter);
        return Err(QueryError::Execution(format!("Scalar value {number} overflows int64")));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a negative number means none")]
    Ok(parameter as usize)
}

fn text(evaluator: &Evaluator<'_, '_>, param: Option<&Expr>, at: i64) -> Result<String, QueryError> {
    match param.map(|param| evaluator.eval(param, at)).transpose()? {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(QueryError::parameter("query", "expected type string in aggregation expression")),
    }
}

fn count_values(
    samples: Vec<Sample>,
    label: &str,
    modifier: Option<&LabelModifier>,
    at: i64,
) -> Result<Vec<Sample>, QueryError> {
    if !is_label_name(label) {
        return Err(QueryError::Execution(format!("invalid label name {label:?}")));
    }
    let mut grouping = Grouping::of(modifier);
    if let Grouping::By(names) = &mut grouping {
        names.push(label.to_owned());
    }
    let labelled = |mut sample: Sample| {
        let mut value = String::new();
        number::plain(&mut value, sample.value);
        sample.labels = sample.labels.with(label, &value);
        sample
    };
    let groups = group(samples.into_iter().map(labelled).collect(), &grouping);
    unique(reduce(groups, at, |values| values.len() as f64))
}
