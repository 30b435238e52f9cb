//! What stands between the operator and a Prometheus: the network, or a simulation.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{answer::Numbers, error::QueryError};

/// A question to the HTTP API of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PromQuery {
    /// The PromQL expression.
    pub query: String,
    /// For which time.
    pub when: When,
}

/// For which time a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// An instant, to the millisecond.
    At(Timestamp),
    /// From `start` every `step` up to `end`; all in whole seconds.
    Grid {
        /// The first instant, in seconds since 1970.
        start: i64,
        /// No instant after this, in seconds since 1970.
        end: i64,
        /// Seconds from one instant to the next.
        step: i64,
    },
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum PromResponse {
    /// What a server would have sent, as yet unread.
    Text {
        /// The HTTP status.
        status: u16,
        /// Whether it says of itself that it is a web page.
        html: bool,
        /// The body.
        body: Vec<u8>,
    },
    /// What was read while it came in, or what a Prometheus in this process found: nobody had to write that down to read it
    /// again.
    Numbers(Numbers),
}

/// A way to one Prometheus.
pub trait Transport: Send + Sync {
    /// Asks, and reads the whole answer. Whoever asks gives up when it takes too long.
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        self.as_ref().query(question)
    }
}
