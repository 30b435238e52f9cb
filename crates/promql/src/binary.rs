//! Operators between two expressions.

use std::collections::{HashMap, HashSet};

use promql_parser::parser::{
    BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality as Cardinality,
    token::{
        T_ADD, T_ATAN2, T_DIV, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_MOD, T_MUL, T_NEQ, T_POW, T_SUB,
        TokenType,
    },
};

use super::{
    error::QueryError,
    evaluate::{Evaluator, unique},
    labels::Labels,
    server::Version,
    value::{Sample, Value},
};

/// What `binary` is at `at`.
pub(super) fn evaluate<'a>(
    evaluator: &Evaluator<'_, 'a>,
    binary: &BinaryExpr,
    at: i64,
) -> Result<Value<'a>, QueryError> {
    let (left, right) = (evaluator.eval(&binary.lhs, at)?, evaluator.eval(&binary.rhs, at)?);
    let (op, with_bool) = (binary.op, binary.return_bool());
    let drops = drops_metric(op, evaluator.version());
    let samples = match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            let (value, holds) = compute(op, left, right);
            return Ok(Value::Scalar(if op.is_comparison_operator() { f64::from(holds) } else { value }));
        }
        (Value::Vector(left), Value::Scalar(right)) => {
            with_scalar(left, drops, with_bool, |value| compute(op, value, right))
        }
        (Value::Scalar(left), Value::Vector(right)) => with_scalar(right, drops, with_bool, |value| {
            let (result, holds) = compute(op, left, value);
            // A comparison keeps what is in the vector, on whichever side that stands.
            (if op.is_comparison_operator() { value } else { result }, holds)
        }),
        (Value::Vector(left), Value::Vector(right)) => {
            let matching = Matching::of(binary.modifier.as_ref(), drops)?;
            if op.is_set_operator() {
                set_operation(op, left, right, &matching)
            } else {
                between_vectors(op, left, right, &matching)?
            }
        }
        _ => {
            return Err(QueryError::parameter(
                "query",
                "binary expression must contain only scalar and instant vector types",
            ));
        }
    };
    Ok(Value::Vector(unique(samples)?))
}

/// Whether what `op` yields is no longer the metric's. Prometheus 2 forgot about `atan2`.
fn drops_metric(op: TokenType, version: Version) -> bool {
    !op.is_comparison_operator() && (version == Version::V3 || op.id() != T_ATAN2)
}

/// The value of `left op right`, and for comparisons whether it holds; the value is then the left one.
fn compute(op: TokenType, left: f64, right: f64) -> (f64, bool) {
    let value = match op.id() {
        T_ADD => left + right,
        T_SUB => left - right,
        T_MUL => left * right,
        T_DIV => left / right,
        T_MOD => left % right,
        T_POW => left.powf(right),
        T_ATAN2 => left.atan2(right),
        _ => left,
    };
    #[allow(clippy::float_cmp, reason = "what was asked")]
    let holds = match op.id() {
        T_EQLC => left == right,
        T_NEQ => left != right,
        T_GTR => left > right,
        T_LSS => left < right,
        T_GTE => left >= right,
        T_LTE => left <= right,
        _ => true,
    };
    (value, holds)
}

fn with_scalar(
    samples: Vec<Sample>,
    drops_metric: bool,
    with_bool: bool,
    compute: impl Fn(f64) -> (f64, bool),
) -> Vec<Sample> {
    let apply = |mut sample: Sample| {
        let (value, holds) = compute(sample.value);
        sample.value = if with_bool { f64::from(holds) } else { value };
        if with_bool || drops_metric {
            sample.labels = sample.labels.without_metric();
        }
        (holds || with_bool).then_some(sample)
    };
    samples.into_iter().filter_map(apply).collect()
}

/// Which elements of two vectors belong together.
struct Matching<'a> {
    labels: &'a [String],
    /// Whether `labels` are those that count (`on`), or those that do not (`ignoring`).
    on: bool,
    side: Side<'a>,
    with_bool: bool,
    drops_metric: bool,
}

