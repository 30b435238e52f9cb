//! The schedule of the whole cluster, from a file: what `spec.schedule` is for one Rollout.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, bail};
use serde_json::Value;
use tidegate_api::Schedule;
use tidegate_planner::calendar::Calendar;

/// A misspelled one would freeze nothing.
const FIELDS: [&str; 4] = ["timeZone", "start", "advance", "freeze"];

/// Reads it.
///
/// # Errors
/// The file cannot be read or is not a schedule, or its time zone does not exist.
pub fn load(file: &Path) -> anyhow::Result<Schedule> {
    let told = || format!("the schedule in {}", file.display());
    let text = fs::read_to_string(file).with_context(told)?;
    let fields: BTreeMap<String, Value> = serde_saphyr::from_str(&text).with_context(told)?;
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        bail!("{} has a field {unknown:?}, which no schedule has: it has {}", told(), FIELDS.join(", "));
    }
    let schedule: Schedule = serde_saphyr::from_str(&text).with_context(told)?;
    Calendar::new(&schedule).with_context(told)?;
    Ok(schedule)
}
