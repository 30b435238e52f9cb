//! What users install and copy, against what the code says: definitions, manifests, chart, examples.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy takes only #[test] functions for tests")]

mod architecture;
mod chart;
mod console;
mod definitions;
mod documentation;
mod errors;
mod examples;
mod krew;
mod kustomize;
mod manifests;
mod minimum_rust;
mod printed;
mod reference;
mod refusals;
mod render;
mod runbooks;
