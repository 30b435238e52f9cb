//! What the pods of a version expose, and which preset counts it.

mod choice;
mod fitting;

pub(super) use choice::{Asked, Choice, choose};
pub use fitting::{ExposedHistogram, Fitting};

use std::collections::BTreeSet;

use futures::future::try_join_all;
use jiff::Timestamp;
use tidegate_api::{ParameterValues, Preset, RevisionStatus};
use tokio::time::Instant;

use super::{
    error::QueryError,
    escape::{escape_string, pods},
    presets,
    prometheus::Prometheus,
    template::Scope,
};

/// What there was so many seconds ago is there.
const RECENT: i64 = 60;

/// What was found of a version.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Discovered {
    /// The names of all metrics of its pods.
    pub metrics: BTreeSet<String>,
    /// Which presets count any of it, in the order in which one is taken.
    pub fitting: Vec<Fitting>,
}

impl Discovered {
    /// Which preset `auto` would stand for, where both kinds of check are asked, and why: the rest of a sentence that begins with
    /// its name and "which". It is asked for errors, or else for a latency.
    #[must_use]
    pub fn taken(&self, errors: bool) -> Option<(Preset, String)> {
        choose(Asked { errors, both: true }, &self.fitting).map(|choice| (choice.preset, choice.reason))
    }
}

/// Who is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) version: &'a RevisionStatus,
    /// What a check gives its preset.
    pub(super) parameters: Option<&'a ParameterValues>,
}

impl Subject<'_> {
    /// The question what metrics its pods have. They are told by the label that presets go by, unless a parameter says
    /// another.
    fn question(&self) -> String {
        let label = self.parameters.and_then(|given| given.0.get("podLabel")).map_or("pod", String::as_str);
        let namespace = escape_string(&tidegate_planner::pattern::exactly(self.scope.namespace), '"');
        let pods = escape_string(&pods(&self.version.replica_set), '"');
        format!("count by (__name__) ({{namespace=~\"{namespace}|\",{label}=~\"{pods}\"}})")
    }
}

/// What the pods of `subject` expose at `at`.
///
/// # Errors
/// [`QueryError`]: Prometheus does not say what metrics there are.
pub(super) async fn discover(
    prometheus: &Prometheus,
    subject: Subject<'_>,
    at: Timestamp,
    deadline: Instant,
) -> Result<Discovered, QueryError> {
    let (start, end) = (at.as_second().saturating_sub(RECENT), at.as_second());
    let rows = prometheus.grid(&subject.question(), start, end, RECENT, deadline).await?;
    let metrics: BTreeSet<_> = rows.iter().filter_map(|row| row.label("__name__")).map(str::to_owned).collect();
    let looks =
        presets::IN_ORDER.iter().map(|preset| fitting::look(prometheus, &subject, &metrics, *preset, at, deadline));
    let fitting = try_join_all(looks).await?.into_iter().flatten().collect();
    Ok(Discovered { metrics, fitting })
}
