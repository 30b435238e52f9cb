//! When windows of `spec.schedule` open. What the cluster has besides, the message of the Rollout says where it matters.

use jiff::Timestamp;
use tidegate_api::{Schedule, Window};
use tidegate_planner::calendar::Calendar;

/// What the hours of `windows` say now: `are open now`, `open on Mon 2026-03-09 09:00 CET (Europe/Berlin)`.
pub fn told(schedule: &Schedule, windows: &[Window], now: Timestamp) -> String {
    let calendar = match Calendar::new(schedule) {
        Ok(calendar) => calendar,
        Err(unknown) => return format!("never open: {unknown}"),
    };
    match calendar.opens_at(windows, now) {
        Some(at) if at == now => "are open now".to_owned(),
        Some(at) => format!("open on {}", calendar.told(at)),
        None => "do not open within a year".to_owned(),
    }
}
