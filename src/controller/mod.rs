//! Watch, reconcile, commit, apply: the only place where it all meets.

pub mod leader;
pub mod telemetry;
pub mod timeout;