/// On which side there is more than one element for a match, and the labels that it gets from the other one.
enum Side<'a> {
    Neither,
    Left(&'a [String]),
    Right(&'a [String]),
}

impl<'a> Matching<'a> {
    fn of(modifier: Option<&'a BinModifier>, drops_metric: bool) -> Result<Self, QueryError> {
        let mut matching = Self { labels: &[], on: false, side: Side::Neither, with_bool: false, drops_metric };
        let Some(modifier) = modifier else { return Ok(matching) };
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return Err(QueryError::unsupported("modifier \"fill\""));
        }
        if let Some(labels) = &modifier.matching {
            matching.on = matches!(labels, LabelModifier::Include(_));
            matching.labels = &labels.labels().labels;
        }
        matching.side = match &modifier.card {
            Cardinality::ManyToOne(labels) => Side::Left(&labels.labels),
            Cardinality::OneToMany(labels) => Side::Right(&labels.labels),
            Cardinality::OneToOne | Cardinality::ManyToMany => Side::Neither,
        };
        matching.with_bool = modifier.return_bool;
        Ok(matching)
    }

    /// What has to be the same on both sides.
    fn signature(&self, labels: &Labels) -> Labels {
        match (self.on, self.labels) {
            (true, names) => labels.keep(names),
            (false, []) => labels.without_metric(),
            (false, names) => labels.without_metric().without(names),
        }
    }

    /// The labels of what comes of `many` and `one`.
    fn result(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = if self.drops_metric { many.without_metric() } else { many.clone() };
        match self.side {
            Side::Neither if self.on => labels = labels.keep(self.labels),
            Side::Neither => labels = labels.without(self.labels),
            Side::Left(included) | Side::Right(included) => {
                for name in included {
                    labels = labels.with(name, one.get(name));
                }
            }
        }
        if self.with_bool { labels.without_metric() } else { labels }
    }
}

fn between_vectors(
    op: TokenType,
    left: Vec<Sample>,
    right: Vec<Sample>,
    matching: &Matching<'_>,
) -> Result<Vec<Sample>, QueryError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let swapped = matches!(matching.side, Side::Right(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let ones = by_signature(&one, matching, if swapped { "left" } else { "right" })?;
    let mut matched: HashMap<Labels, HashSet<Labels>> = HashMap::new();
    let mut result = Vec::new();
    for sample in many {
        let signature = matching.signature(&sample.labels);
        let Some(partner) = ones.get(&signature) else { continue };
        let (left, right) = if swapped { (partner.value, sample.value) } else { (sample.value, partner.value) };
        let (value, holds) = compute(op, left, right);
        if !holds && !matching.with_bool {
            continue;
        }
        let labels = matching.result(&sample.labels, &partner.labels);
        let first = !matched.contains_key(&signature);
        let results = matched.entry(signature).or_default();
        if matches!(matching.side, Side::Neither) {
            if !first {
                return Err(execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
        } else if !results.insert(labels.clone()) {
            return Err(execution("multiple matches for labels: grouping labels must ensure unique matches"));
        }
        let value = if matching.with_bool { f64::from(holds) } else { value };
        result.push(Sample { labels, at: sample.at, value });
    }
    Ok(result)
}

/// The side of which each element has to be the only one with its signature.
fn by_signature<'a>(
    samples: &'a [Sample],
    matching: &Matching<'_>,
    side: &str,
) -> Result<HashMap<Labels, &'a Sample>, QueryError> {
    let mut found: HashMap<Labels, &Sample> = HashMap::with_capacity(samples.len());
    for sample in samples {
        let signature = matching.signature(&sample.labels);
        if let Some(other) = found.get(&signature) {
            return Err(QueryError::Execution(format!(
                "found duplicate series for the match group {signature} on the {side} hand-side of the operation: \
                 [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
                sample.labels, other.labels
            )));
        }
        found.insert(signature, sample);
    }
    Ok(found)
}

fn set_operation(op: TokenType, left: Vec<Sample>, right: Vec<Sample>, matching: &Matching<'_>) -> Vec<Sample> {
    let signatures = |samples: &[Sample]| -> HashSet<Labels> {
        samples.iter().map(|sample| matching.signature(&sample.labels)).collect()
    };
    if op.id() == T_LOR {
        let known = signatures(&left);
        let others = right.into_iter().filter(|sample| !known.contains(&matching.signature(&sample.labels)));
        return left.into_iter().chain(others).collect();
    }
    let (known, wanted) = (signatures(&right), op.id() == T_LAND);
    left.into_iter().filter(|sample| known.contains(&matching.signature(&sample.labels)) == wanted).collect()
}

fn execution(why: &str) -> QueryError {
    QueryError::Execution(why.to_owned())
}
