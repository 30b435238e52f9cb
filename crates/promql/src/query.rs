//! A query, parsed once, and the series that its selectors select.

use std::{collections::HashMap, sync::Arc};

use promql_parser::{
    label::MatchOp,
    parser::{Expr, VectorSelector, parse},
};

use super::{error::QueryError, labels::NAME, storage::Storage};

/// The longest query, in bytes.
const LONGEST: usize = 32 << 10;
/// How many operators a query may have, and how deep its brackets may go: each is a level of recursion, and the
/// program's stack is what ends it.
const MOST_OPERATORS: usize = 200;
const DEEPEST: usize = 60;
/// How many digits in a row a duration may have.
const LONGEST_DURATION: usize = 12;
/// The operators that are words.
const SET_OPERATORS: [&str; 4] = ["and", "or", "unless", "atan2"];

/// A parsed query.
#[derive(Debug)]
pub(super) struct Query {
    /// In a box: its selectors are told apart by where they are in memory.
    pub(super) expr: Box<Expr>,
    selections: HashMap<usize, Arc<[usize]>>,
    generation: Option<u64>,
}

impl Query {
    /// Parses `text`.
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        bounded(text)?;
        let expr = parse(text).map_err(|why| QueryError::parameter("query", format!("parse error: {why}")))?;
        Ok(Self { expr: Box::new(expr), selections: HashMap::new(), generation: None })
    }

    /// Selects anew if there are new series since the last time.
    pub(super) fn select(&mut self, storage: &Storage) -> Result<(), QueryError> {
        if self.generation != Some(storage.generation()) {
            self.selections.clear();
            let mut found = Vec::new();
            selectors(&self.expr, &mut found)?;
            for selector in found {
                let metric = selector.name.as_deref().or_else(|| exact_metric(selector));
                let ids = storage.select(metric, &selector.matchers.matchers);
                self.selections.insert(address(selector), ids.into());
            }
            self.generation = Some(storage.generation());
        }
        Ok(())
    }

    /// What `selector`, which is in this query, selects.
    pub(super) fn selection(&self, selector: &VectorSelector) -> &[usize] {
        self.selections.get(&address(selector)).map_or(&[], |ids| ids)
    }
}

fn address(selector: &VectorSelector) -> usize {
    std::ptr::from_ref(selector).addr()
}

/// The metric in `{__name__="up"}`.
fn exact_metric(selector: &VectorSelector) -> Option<&str> {
    let exact = |op: &MatchOp| matches!(op, MatchOp::Equal);
    let matcher = selector.matchers.matchers.iter().find(|matcher| matcher.name == NAME && exact(&matcher.op))?;
    Some(&matcher.value)
}

fn selectors<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) -> Result<(), QueryError> {
    match expr {
        Expr::VectorSelector(selector) => found.push(selector),
        Expr::MatrixSelector(matrix) => found.push(&matrix.vs),
        Expr::Aggregate(aggregate) => {
            aggregate.param.as_deref().map_or(Ok(()), |param| selectors(param, found))?;
            selectors(&aggregate.expr, found)?;
        }
        Expr::Unary(unary) => selectors(&unary.expr, found)?,
        Expr::Binary(binary) => {
            selectors(&binary.lhs, found)?;
            selectors(&binary.rhs, found)?;
        }
        Expr::Paren(paren) => selectors(&paren.expr, found)?,
        Expr::Subquery(subquery) => selectors(&subquery.expr, found)?,
        Expr::Call(call) => call.args.args.iter().try_for_each(|argument| selectors(argument, found))?,
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
        Expr::Extension(_) => return Err(QueryError::unsupported("extensions of PromQL")),
    }
    match found.last() {
        Some(last) if !last.matchers.or_matchers.is_empty() => Err(QueryError::unsupported("`or` between matchers")),
        _ => Ok(()),
    }
}

/// Refuses what would take the parser, or those who walk its tree, beyond the stack or a duration's range.
fn bounded(text: &str) -> Result<(), QueryError> {
    let refuse = |why: &str| Err(QueryError::parameter("query", why));
    if text.len() > LONGEST {
        return refuse("the query is longer than 32 KiB");
    }
    let (mut depth, mut operators) = (0_usize, 0);
    let (mut in_matchers, mut in_brackets, mut after_offset) = (false, false, false);
    for token in Tokens(text) {
        let in_duration = in_brackets || after_offset;
        after_offset = token.eq_ignore_ascii_case("offset") || (after_offset && matches!(token, "+" | "-"));
        match token {
            "[" => in_brackets = true,
            "]" => in_brackets = false,
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "{" => in_matchers = true,
            "}" => in_matchers = false,
            "+" | "-" | "*" | "/" | "%" | "^" | "=" | "<" | ">" | "!" if !in_matchers => operators += 1,
            word if in_duration && is_too_long(word) => return refuse("a duration is too long"),
            word if SET_OPERATORS.iter().any(|name| word.eq_ignore_ascii_case(name)) => operators += 1,
            _ => {}
        }
        if depth > DEEPEST || operators > MOST_OPERATORS {
            return refuse("the expression is nested too deeply");
        }
    }
    Ok(())
}

/// Whether `word` could be read as a duration beyond what the parser can hold: by its digits or its exponent.
fn is_too_long(word: &str) -> bool {
    let exponent = word.starts_with(|c: char| c.is_ascii_digit() || c == '.') && word.contains(['e', 'E', 'x', 'X']);
    let digits = word.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    exponent || digits > LONGEST_DURATION || ["inf", "nan"].iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Words and single characters, without what stands in quotes and comments.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.0 = self.0.trim_start();
            let first = self.0.chars().next()?;
            let end = match first {
                '"' | '\'' | '`' => quoted(self.0, first),
                '#' => self.0.find('\n').unwrap_or(self.0.len()),
                _ if is_word(first) => self.0.find(|c| !is_word(c)).unwrap_or(self.0.len()),
                _ => first.len_utf8(),
            };
            let (token, rest) = self.0.split_at_checked(end)?;
            self.0 = rest;
            if !matches!(first, '"' | '\'' | '`' | '#') {
                return Some(token);
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

/// Where the quoted text at the beginning of `text` ends.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return index + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
