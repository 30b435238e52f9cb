//! The services that have numbers and do not speak the API of Prometheus.

use std::path::PathBuf;

use serde::Deserialize;

/// A kind of service that is asked in its own language, with what it takes to ask it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ProviderKind {
    /// Amazon `CloudWatch`.
    CloudWatch {
        /// Such as `eu-west-1`.
        region: String,
        /// A file with the access key; read for each request, so that it may be rotated.
        access_key_file: PathBuf,
        /// A file with the secret key.
        secret_key_file: PathBuf,
        /// A file with the token of a session, for keys that are lent.
        #[serde(default)]
        session_token_file: Option<PathBuf>,
    },
    /// Datadog.
    Datadog,
    /// Graphite.
    Graphite,
    /// `InfluxDB`.
    InfluxDb {
        /// The database, which a version 2 maps to a bucket.
        database: String,
    },
    /// New Relic.
    NewRelic {
        /// The number of the account.
        account: u64,
    },
    /// `OpenSearch`.
    OpenSearch,
    /// Whatever answers with JSON.
    Web {
        /// Where the number stands, as a JSON Pointer such as `/data/value`.
        value: String,
    },
}
