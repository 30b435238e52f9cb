//! Hours in which nothing could ever go on: of a zone that does not exist, frozen for good, or later than a stage has time.

use jiff::{Timestamp, ToSpan};
use tidegate_api::{Days, RolloutSpec, Schedule, Span, Stage, Window};
use tidegate_planner::calendar::Calendar;

use super::finding::{Finding, LocatedDocument};

/// Every week is like this one, which has no change of the clock in most zones: it begins on a Monday.
const A_WEEK: (&str, i64) = ("2026-01-12T00:00:00Z", 7 * 24 * 60);

/// How far apart the minutes are that are looked at.
const STEP: usize = 5;

/// What the schedule of `spec` has wrong.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let Some(schedule) = &spec.schedule else { return Vec::new() };
    let calendar = match Calendar::new(schedule) {
        Ok(calendar) => calendar,
        Err(unknown) => return vec![rollout.error("spec.schedule.timeZone", unknown.to_string())],
    };
    let opens = |windows| calendar.opens_at(windows, Timestamp::now()).is_some();
    // Without frozen days, every window opens within a week.
    let frozen = |message| vec![rollout.error("spec.schedule.freeze", message)];
    if !opens(&schedule.start) {
        return frozen("no version may start within a year: nothing is ever released");
    }
    if !opens(&schedule.advance) {
        return frozen("no stage may be left within a year: nothing is ever promoted");
    }
    too_late(rollout, spec, schedule)
}

/// Stages whose deadline is always over before a window opens in which they may be left.
fn too_late(rollout: &LocatedDocument, spec: &RolloutSpec, schedule: &Schedule) -> Vec<Finding> {
    if schedule.advance.is_empty() {
        return Vec::new();
    }
    let week = Schedule { freeze: Vec::<Days>::new(), ..schedule.clone() };
    let Ok(calendar) = Calendar::new(&week) else { return Vec::new() };
    let stages = spec.stages();
    if stages.iter().all(|stage| stage.deadline.is_none()) {
        return Vec::new();
    }
    let open = |windows: &[Window]| minutes().filter(|at| calendar.opens_at(windows, *at) == Some(*at)).collect();
    let (starts, advances): (Vec<_>, Vec<_>) = (open(&week.start), open(&week.advance));
    let late = stages.iter().enumerate().filter_map(|(index, stage)| {
        let deadline = stage.deadline?;
        let moments = if index == 0 { &starts } else { &advances };
        let is_left = |at: &Timestamp| is_left_by(&calendar, stage, *at, deadline);
        if moments.is_empty() || moments.iter().any(is_left) {
            return None;
        }
        let message = format!(
            "stage {} has a deadline of {deadline}, and whenever it begins, no window of spec.schedule.advance opens so soon: it is never left by then; lengthen the deadline, or the windows",
            stage.name
        );
        Some(rollout.warning(format!("spec.stages[{index}].deadline"), message))
    });
    late.collect()
}

/// Whether a stage that begins at `at` may be left between its bake and its deadline.
fn is_left_by(calendar: &Calendar<'_>, stage: &Stage, at: Timestamp, deadline: Span) -> bool {
    let (Ok(baked), Ok(late)) = (at.checked_add(stage.bake().duration()), at.checked_add(deadline.duration())) else {
        return true;
    };
    calendar.opens_at(&calendar.schedule().advance, baked).is_some_and(|opens| opens <= late)
}

fn minutes() -> impl Iterator<Item = Timestamp> {
    let (monday, minutes) = A_WEEK;
    let monday = monday.parse::<Timestamp>().ok();
    let at = move |minute: i64| monday.and_then(|monday| monday.checked_add(minute.minutes()).ok());
    (0..minutes).step_by(STEP).filter_map(at)
}
