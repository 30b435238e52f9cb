//! Where the numbers come from: Prometheus, presets, query templates.
//!
//! The [`Analyst`] is what a controller calls. It knows the platform team's [`Endpoints`], asks each at most one
//! thing per group of checks and look, keeps the evidence of each rollout in memory, and derives it anew from
//! Prometheus after a restart. Whatever goes wrong on the way is a [`Fault`]: one word and one sentence for the
//! status, and never a pass.

mod absent;
mod analyst;
mod answer;
mod asked;
mod endpoints;
mod escape;
mod fault;
mod grid;
mod history;
mod http;
mod markers;
mod outage;
mod parameters;
mod past;
mod pattern;
pub mod presets;
mod prometheus;
mod recipe;
mod renamed;
mod scrape;
mod served;
mod source;
mod spread;
mod template;
mod tracker;
mod transport;
mod usable;
mod values;
mod versions;

pub use analyst::{Analyst, Look, Looked};
pub use answer::{Numbers, Row};
pub use endpoints::{Endpoint, Endpoints, EndpointsError};
pub use fault::{Counting, Fault};
pub use parameters::{ParameterError, Parameters};
pub use past::{Change, Found, Outcome, Past, Released, Subject, Surveyed, Versions};
pub use prometheus::Tally;
pub use recipe::{Templates, template_of};
pub use template::{Backends, Scope, TemplateError, render, render_pattern};
pub use transport::{Answer, Question, Transport, When};
pub use usable::{Unusable, counting, unusable, usable};
