//! Where the number of a query comes from: a Prometheus, or a provider that speaks a language of its own.

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use tidegate_api::Reduce;
use tidegate_providers::Provider;
use tokio::time::Instant;

use super::{
    answer::Row,
    error::QueryError,
    prometheus::{Prometheus, Tally, one_of},
};

/// The services that have numbers and no counters.
pub(super) struct Providers {
    /// By the names of their endpoints.
    by_name: HashMap<String, Provider>,
    /// Is told of each question.
    tally: Tally,
}

/// Without the tally, which has nothing to show.
impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.by_name).finish()
    }
}

impl Providers {
    /// Those with the names of their endpoints, and a tally of the questions.
    pub(super) fn new(by_name: HashMap<String, Provider>, tally: Tally) -> Self {
        Self { by_name, tally }
    }

    /// Whether there is one of that name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

/// All who can be asked for numbers in one look.
#[derive(Clone, Copy)]
pub(super) struct NumberSources<'a> {
    /// The Prometheus of the Rollout, and until when it has to answer.
    pub(super) prometheus: Option<(&'a Prometheus, Instant)>,
    /// All others.
    pub(super) providers: &'a Providers,
}

/// Who is asked for one query.
#[derive(Clone, Copy)]
pub(super) enum NumberSource<'a> {
    /// A Prometheus, which has to answer until then.
    Prometheus(&'a Prometheus, Instant),
    /// A service that has numbers and no counters, under the name of its endpoint, and who is told of each question.
    Provider(&'a str, &'a Provider, &'a Tally),
}

impl<'a> NumberSources<'a> {
    /// The one that a query names, or the Prometheus.
    pub(super) fn of(self, provider: Option<&'a str>) -> Result<NumberSource<'a>, QueryError> {
        let Some(name) = provider else {
            let (prometheus, deadline) =
                self.prometheus.ok_or(QueryError::Empty { hint: "a Prometheus is configured" })?;
            return Ok(NumberSource::Prometheus(prometheus, deadline));
        };
        let provider = self.providers.by_name.get(name);
        let provider = provider.ok_or_else(|| QueryError::ProviderNotFound { name: name.to_owned() })?;
        Ok(NumberSource::Provider(name, provider, &self.providers.tally))
    }
}

impl NumberSource<'_> {
    /// The one number that `expression` yields at `at`; of several series, what `reduce` makes of them.
    pub(super) async fn number(
        self,
        expression: &str,
        reduce: Option<Reduce>,
        at: Timestamp,
    ) -> Result<f64, QueryError> {
        match self {
            Self::Prometheus(prometheus, deadline) => prometheus.number(expression, reduce, at, deadline).await,
            Self::Provider(name, provider, tally) => {
                let numbers = provider.numbers(expression, at).await;
                let numbers = numbers.map_err(|fault| QueryError::Provider { endpoint: name.to_owned(), fault });
                tally(name, numbers.as_ref().map_or_else(QueryError::reason, |_| "ok"));
                one_of(&numbers?, reduce)
            }
        }
    }

    /// What `expression` was at `start` and at every `step` seconds after it, up to `end`. A provider is only asked about the
    /// present: what nobody asked in time is not known, and there is nothing.
    pub(super) async fn grid(
        self,
        expression: &str,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<Option<Vec<Row>>, QueryError> {
        match self {
            Self::Prometheus(prometheus, deadline) => {
                prometheus.grid(expression, start, end, step, deadline).await.map(Some)
            }
            Self::Provider(..) => Ok(None),
        }
    }
}
