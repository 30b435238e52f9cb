//! What tests of several files look at.

pub(crate) mod lab;
