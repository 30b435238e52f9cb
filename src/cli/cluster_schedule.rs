//! The schedule of the whole cluster, from a file: what `spec.schedule` is for one Rollout.

use std::{fs, path::Path};

use anyhow::Context;
use tidegate_api::Schedule;
use tidegate_planner::calendar::Calendar;

/// Reads it.
///
/// # Errors
/// The file cannot be read or is not a schedule, or its time zone does not exist.
pub fn load(file: &Path) -> anyhow::Result<Schedule> {
    let told = || format!("the schedule in {}", file.display());
    let text = fs::read_to_string(file).with_context(told)?;
    let schedule: Schedule = serde_saphyr::from_str(&text).with_context(told)?;
    Calendar::new(&schedule).with_context(told)?;
    Ok(schedule)
}
