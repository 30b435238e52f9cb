//! Saying that there is nothing.

use std::collections::BTreeMap;

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::Expr,
};

use super::{
    super::{
        error::QueryError,
        labels::{Labels, NAME},
        value::Sample,
    },
    Arguments,
};

/// One element if the vector has none.
pub(super) fn absent(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let empty = arguments.vector(0)?.is_empty();
    one_if(empty, arguments)
}

/// One element if no series has a sample in the range.
pub(super) fn absent_over_time(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let empty = arguments.matrix(0)?.series.is_empty();
    one_if(empty, arguments)
}

fn one_if(empty: bool, arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    if !empty {
        return Ok(Vec::new());
    }
    let mut expr = arguments.expr(0)?;
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    let labels = match expr {
        Expr::VectorSelector(selector) => wanted(&selector.matchers.matchers),
        Expr::MatrixSelector(matrix) => wanted(&matrix.vs.matchers.matchers),
        _ => Labels::default(),
    };
    Ok(vec![Sample { labels, at: arguments.at, value: 1.0 }])
}

/// The labels that a series would need to have: those that one matcher alone fixes.
fn wanted(matchers: &[Matcher]) -> Labels {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for Matcher { op, name, value } in matchers.iter().filter(|matcher| matcher.name != NAME) {
        if matches!(op, MatchOp::Equal) && !seen.contains(&name.as_str()) {
            labels.insert(name, value);
            seen.push(name);
        } else {
            labels.remove(name.as_str());
        }
    }
    Labels::new(labels)
}
