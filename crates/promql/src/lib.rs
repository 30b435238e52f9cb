//! A Prometheus in memory: scraped samples, and PromQL over them.
//!
//! [`Prometheus`] is where to begin: [`append`](Prometheus::append) takes a scrape,
//! [`instant`](Prometheus::instant), [`range`](Prometheus::range) and [`samples`](Prometheus::samples) ask, and
//! [`answer`](Prometheus::answer) does the same as the HTTP API, text for text.
//! Its answers are compared with the real Prometheus', query by query, in `tests/promql`.

mod aggregate;
mod binary;
mod error;
mod evaluate;
mod functions;
mod http;
mod labels;
mod number;
mod postings;
mod query;
mod range;
mod server;
mod storage;
mod value;

pub use error::QueryError;
pub use http::Parameters;
pub use labels::Labels;
pub use server::{Prometheus, Settings, Version};
pub use storage::Storage;
pub use value::{Point, Sample, Series, Value};

/// Its example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
