//! The expressions of custom routes, compiled once for all Rollouts that have the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tidegate_planner::traffic::Expression;

/// How many are kept: a kind of object has one or two, and compiled ones are large.
const MOST: usize = 64;

/// Compiled expressions, by what they say. All of them can be lost: they only save work.
#[derive(Default)]
pub struct Expressions(Mutex<HashMap<String, Arc<Expression>>>);

impl Expressions {
    /// `text`, compiled.
    pub fn compiled(&self, text: &str) -> Arc<Expression> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
            return known.clone();
        }
        let compiled = Arc::new(Expression::new(text));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(text.to_owned(), compiled.clone());
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_expression_is_compiled_once() {
        let expressions = Expressions::default();
        let [one, other] = ["self.a", "self.a"].map(|text| expressions.compiled(text));
        assert!(Arc::ptr_eq(&one, &other));
        assert!(expressions.compiled("self.b").says("self.b"));
    }

    #[test]
    fn expressions_without_end_are_not_kept() {
        let expressions = Expressions::default();
        for index in 0..MOST * 3 {
            expressions.compiled(&format!("self.a{index}"));
            assert!(expressions.0.lock().unwrap().len() <= MOST);
        }
    }
}
