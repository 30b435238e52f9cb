//! Where the numbers come from: Prometheus, presets, query templates.
//!
//! The [`Analyzer`] is what a controller calls. It knows the platform team's [`tidegate_endpoints::Endpoints`], asks each at most one
//! thing per group of checks and look, keeps the evidence of each rollout in memory, and derives it anew from
//! Prometheus after a restart. Whatever goes wrong on the way is a [`QueryError`]: one word and one sentence for the
//! status, and never a pass.

mod absent;
mod alternatives;
mod analyzer;
mod answer;
mod auto;
mod buckets;
mod cadence;
mod discovery;
mod doubled;
mod error;
mod escape;
mod exclusion;
mod forms;
mod gate;
mod grid;
mod histogram;
mod history;
mod http;
mod markers;
mod numbers;
mod outage;
mod parameters;
mod past;
mod pattern;
pub mod presets;
mod prometheus;
mod reading;
mod recipe;
mod renamed;
mod sampling_plan;
mod scrape;
mod served;
mod source;
mod spread;
mod statuses;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod tracker;
mod transport;
mod validation;
mod values;
mod versions;
mod wanted;

pub use analyzer::{AnalysisRequest, AnalysisResult, Analyzer};
pub use answer::{Bucket, Histogram, Numbers, Row};
pub use discovery::{Discovered, ExposedHistogram, Fitting};
pub use error::{Counting, Excess, QueryError};
pub use gate::Wellness;
pub use histogram::Flaw;
pub use parameters::{ParameterError, Parameters};
pub use past::{BacktestRequest, Change, Found, Outcome, Past, Released, Surveyed, Versions};
pub use prometheus::Tally;
pub use recipe::{Templates, template_of};
pub use template::{Backends, Scope, TemplateError, render, render_pattern, render_text};
pub use transport::{PromQuery, PromResponse, Transport, When};
pub use validation::{UnusableCheck, counting, unusable, usable};
