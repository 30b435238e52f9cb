//! Expressions by chance.
