//! What may be wrong with a query.

/// Why a query has no answer. The sentences are the real Prometheus', for people search for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query or a parameter cannot be understood.
    #[error("{0}")]
    BadData(String),
    /// The query was understood, but the data does not allow what it asks.
    #[error("{0}")]
    Execution(String),
    /// The query asks for more than is worth computing.
    #[error("query timed out in expression evaluation")]
    Timeout,
}

impl QueryError {
    /// What a parameter of the HTTP API lacks.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::BadData(format!("invalid parameter \"{name}\": {why}"))
    }

    /// Something that the real Prometheus knows and this one does not.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::BadData(format!("the embedded Prometheus has no {what}"))
    }

    /// `errorType` and status of the HTTP API.
    /// <https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>
    pub(super) fn kind(&self) -> (&'static str, u16) {
        match self {
            Self::BadData(_) => ("bad_data", 400),
            Self::Execution(_) => ("execution", 422),
            Self::Timeout => ("timeout", 503),
        }
    }
}
